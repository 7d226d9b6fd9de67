# shellcheck shell=bash
# The private Apache Kafka: one broker and controller (KRaft), from its published jars, which Maven keeps between runs.

KAFKA_HOME=$ROOT/.holdfast/kafka
KAFKA_DATA=$STATE/kafka/data

# The jars, fetched anew when the list of them changes; complete or absent, never half.
kafka_install() {
    local start stamp=$KAFKA_HOME/libs/.pom
    now_us; start=$REPLY
    ! cmp -s "$ROOT/deploy/kafka-pom.xml" "$stamp" || return 0
    mkdir -p "$KAFKA_HOME"
    ui_run kafka-jars "$LOGS/kafka-jars.log" 'Maven must reach its repository; a proxy or mirror goes into ~/.m2/settings.xml' \
        kafka_fetch
    ui_done kafka-jars "$start" "$(find "$KAFKA_HOME/libs" -name '*.jar' | wc -l) jars"
}

kafka_fetch() {
    rm -rf "$KAFKA_HOME/libs.new" "$KAFKA_HOME/libs"
    mvn -B -ntp -f "$ROOT/deploy/kafka-pom.xml" -Dstyle.color=never dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$KAFKA_HOME/libs.new" &&
        cp "$ROOT/deploy/kafka-pom.xml" "$KAFKA_HOME/libs.new/.pom" && mv "$KAFKA_HOME/libs.new" "$KAFKA_HOME/libs"
}

kafka_java() {
    KAFKA_JAVA=(java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
        "-Dlog4j2.configurationFile=$ROOT/deploy/kafka-log4j2.properties" -cp "$KAFKA_HOME/libs/*")
}

kafka_start() {
    kafka_java
    ports_check "$KAFKA_PORT:kafka" "$KAFKA_CONTROLLER_PORT:kafka"
    write_config "$ROOT/deploy/kafka.properties.in" "$CONF/kafka.properties"
    [ -e "$KAFKA_DATA/meta.properties" ] || kafka_format
    part_start kafka TERM "$(cksum <"$CONF/kafka.properties")" "${KAFKA_JAVA[@]}" kafka.Kafka "$CONF/kafka.properties"
}

# A cluster id is 16 random bytes in the URL's base64.
kafka_format() {
    local id
    id=$(openssl rand -base64 16 | tr '+/' '-_' | tr -d '=')
    rm -rf "$KAFKA_DATA"
    "${KAFKA_JAVA[@]}" kafka.tools.StorageTool format --cluster-id="$id" -c "$CONF/kafka.properties" >"$LOGS/kafka-format.log" 2>&1 ||
        { tail -n 15 "$LOGS/kafka-format.log" >&2; die 'Kafka cannot lay out its storage' "look at $LOGS/kafka-format.log"; }
}

kafka_wait() {
    part_wait kafka 90 port_open "$KAFKA_PORT"
    kafka_topics
}

# Topics are made once per cluster; the stamp is named by their list and goes with the data.
kafka_topics() {
    local stamp topic jobs=() job
    stamp=$KAFKA_DATA/.topics-$(printf %s "$KAFKA_TOPICS" | cksum | cut -d' ' -f1)
    [ ! -e "$stamp" ] || return 0
    for topic in $KAFKA_TOPICS; do
        kafka_topic "$topic" >"$LOGS/kafka-topic-${topic%%:*}.log" 2>&1 &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || die 'cannot make the topics' "look at $LOGS/kafka-topic-*.log"
    done
    : >"$stamp"
}

# kafka_topic NAME:PARTITIONS[:compact]
kafka_topic() {
    local name partitions kind config=()
    IFS=: read -r name partitions kind <<<"$1"
    if [ "$kind" = compact ]; then
        config=(--config cleanup.policy=compact --config segment.ms=600000 --config min.cleanable.dirty.ratio=0.1)
    fi
    java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_HOME/libs/*" \
        "-Dlog4j2.configurationFile=$ROOT/deploy/kafka-log4j2.properties" \
        org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$KAFKA_PORT" --create --if-not-exists \
        --topic "$name" --partitions "$partitions" --replication-factor 1 "${config[@]}"
}
