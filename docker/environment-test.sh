#!/bin/sh
# Usage: environment-test.sh
# Tests the Compose environment as a user sees it, in real containers. It runs beside the user's own,
# under other names and in another network, and removes all of it, also on failure or Ctrl-C.
set -eu
ECHO_PREFIX=test-
ECHO_SUBNET=172.24.121.0/24
. "$(dirname "$0")/container-checks.sh"

running_services() {
    containers --format '{{.Label "com.docker.compose.service"}}' | sort | tr '\n' ' '
}

# What netcat-test must leave as it was.
everything() {
    docker ps --all --no-trunc --filter "name=$ECHO_PREFIX" --format '{{.ID}} {{.Names}} {{.State}}'
    docker network ls --no-trunc --filter "name=$ECHO_PREFIX" --format '{{.ID}} {{.Name}}'
}

restart_server() {
    server_listens_after docker restart -t 1 "$server"
}

test_up() {
    run "$root/docker/up.sh"
    check 'up succeeds' [ "$code" -eq 0 ]
    check '... and tells what to type next' said 'make docker-compose-logs'
    check 'the server and two clients are there' is "$(containers --all --quiet | wc -l)" 3
    for service in server client1 client2; do
        check "$service has a read-only root, no capability, no port, no privilege" is \
            "$(inspected "$service" '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.NetworkSettings.Ports}} {{.HostConfig.SecurityOpt}} {{.Config.User}}')" \
            'true [ALL] map[] [no-new-privileges:true] 65534:65534'
    done
    for program in echo-reactor echo-client; do
        check "the image $program is smaller than 2 MB" \
            [ "$(docker image inspect --format '{{.Size}}' "$program")" -lt 2000000 ]
    done
}

test_logs() {
    for client in client1 client2; do
        check "$client finishes with code 0" wait_until 20 exited "$client" 0
    done
    date='[0-9-]* [0-9:]* INFO    '
    peer="('172\.24\.121\.[0-9]*', [0-9]*)"
    # It follows until it is stopped: the server goes on.
    run bounded 3 "$root/docker/logs.sh"
    for line in \
        "server .*| $date Proceed to accept new connections" \
        "server .*| $date Got connection from $peer" \
        "server .*| $date Message received from connection $peer\. Msg: b'\[CLIENT 1\] Message number 2 sent'" \
        "client2 .*| $date \[CLIENT 2\] Message from server: \[CLIENT 2\] Message number 1 sent" \
        "client1 .*| $date \[CLIENT 1\] Main loop finished"; do
        check "the logs have: $line" said "^$ECHO_PREFIX$line\$"
    done
    first=$(logs_of server | sed -n "s/.*Got connection from \($peer\).*/\1/p" | head -n 1)
    check 'one address finds a connection from accept to close' is \
        "$(times_logged server "$first")" 3
}

test_netcat() {
    before=$(everything)
    run "$root/docker/netcat-test.sh"
    check 'netcat-test passes' [ "$code" -eq 0 ]
    check '... and says so' said '^action: test_echo_server | result: success$'
    check '... after six cases' is "$(printf '%s\n' "$output" | grep -c '^case: .* | result: success')" 6
    check '... and leaves all as it was' is "$(everything)" "$before"

    docker pause "$server" >/dev/null
    run "$root/docker/netcat-test.sh"
    docker unpause "$server" >/dev/null
    check 'a server that does not answer fails netcat-test' [ "$code" -ne 0 ]
    check '... which says so' said '^action: test_echo_server | result: fail$'
}

test_configuration() {
    image=$(inspected server '{{.Image}}')
    configure reply acknowledge
    check 'an edited configuration takes effect at a restart' restart_server
    check '... as the log shows' logged server 'Configuration: .*reply: acknowledge'
    check '... without another image' is "$(inspected server '{{.Image}}')" "$image"

    run "$root/docker/netcat-test.sh"
    check 'a server that does not echo fails netcat-test' [ "$code" -ne 0 ]
    check '... in its cases' said '^case: short_line | result: fail$'
    check '... and in its sum' said '^action: test_echo_server | result: fail$'

    configure reply echo
    configure messages_per_connection 0
    check 'the server restarts with many messages a connection' restart_server
    run "$root/docker/netcat-test.sh"
    check '... and netcat-test passes' [ "$code" -eq 0 ]
}

test_scale() {
    configure loop_lapse 10m
    id=$(inspected server '{{.Id}}')
    twenty=$({ seq -f 'client%.0f' 1 20; say server; } | sort | tr '\n' ' ')
    run "$root/docker/scale.sh" 20
    check 'scale to 20 succeeds' [ "$code" -eq 0 ]
    check '... shows its progress' said '^Started client1 to client20 of 20$'
    check '... and the server and 20 clients run' is "$(running_services)" "$twenty"
    check 'client 20 gets its own message back' wait_until 20 \
        logged client20 '\[CLIENT 20\] Message from server: \[CLIENT 20\] Message number 1 sent$'
    run "$root/docker/scale.sh" 901
    check '901 clients are refused' failed_in_one_line 'use 0 to 900'
    check '... and nothing changes' is "$(running_services)" "$twenty"
    run "$root/docker/scale.sh" 2
    check 'scale back to 2 succeeds' [ "$code" -eq 0 ]
    check '... and the server and 2 clients run' is "$(running_services)" 'client1 client2 server '
    check '... the server being the same all along' is "$(inspected server '{{.Id}}')" "$id"
}

test_stop() {
    docker kill --signal TERM "${ECHO_PREFIX}client2" >/dev/null
    check 'a client that gets SIGTERM exits with 0' wait_until 2 exited client2 0
    check '... and logs it' logged client2 'SIGTERM received'

    check 'three idle clients connect' connect_idle_clients
    compose stop -t 1 >"$scratch/stop" 2>&1
    check 'with idle clients connected, stop -t 1 ends the server with code 0' exited server 0
    check '... and client1 too' exited client1 0
    check '... each idle connection has its closing line' is \
        "$(times_logged server "Connection ('$idle_address', [0-9]*) closed: ")" 3
    check '... as has every connection that ever was' is \
        "$(times_logged server 'Connection .* closed: ')" "$(times_logged server 'Got connection from ')"
    check '... and the last line tells that all is closed' is \
        "$(logs_of server | tail -n 1 | sed 's/.*INFO *//')" 'All sockets closed, server stopped'
}

test_down() {
    docker rm --force "$idle_clients" >/dev/null
    run "$root/docker/down.sh"
    check 'down succeeds' [ "$code" -eq 0 ]
    check '... and no container is left' is "$(containers --all --quiet)" ''
    check '... nor the network' not network_exists

    before=$(everything)
    run "$root/docker/netcat-test.sh"
    check 'netcat-test starts a server where none runs' [ "$code" -eq 0 ]
    check '... and takes it away again' is "$(everything)" "$before"
}

begin 'the environment is not tested'
configure loop_lapse 3s
configure loop_period 500ms
test_up
test_logs
test_netcat
test_configuration
test_scale
test_stop
test_down
sum_up
