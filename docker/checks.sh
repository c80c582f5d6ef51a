# shellcheck shell=sh
# What the tests in this folder share: one line a check, and their sum. Sourced.
passed=0
failed=0
output=

# check WHAT COMMAND...: ok if the command succeeds.
check() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        say "ok - $what"
    else
        failed=$((failed + 1))
        say "not ok - $what"
        printf '%s\n' "$output" | tail -n 20 | sed 's/^/    /'
    fi
}

not() {
    ! "$@"
}

# run COMMAND...: its exit code is left in $code, its output, both streams, in $output.
run() {
    code=0
    output=$("$@" 2>&1) || code=$?
}

said() {
    printf '%s\n' "$output" | grep -q -e "$1"
}

# One line of complaint, in words, with a code that says so.
failed_in_one_line() {
    [ "$code" -ne 0 ] && [ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] && said "^error: .*$1"
}

sum_up() {
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
