#!/bin/sh
# Usage: netcat-test.sh
# Tests the echo with a real netcat, in a throwaway container on the environment's network: nothing is
# installed on the host, no port is published. Starts the server if need be; all is left as it was found.
set -eu
. "$(dirname "$0")/lib.sh"

netcat=${project}-netcat-$$

state_of_server() {
    docker container inspect --format '{{.State.Status}}' "$server" 2>/dev/null | grep . || echo absent
}

# Undoes what start_server did, and nothing else.
restore() {
    trap - EXIT INT TERM
    docker rm --force "$netcat" >/dev/null 2>&1 || true
    case $found in
        running | paused) ;;
        absent)
            docker stop -t 1 "$server" >/dev/null 2>&1 || true
            docker rm "$server" >/dev/null 2>&1 || true
            [ "$network_found" = yes ] || docker network rm "$network" >/dev/null 2>&1 || true
            ;;
        *) docker stop -t 1 "$server" >/dev/null 2>&1 || true ;;
    esac
}

start_server() {
    case $found in
        running | paused) return ;;
    esac
    say 'The server is not running: starting it for this test'
    have_image echo-reactor || "$root/docker/build-images.sh"
    quietly compose up --no-start --no-recreate server || fail 'Compose could not create the server'
    docker start "$server" >/dev/null || fail 'the server did not start'
}

# The port that the server runs with, whether it comes from the file or from the environment.
port_of_server() {
    port=$(bounded 5 docker exec "$server" /echo-reactor --check 2>/dev/null | sed -n 's/^  port: *//p')
    say "${port:-12345}"
}

# The whole conversation has a bound, beyond the bounds of its cases.
run_cases() {
    bounded 90 docker run --rm --interactive --name "$netcat" --network "$network" \
        --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --user 65534:65534 \
        echo-netcat:latest sh -s server "$(port_of_server)" <"$root/docker/netcat-cases.sh"
}

need_engine
need_config
"$root/docker/netcat-image.sh"
found=$(state_of_server)
network_found=no
! network_exists || network_found=yes
trap restore EXIT
trap 'exit 130' INT TERM
start_server
if run_cases; then
    say 'action: test_echo_server | result: success'
else
    say 'action: test_echo_server | result: fail'
    exit 1
fi
