#!/bin/sh
# Usage: scripts-test.sh
# Tests of the scripts that need no Docker engine: the generator, what is found missing, the demo.
# shellcheck disable=SC2016 # The fake commands expand their variables, not this script.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
generate=$root/docker/generate-compose.sh
file=$scratch/compose.yaml

# tools NAME...: a directory that holds these commands, to be all that a script finds.
tools() {
    mkdir -p "$scratch/$1"
    for tool in awk cat cmp cp dirname env grep mktemp mv perl rm sed seq sh sleep tr uname wc xargs; do
        ! have "$tool" || ln -sf "$(command -v "$tool")" "$scratch/$1/$tool"
    done
    say "$scratch/$1"
}

# fake DIRECTORY NAME SCRIPT: a command that answers as the script says.
fake() {
    printf '#!/bin/sh\n%s\n' "$3" >"$1/$2"
    chmod +x "$1/$2"
}

clients_are() {
    "$generate" "$file" "$1" &&
        [ "$(grep -c '^  client' "$file")" -eq "$1" ] &&
        [ "$(grep -c 'CLI_ID=' "$file")" -eq "$1" ] &&
        { [ "$1" -eq 0 ] || grep -q "CLI_ID=$1\$" "$file"; } &&
        grep -q "subnet:.*$2" "$file"
}

test_generator() {
    "$generate" "$root/docker/.test.yaml" 2
    check 'docker-compose-dev.yaml is what the generator writes for 2 clients' cmp "$root/docker/.test.yaml" "$dev_file"
    rm -f "$root/docker/.test.yaml"
    "$generate" "$file" 2
    check '... and elsewhere it names the configuration by its whole path' grep -qF "$root/config.yaml" "$file"
    run "$generate" "$scratch" 2
    check 'a directory is refused as output' failed_in_one_line 'is a directory'
    check 'no client at all can be generated' clients_are 0 172.24.125.0/24
    check '250 clients fit a /24' clients_are 250 172.24.125.0/24
    check '251 clients get a /22' clients_are 251 172.24.124.0/22
    check '900 clients can be generated' clients_are 900 172.24.124.0/22
    for number in '' -1 abc 1.5 901 1000000000000000000000 '2; true'; do
        echo unchanged >"$file"
        run "$generate" "$file" "$number"
        check "\"$number\" clients are refused" failed_in_one_line 'use 0 to 900'
        check "... and the file is as it was" grep -qx unchanged "$file"
    done
    run "$generate" "$scratch/missing/compose.yaml" 2
    check 'a directory that is not there is named' failed_in_one_line missing
}

test_detection() {
    both=$(tools both)
    fake "$both" docker 'echo "docker $*"'
    fake "$both" docker-compose 'echo "docker-compose $*"'
    run env PATH="$both" "$root/docker/compose.sh" ps
    check 'docker compose is preferred' said '^docker compose --project-name echo-reactor .* ps$'

    old=$(tools old)
    fake "$old" docker '[ "$1" != compose ]'
    fake "$old" docker-compose 'echo "docker-compose $*"'
    run env PATH="$old" "$root/docker/compose.sh" ps
    check 'docker-compose serves where the plugin is missing' \
        said '^docker-compose --project-name echo-reactor .* ps$'

    none=$(tools none)
    fake "$none" docker '[ "$1" != compose ]'
    run env PATH="$none" "$root/docker/compose.sh" ps
    check 'no Compose: one line says what to install' failed_in_one_line docker-compose-plugin
}

test_missing_engine() {
    bare=$(tools bare)
    for script in up down scale netcat-test build-images; do
        run env PATH="$bare" "$root/docker/$script.sh" 1
        check "$script without Docker: one line points to the demo" failed_in_one_line 'make demo'
    done

    for test in environment-test faults-test; do
        run env PATH="$bare" "$root/docker/$test.sh"
        check "$test without Docker is skipped, which is no failure" \
            [ "$code/$(printf '%s\n' "$output" | tail -n 1)" = '0/0 passed, 0 failed, 1 skipped' ]
    done

    dead=$(tools dead)
    fake "$dead" docker 'echo "Cannot connect to the Docker daemon" >&2; exit 1'
    run env PATH="$dead" "$root/docker/up.sh"
    check 'an engine that does not answer: one line points to the demo' failed_in_one_line 'no Docker engine.*make demo'

    closed=$(tools closed)
    fake "$closed" docker 'echo "permission denied while trying to connect" >&2; exit 1'
    run env PATH="$closed" "$root/docker/up.sh"
    check 'a user whom Docker refuses: one line names the group' failed_in_one_line 'group "docker"'
}

test_image_ways() {
    offline=$(tools offline)
    fake "$offline" docker 'case $1 in info) ;; *) exit 1 ;; esac'
    run env PATH="$offline" "$root/docker/build-images.sh"
    check 'no builder image and no cargo: told what to install' said '^error: cargo is not installed.*docker pull rust:'

    online=$(tools online)
    fake "$online" docker 'case "$1 $2" in "image inspect") echo 1000000 ;; build*) echo "BUILD $*" ;; esac'
    run env PATH="$online" "$root/docker/build-images.sh"
    check 'with the builder image, Docker alone builds both' \
        said '^BUILD .*--file docker/Dockerfile --target echo-client'
    check '... and their sizes are told' said '^echo-reactor:latest is ready, 1.00 MB$'
}

test_demo() {
    run "$root/docker/demo.sh"
    check 'the demo exits with 0' [ "$code" -eq 0 ]
    check '... its three clients have finished' said '^client3 .*\[CLIENT 3\] Main loop finished'
    check '... and the server has drained' said '^server .*All sockets closed'
    run env SERVER_CONNECTIONS_MAX=none "$root/docker/demo.sh"
    check 'a server that does not start fails the demo' [ "$code" -ne 0 ]
}

test_help() {
    run make -C "$root"
    for target in docker-compose-up docker-compose-down docker-compose-logs docker-image build \
        netcat-test scale demo test soak clean; do
        check "make lists $target" said "^make $target  *[A-Z]"
    done
}

test_scripts() {
    if ! have shellcheck; then
        say 'skipped: shellcheck is not installed'
        return
    fi
    check 'shellcheck has no complaint' shellcheck "$root"/docker/*.sh "$root"/proof/tools/*.sh \
        "$root/.ci/run"
}

test_generator
test_detection
test_missing_engine
test_image_ways
test_demo
test_help
test_scripts
sum_up
