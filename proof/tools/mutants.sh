#!/bin/sh
# Usage: mutants.sh [ARGUMENT OF CARGO MUTANTS]...
# Breaks the server and the client, in one way at a time, and counts how many of these mutants a test
# notices. mutants.sh --re deadlines.rs breaks only one file. Fails if too few mutants are noticed, or
# if one that is not noticed is not explained.
set -eu
. "$(dirname "$0")/lib.sh"

caught_min_percent=95
explanations=$root/proof/tools/mutants.md
output=$root/target/mutants
result=$output/mutants.out

count() {
    grep -c . "$result/$1.txt" || true
}

# A test that hangs is ended, and a server that it started may survive.
end_strays() {
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in
            "$output/build/"*) kill -KILL "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
}

# The line of a mutant changes with every edit of its file; the description of the change does not.
unexplained() {
    sed -E 's/:[0-9]+:[0-9]+: /: /' "$result/missed.txt" | sort -u |
        # In a table of Markdown a pipe is escaped.
        sed 's/|/\\|/g' | while IFS= read -r mutant; do
            grep -qF -- "\`$mutant\`" "$explanations" || say "$mutant"
        done
}

need_tool mutants
need_tool nextest
mkdir -p "$output/build"
trap end_strays EXIT

# Exit code 2 means that some mutants were missed, 3 that some hung; the others are real errors. Each
# test has its own limit, so that the timeout is only for a test runner that hangs.
code=0
TMPDIR=$output/build SEEDS=${SEEDS:-5000} \
    cargo mutants --config proof/tools/mutants.toml --package echo-reactor --package echo-client --output "$output" \
    --jobs "${JOBS:-2}" --timeout 300 --no-times --colors never "$@" || code=$?
case $code in
    0 | 2 | 3) ;;
    *) fail "cargo mutants failed with exit code $code, see above" ;;
esac

caught=$(count caught)
timeout=$(count timeout)
missed=$(count missed)
viable=$((caught + timeout + missed))
[ "$viable" -gt 0 ] || fail 'no mutant could be built'
# In hundredths of a per cent, because the shell has no fractions.
share=$(((caught + timeout) * 10000 / viable))

say "mutants: $viable viable, $caught caught, $timeout timed out, $missed missed;" \
    "$(count unviable) unviable"
say "caught: $((share / 100)).$(printf %02d $((share % 100))) %, at least $caught_min_percent % wanted"
unexplained=$(unexplained)
if [ -n "$unexplained" ]; then
    fail "missed, and not explained in proof/tools/mutants.md:
$unexplained"
fi
[ "$share" -ge $((caught_min_percent * 100)) ] || fail 'too many mutants live on unnoticed'
