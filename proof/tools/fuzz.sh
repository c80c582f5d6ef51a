#!/bin/sh
# Usage: fuzz.sh SECONDS
# Runs the fuzz tests of the configuration and the properties of the protocol, round after round with
# new random cases, until the time is up. It ends at the first failure, and shows the shortest case.
set -eu
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
case $seconds in
    '' | *[!0-9]*) fail "SECONDS is a whole number, not '$seconds': make fuzz SECONDS=60" ;;
esac
cases=${PROPTEST_CASES:-5000}
# cargo_test ARGUMENT...: the tests of the two packages with properties that hostile input has to keep.
cargo_test() {
    PROPTEST_CASES=$cases quietly cargo test --release --locked "$@"
}

cargo_test --package echo-common --package echo-reactor --package echo-client --lib --no-run
end=$(($(date +%s) + seconds))
rounds=0
while [ "$rounds" = 0 ] || [ "$(date +%s)" -lt "$end" ]; do
    cargo_test --package echo-common --lib fuzz::
    cargo_test --package echo-reactor --lib echo::
    cargo_test --package echo-reactor --package echo-client --lib config::
    rounds=$((rounds + 1))
done
say "fuzz: $rounds rounds of $cases cases for each property, no failure"
