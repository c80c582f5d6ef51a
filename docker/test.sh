#!/bin/sh
# Usage: test.sh
# Tests all that this machine can test, and counts what it cannot. Without Rust, the builder's image compiles the tests,
# and they run here all the same. STRICT=1 is for test-programs.sh.
set -eu
. "$(dirname "$0")/environment.sh"

# The tests add a line for each that is skipped.
ECHO_SKIPPED=$scratch/skipped
export ECHO_SKIPPED

test_with_cargo() {
    # The guide's commands need target/release.
    sh docker/build.sh
    sh docker/test-programs.sh
    sh docker/test-containers.sh
}

# The checkout has the same path there as here, because tests look for files in it.
compile_in_builder() {
    quietly docker volume create --label project=echo-reactor "$cargo_cache" || fail "the engine makes no volume: $(reason)"
    there=$(say "$root" | sed 's/"/""/g')
    attend docker run --rm --name "$project-tests-$$" \
        --mount "type=volume,source=$cargo_cache,target=/cargo" --env CARGO_HOME=/cargo \
        --mount "type=bind,\"source=$there\",\"target=$there\"" --workdir "$root" \
        "$builder" sh docker/compile-tests.sh >"$scratch/tests"
}

test_with_builder() {
    need_engine
    have_image "$builder" || pull_image "$builder" ||
        fail "$1, and the image $builder cannot be pulled ($(reason)): $how_to_install_rust, or $(how_to_pull "$builder")"
    skip 'no rustfmt: cargo fmt'
    skip 'no clippy: cargo clippy'
    skip 'no cargo: the commands of the guide'
    say "$1: $builder compiles the tests instead, some minutes the first time"
    compile_in_builder || fail 'the tests were not compiled: the reason stands above'
    run_tests debug .
    run_tests release .
    run_tests debug '/proof/containers$' --ignored
}

# run_tests PROFILE FOLDERS ARGUMENT...: the programs of this profile whose package's folder matches.
run_tests() {
    awk -F "$tab" -v profile="$1" -v folders="$2" '$1 == profile && $2 ~ folders' "$scratch/tests" >"$scratch/chosen"
    shift 2
    while IFS=$tab read -r _ folder program <&4; do
        say "     Running ${program#"$root/"}"
        (cd "$folder" && "$program" "$@") 4<&- || fail "a test has failed: cd $folder && $program $*"
    done 4<"$scratch/chosen"
}

tell_skipped() {
    if [ ! -s "$ECHO_SKIPPED" ]; then
        say 'All tests have passed'
        return
    fi
    say 'All tests that can run here have passed. What is missing, and how many were skipped for it:'
    sort "$ECHO_SKIPPED" | uniq -c
}

# What need_engine would advise else needs Rust.
or_without_docker() {
    printf '; or: %s' "$how_to_install_rust"
}

: >"$ECHO_SKIPPED"
refuse_other_systems
cd "$root"
lack=$(rust_lacks)
if [ -z "$lack" ]; then
    refuse_colon
    test_with_cargo
elif have docker; then
    refuse_colon
    test_with_builder "$lack"
else
    fail "$lack, and Docker is not installed: $how_to_install_rust, or $(how_to_install)"
fi
tell_skipped
