#!/bin/sh
# Usage: faults-test.sh
# Tests what faults of the server's container do to its clients, in real containers under load: signals,
# a pause, a network that is gone for a while, a kill. It runs beside the user's own environment, under
# other names and in another network, and removes all of it, also on failure or Ctrl-C.
#
# The server's log is one for all its lives, as the engine keeps it; a life begins with "Listening on".
set -eu
ECHO_PREFIX=faults-
ECHO_SUBNET=172.24.122.0/24
. "$(dirname "$0")/container-checks.sh"

clients='client1 client2 client3 client4 client5'
address="('[0-9.]*', [0-9]*)"

answer='Message from server: '
no_answer='not answered by'

# note EXPRESSION: from here on all_have_logged N tells whether every client has logged N more of these.
note() {
    noted=$1
    for client in $clients; do
        times_logged "$client" "$noted" >"$scratch/$client.noted"
    done
}

all_have_logged() {
    for client in $clients; do
        [ "$(times_logged "$client" "$noted")" -ge $(($(cat "$scratch/$client.noted") + $1)) ] || return 1
    done
}

# under_load: every client is at work, and three connections are idle.
under_load() {
    note "$answer"
    if ! wait_until 10 all_have_logged 1; then
        output='a client is not at work: if it has finished, loop_lapse is too short for this machine'
        return 1
    fi
    connect_idle_clients
}

start_server() {
    server_listens_after docker start "$server" && note "$answer"
}

# sockets_of_server: "+ ADDRESS" for each connection accepted, "- ADDRESS" for each closed, "=" for each
# life that begins.
sockets_of_server() {
    logs_of server | sed -n "s/.* Listening on .*/=/p
        s/.* Got connection from \($address\)\$/+ \1/p
        s/.* Connection \($address\) closed: .*/- \1/p"
}

# left_open: the addresses of connections that were accepted in the server's last life, and not closed.
# An address may be used twice.
left_open() {
    sockets_of_server | awk '
        /^=/ { split("", open); next }
        { sign = $1; sub(/^. /, ""); open[$0] += sign == "+" ? 1 : -1 }
        END { for (address in open) if (open[address] != 0) print address }' | sort
}

left_open_by_idle_clients() {
    left_open | grep "'$idle_address'"
}

left_open_by_clients() {
    left_open | grep -v "'$idle_address'"
}

# unknown_to_clients: the addresses of connections that the server accepted and that are in the log of
# no client, but for the idle ones, which keep no log. An address that was used twice must be there twice.
unknown_to_clients() {
    sockets_of_server | sed -n 's/^+ //p' | grep -v "'$idle_address'" | sort >"$scratch/accepted"
    for client in $clients; do
        logs_of "$client" | sed -n "s/.* Connection \($address\) closed\$/\1/p"
    done | sort >"$scratch/of_clients"
    comm -23 "$scratch/accepted" "$scratch/of_clients"
}

clients_know_all() {
    output=$(unknown_to_clients)
    is "$output" ''
}

all_closed() {
    output=$(left_open)
    is "$output" ''
}

check_left_in_order() {
    check '... it leaves with code 0' wait_until 5 exited server 0
    check '... having closed every connection that it accepted' all_closed
    check '... each of which is in the log of its client' wait_until 5 clients_know_all
}

# Two answers, because the first may have been on its way before.
check_clients_go_on() {
    check '... and every client goes on' wait_until 30 all_have_logged 2
}

test_load() {
    run "$root/docker/scale.sh" 5
    check 'the server and five clients start' [ "$code" -eq 0 ]
}

test_term() {
    check 'under load: docker kill -s TERM' under_load
    docker kill --signal TERM "$server" >/dev/null
    check_left_in_order
    check '... and is started again' start_server
    check_clients_go_on
}

test_stop() {
    check 'under load: docker stop -t 1' under_load
    docker stop -t 1 "$server" >/dev/null
    check_left_in_order
    check '... and is started again' start_server
    check_clients_go_on
}

test_pause() {
    check 'under load: docker pause' under_load
    started=$(inspected server '{{.State.StartedAt}}')
    docker pause "$server" >/dev/null
    check '... until every client waits for a reply' wait_until 10 all_wait
    docker unpause "$server" >/dev/null
    note "$answer"
    check_clients_go_on
    check '... with the same server' is "$(inspected server '{{.State.StartedAt}}')" "$started"
}

# Each client's debug log tells of a connection that is not closed yet.
all_wait() {
    for client in $clients; do
        opened=$(times_logged "$client" "Connection $address to .* opened")
        closed=$(times_logged "$client" "Connection $address closed")
        [ "$opened" -gt "$closed" ] || return 1
    done
}

# A kill of a paused container goes on with it: the signal meets the server with a full listen queue.
test_term_with_all_waiting() {
    check 'under load: docker pause' under_load
    docker pause "$server" >/dev/null
    check '... until every client waits for a reply' wait_until 10 all_wait
    note "$answer"
    before=$(broken_off)
    docker kill --signal TERM "$server" >/dev/null
    check '... then docker kill -s TERM: every client gets its reply' wait_until 5 all_have_logged 1
    check_left_in_order
    check '... no exchange was broken off' is "$(broken_off)" "$before"
    check '... and it is started again' start_server
    check_clients_go_on
}

# How often a client that was connected got no reply, over all clients.
broken_off() {
    for client in $clients; do
        logs_of "$client" | grep "$no_answer"
    done | grep -c -v -e 'cannot connect' -e 'cannot look up' || true
}

test_kill() {
    check 'under load: docker kill -s KILL' under_load
    docker kill --signal KILL "$server" >/dev/null
    check '... it is gone with code 137' wait_until 5 exited server 137
    check '... the idle connections have no closing line' is "$(left_open_by_idle_clients | wc -l)" 3
    check '... nor has, of each client, more than the one that was open' is \
        "$(left_open_by_clients | sed 's/,.*//' | uniq -d)" ''
    check '... and whatever was accepted is in the log of its client' wait_until 5 clients_know_all
    # The next test needs a server that leaves the closing to its clients.
    configure messages_per_connection 0
    check '... it is started again' start_server
    check_clients_go_on
}

# An exchange is so short that a kill hardly ever meets one. Here it meets one of every client: the
# server has answered, and the clients are paused before they can close.
test_kill_with_all_open() {
    check 'under load: docker pause' under_load
    docker pause "$server" >/dev/null
    check '... until every client waits for a reply' wait_until 10 all_wait
    # shellcheck disable=SC2046 # One word for each container.
    docker pause $(containers_of_clients) >/dev/null
    docker unpause "$server" >/dev/null
    check '... then the clients pause: each has a connection open' wait_until 10 all_are_open
    left_open >"$scratch/open"
    docker kill --signal KILL "$server" >/dev/null
    check '... then docker kill -s KILL: the server is gone with code 137' wait_until 5 exited server 137
    check '... just what was open has no closing line' is "$(left_open)" "$(cat "$scratch/open")"
    # shellcheck disable=SC2046
    docker unpause $(containers_of_clients) >/dev/null
    check '... and all of it is in the log of its client' wait_until 10 clients_know_all
    configure messages_per_connection 1
    check '... it is started again' start_server
    check_clients_go_on
}

containers_of_clients() {
    for client in $clients; do
        say "$ECHO_PREFIX$client"
    done
}

# One connection of each client, and the idle ones.
all_are_open() {
    is "$(left_open_by_clients | sed 's/,.*//' | uniq | wc -l) $(left_open | wc -l)" '5 8'
}

test_network() {
    check 'under load: docker network disconnect' under_load
    started=$(inspected server '{{.State.StartedAt}}')
    note "$no_answer"
    docker network disconnect "$network" "$server"
    check '... until every client misses the server' wait_until 30 all_have_logged 1
    # The engine knows the alias no more that Compose has given.
    docker network connect --alias server "$network" "$server"
    note "$answer"
    check_clients_go_on
    check '... with the same server' is "$(inspected server '{{.State.StartedAt}}')" "$started"
}

# The n-th answer is the one to the n-th message, from the first to the last.
answered_in_order() {
    logs_of "client$1" | sed -n 's/.* Message from server: //p' |
        awk -v id="$1" '
            $0 != "[CLIENT " id "] Message number " NR " sent" { wrong = 1 }
            END { exit wrong || NR == 0 }'
}

test_end() {
    for id in 1 2 3 4 5; do
        check "client$id finishes with code 0" wait_until 60 exited "client$id" 0
        check '... by itself' is "$(logs_of "client$id" | tail -n 1 | sed 's/.*INFO *//')" \
            "[CLIENT $id] Main loop finished"
        check '... and every message was answered once, in order, with its own text' answered_in_order "$id"
    done
    say 'at the end: docker stop -t 1'
    docker stop -t 1 "$server" >/dev/null
    check_left_in_order
}

begin 'faults in containers are not tested'
"$root/docker/build-images.sh"
"$root/docker/netcat-image.sh"
configure level debug
configure loop_period 50ms
# The faults take half of it, or two thirds on two processors that five others want as well.
configure loop_lapse 50s
test_load
test_term
test_stop
test_pause
test_term_with_all_waiting
test_kill
test_kill_with_all_open
test_network
test_end
sum_up
