# shellcheck shell=bash
# The tests: set-up, build, run, one sum at the end. Meson knows the C tests and scripts by suite; node runs the browser's.

usage_test='./holdfast test [unit|integration|e2e|browser|sim|fuzz|all]... [-k PATTERN]
  Installs what is missing, builds, runs the tests (default: all). e2e and browser run against a stack of their own, started anew in
  .holdfast/test on free ports and stopped afterwards; integration tests start the servers they kill. Ends with the line `N passed, N failed`; exit code 0 only if nothing failed.
    -k PATTERN      only tests whose name contains PATTERN (a Criterion glob on suite/test)
    --keep          leave the stack of the tests running
  HOLDFAST_BUILD_DIR=DIR tests another build, a sanitizer build for one.'

TEST_PASSED=0 TEST_FAILED=0 TEST_SKIPPED=0 TEST_FAILURES='' TEST_KEEP='' TEST_PATTERN=''

verb_test() {
    local suites=() want=''
    while [ $# -gt 0 ]; do
        case $1 in
        unit | integration | e2e | browser | sim | fuzz) suites+=("$1") ;;
        all) suites+=(unit sim fuzz integration e2e browser) ;;
        -k) TEST_PATTERN=${2:?-k wants a pattern}; shift ;;
        --keep) TEST_KEEP=1 ;;
        *) usage_error test "$1" ;;
        esac
        shift
    done
    if [ ${#suites[@]} = 0 ]; then suites=(unit sim fuzz integration e2e browser); fi
    want=" ${suites[*]} "
    test_prepare "$want"
    test_meson "$want" unit sim fuzz integration
    case $want in *' unit '*) test_sdk ;; esac
    case $want in *' e2e '* | *' browser '*) test_with_stack "$want" ;; esac
    test_sum
}

# Adds every sanitizer report to the failures: a leak that Criterion overlooks leaves its file all the same.
test_sum() {
    local report reports=()
    if [ -n "${HOLDFAST_SANITIZER_LOG:-}" ]; then
        for report in "$HOLDFAST_SANITIZER_LOG".*; do
            if [ -e "$report" ]; then reports+=("$report"); fi
        done
    fi
    for report in "${reports[@]}"; do
        echo "--- sanitizer report: $report"
        head -n 40 "$report"
        TEST_FAILED=$((TEST_FAILED + 1))
        TEST_FAILURES+="failed: $(grep -m1 -E 'ERROR:|runtime error:' "$report")"$'\n'
    done
    if [ $((TEST_PASSED + TEST_FAILED)) = 0 ]; then
        echo "no test ran${TEST_PATTERN:+: nothing matches '$TEST_PATTERN'}"
        TEST_FAILED=1
    fi
    if [ "$TEST_SKIPPED" -gt 0 ]; then echo "$TEST_SKIPPED test programs were skipped"; fi
    printf '%s' "$TEST_FAILURES"
    echo "$TEST_PASSED passed, $TEST_FAILED failed"
    [ "$TEST_FAILED" = 0 ]
}

test_prepare() {
    local groups=(stack)
    ui_head "holdfast: the tests of $ROOT"
    stack_lock
    case $1 in *' browser '*) groups+=(browser) ;; *' e2e '*) groups+=(npm) ;; *' unit '*) groups+=(node) ;; esac
    case $1 in *' integration '*) groups+=(sql) ;; esac
    packages_ensure "${groups[@]}"
    case $1 in *' integration '* | *' e2e '* | *' browser '*) kafka_install ;; esac
    case $1 in
    *' unit '* | *' sim '* | *' fuzz '* | *' integration '*) build_ensure ;;
    *) build_ensure "${BUILD_STACK[@]}" ;;
    esac
    case $1 in *' e2e '*) node_install "$ROOT/tests/e2e" ;; esac
    case $1 in *' browser '*) node_install "$ROOT/tests/browser" ;; esac
    stack_unlock
}

# test_meson WANTED SUITE...: runs those of the suites that are wanted.
test_meson() {
    local want=$1 suite args=() log=$BUILD/meson-logs/holdfast-$2
    shift
    for suite in "$@"; do
        case $want in *" $suite "*) args+=(--suite "$suite") ;; esac
    done
    [ ${#args[@]} -gt 0 ] || return 0
    if [ -n "$TEST_PATTERN" ]; then export CRITERION_TEST_PATTERN="*$TEST_PATTERN*"; fi
    rm -f "$log.txt"
    meson test -C "$BUILD" --no-rebuild --print-errorlogs --logbase "${log##*/}" \
        --timeout-multiplier "${HOLDFAST_TEST_PATIENCE:-1}" "${args[@]}"
    test_count "$log.txt"
}

# Counts cases where a program names them (Criterion's synthesis), else the program as one. What Criterion calls tested and not
# passing has failed or crashed; a program that ends badly although all its cases passed (a sanitizer, a crash at exit) is a failure more.
test_count() {
    local passed failed skipped
    [ -e "$1" ] || return 0
    read -r passed failed skipped < <(awk '
        function close_test() {
            if (name == "") return
            if (synthesis) { passed += p; failed += t - p; if (t == p && result != "exit status 0") failed++ }
            else if (result == "exit status 77") skipped++
            else if (result == "exit status 0") passed++
            else failed++
            name = ""; synthesis = 0; t = 0; p = 0
        }
        /^test: / { close_test(); name = $0 }
        name != "" && /^result: / { sub(/^result: */, ""); result = $0 }
        name != "" && /Synthesis: Tested: / {
            synthesis = 1
            match($0, /Tested: [0-9]+/); t += substr($0, RSTART + 8, RLENGTH - 8)
            match($0, /Passing: [0-9]+/); p += substr($0, RSTART + 9, RLENGTH - 9)
        }
        END { close_test(); print passed + 0, failed + 0, skipped + 0 }' "$1")
    TEST_PASSED=$((TEST_PASSED + passed)) TEST_FAILED=$((TEST_FAILED + failed)) TEST_SKIPPED=$((TEST_SKIPPED + skipped))
    if [ "$failed" != 0 ]; then TEST_FAILURES+=$(test_failures "$1")$'\n'; fi
}

# What failed and where it says so, to be read at the end of a long log: the program, then its cases and assertions.
test_failures() {
    awk '
        /^test: / { name = $2 " " $3 " " $4 }
        /^result: / && !/exit status (0|77)$/ { sub(/^result: */, ""); print "failed: " name ", " $0; bad = 1; next }
        /^result: / { bad = 0 }
        !bad { next }
        /Assertion Failed/ { sub(/^\[----\] */, ""); print "failed:     " $0; told = 2; next }
        told > 0 && /^\[----\] +[^ ]/ { sub(/^\[----\] */, ""); print "failed:       " $0; told--; next }
        /^\[(FAIL|CRASH)|did not become true|Unexpected signal|ERROR: |runtime error: / { print "failed:     " $0 }' "$1"
}

# A stack of the tests' own, from nothing, so that no test finds another run's traces.
test_with_stack() {
    export HOLDFAST_STATE=$STATE/test HOLDFAST_PORT_BASE=auto HOLDFAST_ROOT=$ROOT HOLDFAST_BUILD_DIR=$BUILD
    test_stack_down
    trap 'test_stack_down; exit 130' INT TERM
    if "$ROOT/holdfast" up >/dev/null; then
        test_suites_on_stack "$1"
    else
        TEST_FAILED=$((TEST_FAILED + 1))
    fi
    trap - INT TERM
    if [ -n "$TEST_KEEP" ]; then ui_say "the stack of the tests goes on: HOLDFAST_STATE=$HOLDFAST_STATE"; else test_stack_down; fi
}

test_stack_down() {
    [ -e "$HOLDFAST_STATE" ] || return 0
    "$ROOT/holdfast" down 2>/dev/null
    test_logs_keep
    rm -rf "$HOLDFAST_STATE"
}

# What the servers said is wanted after a failure.
test_logs_keep() {
    rm -rf "$LOGS/test"
    cp -r "$HOLDFAST_STATE/log" "$LOGS/test" 2>/dev/null
}

test_suites_on_stack() {
    local line
    while IFS= read -r line; do export "${line?}"; done <"$HOLDFAST_STATE/env"
    case $1 in *' e2e '*) test_e2e ;; esac
    case $1 in *' browser '*) test_browser ;; esac
    unset "${!PG@}"
}

# Waits until every server that an earlier file killed is ready again, at most a minute; the next file tells if one is not.
test_settle() {
    local deadline=$((SECONDS + 60))
    until "$ROOT/holdfast" status >/dev/null 2>&1 || [ "$SECONDS" -ge "$deadline" ]; do sleep 0.2; done
}

# One file after the other: some kill the servers that all of them use. HOLDFAST_E2E_SKIP names files to leave out.
test_e2e() {
    local file name
    for file in "$ROOT"/tests/e2e/*.test.mjs; do
        name=${file##*/}
        case " ${HOLDFAST_E2E_SKIP:-} " in *" ${name%.test.mjs} "*) continue ;; esac
        test_settle
        test_node "$LOGS/e2e-${name%.test.mjs}.tap" "$file"
    done
}

# node_install DIR: what its tests need of npm (a YAML and a JSON schema reader, playwright-core), once per lock file. The browser is the distribution's.
node_install() {
    local dir=$1 start stamp
    stamp=$dir/node_modules/.holdfast-$(cksum <"$dir/package-lock.json" | tr ' ' -)
    [ ! -e "$stamp" ] || return 0
    now_us; start=$REPLY
    ui_run "npm ${dir##*/}" "$LOGS/npm.log" 'npm must reach its registry' npm ci --no-audit --no-fund --prefix "$dir"
    : >"$stamp"
    ui_done "npm ${dir##*/}" "$start"
}

browser_find() {
    local name
    for name in "${HOLDFAST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        REPLY=$(command -v "$name" 2>/dev/null) && [ -n "$REPLY" ] && return 0
    done
    return 1
}

# The browser's SDK by itself, in node.
test_sdk() { test_node "$LOGS/sdk.tap" "$ROOT"/tests/browser/sdk_*.test.mjs; }

test_browser() {
    local file files=()
    browser_find || { echo 'no chromium on this system: set HOLDFAST_CHROMIUM'; TEST_FAILED=$((TEST_FAILED + 1)); return; }
    export HOLDFAST_CHROMIUM=$REPLY
    for file in "$ROOT"/tests/browser/*.test.mjs; do
        case $file in */sdk_*) ;; *) files+=("$file") ;; esac
    done
    test_node "$LOGS/browser.tap" "${files[@]}"
}

# test_node TAP_FILE TEST_FILE...
test_node() {
    local log=$1 args=()
    shift
    [ -e "$1" ] || return 0
    # Node 18 of Debian 12 has what browsers call crypto, behind a flag.
    case $(node --version) in v18.*) args+=(--experimental-global-webcrypto) ;; esac
    if [ -n "$TEST_PATTERN" ]; then args+=(--test-name-pattern "$TEST_PATTERN"); fi
    timeout -k 5 "${HOLDFAST_NODE_SECONDS:-600}" node --test --test-reporter=tap "${args[@]}" "$@" >"$log" 2>&1
    node_count "$log" $?
}

# The names of what failed, where it is, and the first line of why.
node_failures() {
    awk '
        { text = $0; sub(/^ +/, "", text) }
        why { print "failed:     " text; why = 0 }
        text ~ /^error: \|/ { why = 1; next }
        text ~ /^(not ok|location:|error:)/ { print "failed:     " text }' "$1"
}

# node_count TAP_FILE EXIT_CODE
node_count() {
    local passed failed
    passed=$(sed -n 's/^# pass //p' "$1" | tail -n 1)
    failed=$(sed -n 's/^# \(fail\|cancelled\) //p' "$1" | awk '{ n += $1 } END { print n + 0 }')
    if [ "$2" != 0 ] && [ "${failed:-0}" = 0 ]; then failed=1; fi
    if [ "$failed" = 0 ]; then
        grep -E '^(ok|not ok)' "$1"
    else
        cat "$1"
        TEST_FAILURES+="failed: ${1##*/}"$'\n'$(node_failures "$1")$'\n'
    fi
    TEST_PASSED=$((TEST_PASSED + ${passed:-0})) TEST_FAILED=$((TEST_FAILED + failed))
}
