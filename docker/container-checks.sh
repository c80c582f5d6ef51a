# shellcheck shell=sh
# What environment-test.sh and faults-test.sh share: an environment of their own, beside the user's, and
# ways to look at its containers. Sourced, after ECHO_PREFIX and ECHO_SUBNET are set.
scratch=$(mktemp -d)
# Read by lib.sh and by every script that is called.
export ECHO_PREFIX ECHO_SUBNET ECHO_CONFIG="$scratch/config.yaml"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"

idle_clients=${project}-idle
# No other container has had it, so the server's log has no other connection from there.
idle_address=${ECHO_SUBNET%.*}.200

# begin WHAT: ends the script if there is no engine to test WHAT with. From here on all is removed at
# the end, also on failure or Ctrl-C.
begin() {
    if ! engine_answers; then
        say "skipped: no Docker engine answers, $1"
        say '0 passed, 0 failed, 1 skipped'
        rm -rf "$scratch"
        exit 0
    fi
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    # What an earlier run left, if it was killed.
    docker rm --force "$idle_clients" >/dev/null 2>&1 || true
    "$root/docker/down.sh" >/dev/null
    # The container's user has to read it.
    umask 022
    cp "$root/config.yaml" "$ECHO_CONFIG"
    configure level info
}

clean_up() {
    trap - EXIT INT TERM
    docker rm --force "$idle_clients" >/dev/null 2>&1 || true
    "$root/docker/down.sh" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}

# configure KEY VALUE: as editors do, a new file takes the old one's place.
configure() {
    sed "s/^  $1: .*/  $1: $2/" "$ECHO_CONFIG" >"$scratch/edited"
    mv "$scratch/edited" "$ECHO_CONFIG"
}

logs_of() {
    docker logs "${ECHO_PREFIX}$1" 2>&1
}

# logged SERVICE EXPRESSION
logged() {
    logs_of "$1" | grep -q -e "$2"
}

times_logged() {
    logs_of "$1" | grep -c -e "$2" || true
}

# inspected SERVICE FORMAT: a property of a service's container.
inspected() {
    docker container inspect --format "$2" "${ECHO_PREFIX}$1"
}

is() {
    [ "$1" = "$2" ]
}

exited() {
    is "$(inspected "$1" '{{.State.Status}} {{.State.ExitCode}}')" "exited $2"
}

# server_listens_after COMMAND...: runs it, and waits until the server has come to listen since.
server_listens_after() {
    lines=$(times_logged server 'Listening on')
    "$@" >/dev/null && wait_until 10 listens_anew
}

listens_anew() {
    [ "$(times_logged server 'Listening on')" -gt "$lines" ]
}

# Three connections that send nothing, beside those of an earlier call. Their container stays: to make
# one takes longer than all else that happens here.
connect_idle_clients() {
    idle_before=$(idle_connections)
    docker container inspect "$idle_clients" >/dev/null 2>&1 ||
        docker run --detach --name "$idle_clients" --network "$network" --ip "$idle_address" \
            echo-netcat:latest sleep 600 >/dev/null
    docker exec --detach "$idle_clients" sh -c 'for i in 1 2 3; do sleep 300 | nc server 12345 & done; wait'
    wait_until 20 three_more_are_connected
}

idle_connections() {
    times_logged server "Got connection from ('$idle_address'"
}

three_more_are_connected() {
    [ "$(idle_connections)" -eq $((idle_before + 3)) ]
}
