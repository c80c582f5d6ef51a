#!/bin/sh
# Usage: coverage.sh
# Counts the lines of the server and the client that the tests run, also in the processes that the tests start. The
# lines of tests are not counted. Fails if the share of either is too small.
#
# A process that is killed writes no report: lines that only such a process has run count as not run.
set -eu
. "$(dirname "$0")/lib.sh"

covered_min_percent=95
output=$root/target/coverage

need_tool tarpaulin
mkdir -p "$output"

for package in echo-client echo-reactor; do
    say "$package: the tests run"
    # Its output has a line for each of thousands of reports.
    quietly cargo tarpaulin --engine llvm --follow-exec --locked --skip-clean --timeout 600 \
        --packages "$package" --include-files "$package/src/*" \
        --target-dir "$output/build" --output-dir "$output" --out Lcov
    mv "$output/lcov.info" "$output/$package.info"
done

# report PACKAGE: each line that was not run, and the share of those that were.
report() {
    awk -F '[:,]' -v package="$1" -v wanted="$covered_min_percent" '
        $1 == "SF" { file = $2; sub(".*/" package "/", package "/", file) }
        $1 == "DA" { lines++; if ($3 > 0) covered++; else print "not run: " file ":" $2 }
        END {
            share = lines ? 100 * covered / lines : 0
            printf "%s: %d of %d lines, %.2f %%, at least %d %% wanted\n",
                package, covered, lines, share, wanted
            exit share < wanted
        }' "$output/$1.info"
}

code=0
report echo-client || code=1
report echo-reactor || code=1
[ "$code" -eq 0 ] || fail 'too many lines are run by no test'
