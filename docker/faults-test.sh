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

answers() {
    times_logged "$1" 'Message from server: '
}

# note_answers: from here on all_have_got N tells whether every client has had N new answers.
note_answers() {
    for client in $clients; do
        answers "$client" >"$scratch/$client.answers"
    done
}

all_have_got() {
    for client in $clients; do
        [ "$(answers "$client")" -ge $(($(cat "$scratch/$client.answers") + $1)) ] || return 1
    done
}

# under_load: every client is at work, and three connections are idle.
under_load() {
    note_answers
    wait_until 10 all_have_got 1 && connect_idle_clients
}

start_server() {
    server_listens_after docker start "$server" && note_answers
}

# sockets_of_server: "LIFE + ADDRESS" for each connection accepted, "LIFE - ADDRESS" for each closed.
sockets_of_server() {
    logs_of server | sed -n "s/.* Listening on .*/=/p
        s/.* Got connection from \($address\)\$/+ \1/p
        s/.* Connection \($address\) closed: .*/- \1/p" |
        awk '/^=/ { life++; next } { print life, $0 }'
}

# left_open LIFE: the addresses of connections that were accepted in that life of the server, and not
# closed. An address may be used twice.
left_open() {
    sockets_of_server | awk -v life="$1" '
        $1 == life { sign = $2; sub(/^[0-9]* . /, ""); open[$0] += sign == "+" ? 1 : -1 }
        END { for (address in open) if (open[address] != 0) print address }'
}

# unknown_to_clients: the addresses of connections that the server accepted and that are in the log of
# no client, but for the idle ones, which keep no log.
unknown_to_clients() {
    sockets_of_server | sed -n 's/^[0-9]* + //p' | grep -v "'$idle_address'" | sort -u >"$scratch/accepted"
    for client in $clients; do
        logs_of "$client" | sed -n "s/.* Connection \($address\) closed\$/\1/p"
    done | sort -u >"$scratch/of_clients"
    comm -23 "$scratch/accepted" "$scratch/of_clients"
}

clients_know_all() {
    output=$(unknown_to_clients)
    is "$output" ''
}

# all_closed LIFE
all_closed() {
    output=$(left_open "$1")
    is "$output" ''
}

# check_left_in_order LIFE
check_left_in_order() {
    check '... it leaves with code 0' wait_until 5 exited server 0
    check '... having closed every connection that it accepted' all_closed "$1"
    check '... each of which is in the log of its client' wait_until 5 clients_know_all
}

# Two answers, because the first may have been on its way before.
check_clients_go_on() {
    check '... and every client goes on' wait_until 30 all_have_got 2
}

test_load() {
    run "$root/docker/scale.sh" 5
    check 'the server and five clients start' [ "$code" -eq 0 ]
}

test_term() {
    check 'under load: docker kill -s TERM' under_load
    docker kill --signal TERM "$server" >/dev/null
    check_left_in_order 1
    check '... and is started again' start_server
    check_clients_go_on
}

test_stop() {
    check 'under load: docker stop -t 1' under_load
    docker stop -t 1 "$server" >/dev/null
    check_left_in_order 2
    check '... and is started again' start_server
    check_clients_go_on
}

test_pause() {
    check 'under load: docker pause' under_load
    started=$(inspected server '{{.State.StartedAt}}')
    docker pause "$server" >/dev/null
    check '... until every client waits for a reply' wait_until 10 all_wait
    docker unpause "$server" >/dev/null
    note_answers
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
    note_answers
    before=$(broken_off)
    docker kill --signal TERM "$server" >/dev/null
    check '... then docker kill -s TERM: every client gets its reply' wait_until 5 all_have_got 1
    check_left_in_order 3
    check '... no exchange was broken off' is "$(broken_off)" "$before"
    check '... and it is started again' start_server
    check_clients_go_on
}

# How often a client that was connected got no reply, over all clients.
broken_off() {
    for client in $clients; do
        logs_of "$client" | grep 'not answered by'
    done | grep -c -v -e 'cannot connect' -e 'cannot look up' || true
}

test_kill() {
    check 'under load: docker kill -s KILL' under_load
    docker kill --signal KILL "$server" >/dev/null
    check '... it is gone with code 137' wait_until 5 exited server 137
    check '... the idle connections have no closing line' is \
        "$(left_open 4 | grep -c "'$idle_address'")" 3
    check '... and whatever else has none is in the log of its client' wait_until 5 clients_know_all
    check '... it is started again' start_server
    check_clients_go_on
}

all_miss_the_server() {
    for client in $clients; do
        is "$(logs_of "$client" | tail -n 1 | grep -c 'not answered by')" 1 || return 1
    done
}

test_network() {
    check 'under load: docker network disconnect' under_load
    started=$(inspected server '{{.State.StartedAt}}')
    docker network disconnect "$network" "$server"
    check '... until every client misses the server' wait_until 30 all_miss_the_server
    # The engine knows the alias no more that Compose has given.
    docker network connect --alias server "$network" "$server"
    note_answers
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
    check_left_in_order 5
}

begin 'faults in containers are not tested'
"$root/docker/build-images.sh"
"$root/docker/netcat-image.sh"
configure level debug
configure loop_period 50ms
# More than twice what the faults take on a machine with nothing else to do.
configure loop_lapse 40s
test_load
test_term
test_stop
test_pause
test_term_with_all_waiting
test_kill
test_network
test_end
sum_up
