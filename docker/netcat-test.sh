#!/bin/sh
# Usage: netcat-test.sh
# Tests the echo with a real netcat, in a throwaway container on the environment's network: nothing is
# installed on the host, no port is published. Starts the server if need be; all is left as it was found.
set -eu
. "$(dirname "$0")/environment.sh"

netcat=$project-netcat-$$
found=

state_of_server() {
    surveyed '$1 == server' 3 | grep . || say absent
}

# Undoes what start_server did, and nothing else.
take_away() {
    [ -z "$cut_short" ] || remove_throwaways
    docker rm --force "$netcat" >/dev/null 2>&1 || true
    case $found in
        '' | running | paused) ;;
        absent) stop_and_remove "$server" ;;
        *) stop_containers "$server" ;;
    esac
}

must_undo() {
    [ "$found" = absent ]
}

# What runs may be older than what is checked out. Compose alone sets no label, but gets the same layers from the cache.
refuse_outdated() {
    [ -n "$(surveyed '$1 == server && $5 != sources')" ] || return 0
    image=$(docker container inspect --format '{{.Image}}' "$server")
    [ "$(layers_of "$image")" = "$(layers_of "$(image_of echo-reactor)")" ] ||
        fail "$server was made from other sources than those that are checked out: make docker-compose-up replaces it"
}

layers_of() {
    docker image inspect --format '{{.RootFS.Layers}}' "$1"
}

start_server() {
    say 'The server is not running: starting it for this test'
    check_config echo-reactor echo-client
    found=$(state_of_server)
    remember
    if [ "$found" = absent ]; then
        clients=0
        ECHO_SUBNET=$(present_subnet | grep . || say "${ECHO_SUBNET-}")
        network_exists || choose_subnet
        export ECHO_SUBNET
        start_services server || refuse_start
    else
        quietly attend docker start "$server" || fail "$server cannot be started ($(reason)): make docker-compose-up makes it anew"
    fi
}

# The port that the server listens on, as its log tells; where it is silent, what the configuration says.
port_of_server() {
    port=$(docker logs "$server" 2>&1 | sed -n -e "s/.*Listening on ('.*', \([0-9]*\)).*/\1/p" \
        -e 's/.*"event":"listening","address":".*:\([0-9]*\)".*/\1/p' | tail -n 1)
    [ -n "$port" ] ||
        port=$(bounded 5 docker exec "$server" /echo-reactor --check 2>/dev/null | sed -n 's/^  port: *//p')
    say "${port:-12345}"
}

# The whole conversation has a bound, beyond the bounds of its cases.
run_cases() {
    cat "$folder/netcat-kit.sh" "$folder/netcat-cases.sh" >"$scratch/cases"
    bounded 90 docker run --rm --interactive --sig-proxy=false --name "$netcat" --network "$network" \
        --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --user 65534:65534 \
        echo-netcat:latest sh -s server "$(port_of_server)" <"$scratch/cases"
}

claim
# What runs has read it already.
case $(state_of_server) in
    running | paused) ;;
    *) need_config ;;
esac
need_images
refuse_outdated
sh "$root/docker/netcat-image.sh"
case $(state_of_server) in
    running) ;;
    paused) say "$server is paused: docker unpause $server" >&2 ;;
    *) start_server ;;
esac
if run_cases; then
    say 'action: test_echo_server | result: success'
else
    say 'action: test_echo_server | result: fail'
    survey
    surveyed '$1 == server && $3 != "running"' 0 | complain || exit 1
    fail "$server runs, and its log says: $(docker logs "$server" 2>&1 | grep -e 'Listening on' -e '"event":"listening"' | tail -n 1) ... $(last_words "$server")"
fi
