#!/usr/bin/env bash
# check_faults.sh: every test that docs/faults.md names is there. Prints those that are not and exits 1 if there is one.
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2

bad=0 seen=0
# "`file`: `test`, `test`; `file`: ..." in the third column; a name is looked for as it is written in its file.
while IFS=$'\t' read -r file name; do
    seen=$((seen + 1))
    if [ -d "$file" ]; then grep -rqF -- "$name" "$file"; else grep -qF -- "$name" "$file"; fi 2>/dev/null && continue
    echo "docs/faults.md: $file has no test '$name'"
    bad=1
done < <(awk -F'|' '/^\|/ && NF >= 5 {
    n = split($4, part, "`")
    file = ""
    for (i = 2; i <= n; i += 2) {
        if (part[i] ~ /^tests\//) file = part[i]
        else if (file != "") print file "\t" part[i]
    }
}' docs/faults.md)
[ "$seen" -ge 16 ] || { echo "docs/faults.md names $seen tests only"; bad=1; }
exit "$bad"
