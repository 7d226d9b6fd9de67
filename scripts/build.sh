# shellcheck shell=bash
# Meson and ninja: one build directory, set up once, brought up to date by every verb that needs a binary.

# What a running stack needs, without the tests.
BUILD_STACK=(engine/engine engine/migrate engine/audit waitroom/waitroom seatmap-ws/seatmap-ws paysim/paysim bench/bench tests/chaos/steady)
# What `bench holds` and `bench bookings` run beside their own flood.
BUILD_CORE=(bench/core/hold_rate bench/core/commit_rate)

# build_ensure [TARGET...]: all targets unless some are named.
build_ensure() {
    local start before after
    now_us; start=$REPLY
    if [ ! -e "$BUILD/build.ninja" ]; then
        rm -rf "$BUILD/meson-private"
        ui_run 'build set-up' "$LOGS/meson.log" './holdfast doctor' \
            meson setup "$BUILD" "$ROOT" --buildtype=debugoptimized
    fi
    before=$(stat -c %Y "$BUILD/.ninja_log" 2>/dev/null)
    ui_run build "$LOGS/build.log" 'see the compiler above; ninja -C build shows it all' build_ninja "$@"
    after=$(stat -c %Y "$BUILD/.ninja_log" 2>/dev/null)
    if [ "$before" = "$after" ]; then ui_done build "$start" 'up to date'; else ui_done build "$start" "$BUILD"; fi
}

build_ninja() { NINJA_STATUS='[%f/%t] ' ninja -C "$BUILD" "$@"; }

# built NAME: whether the build made it.
built() { [ -x "$BUILD/$1" ]; }
