#!/usr/bin/env bash
# lint.sh includes|faults|format|shell|tidy...: one kind of check each; prints the offending lines, exits 1 if there are any.
# tidy reads compile_commands.json from HOLDFAST_TIDY_BUILD (default build-clang), as clang-tidy wants clang's flags.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2

sources() { git ls-files --cached --others --exclude-standard "$@"; }

lint_includes() { scripts/check_includes.sh; }

lint_faults() { scripts/check_faults.sh; }

lint_format() { sources '*.c' '*.h' | xargs -r clang-format --dry-run -Werror; }

lint_shell() {
    local file scripts=(holdfast)
    shellcheck --version >/dev/null || return
    # The parts of the launcher are read through it; what is a program of its own is read by itself.
    for file in .ci/run scripts/*.sh tests/*/*.sh bench/*/*.sh; do
        if [ -x "$file" ]; then scripts+=("$file"); fi
    done
    shellcheck "${scripts[@]}"
}

# Tests are left to the compilers: Criterion's macros are not ours to mend.
lint_tidy() {
    local build=${HOLDFAST_TIDY_BUILD:-build-clang} version
    version=$(clang-tidy --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1)
    [ -e "$build/compile_commands.json" ] || { echo "no $build/compile_commands.json: CC=clang meson setup $build"; return 1; }
    sources '*.c' | grep -v '^tests/' | compiled "$build" |
        xargs -r -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet 2>&1 | tidy_filter
    local codes=("${PIPESTATUS[@]}")
    [ "${codes[3]}" = 0 ] || { echo "clang-tidy $version found the above"; return 1; }
}

# Those sources that the build compiles.
compiled() { while IFS= read -r file; do if grep -qF "/$file\"" "$1/compile_commands.json"; then echo "$file"; fi; done; }

# clang-tidy counts the warnings it hides, file by file.
tidy_filter() { grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed [0-9]+|^Use -header-filter|^$' || true; }

code=0
for kind in "$@"; do
    case $kind in
    includes) lint_includes || code=1 ;;
    faults) lint_faults || code=1 ;;
    format) lint_format || code=1 ;;
    shell) lint_shell || code=1 ;;
    tidy) lint_tidy || code=1 ;;
    *) echo "lint.sh: there is no check '$kind'" >&2; exit 2 ;;
    esac
done
exit "$code"
