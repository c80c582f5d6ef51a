# shellcheck shell=sh disable=SC2154
# The cases of exercise 5, behind netcat-kit.sh: whoever has sent a message is answered, whatever the others do.
# Exits 0 if each is.

# How many clients are silent, and how many send beside them.
crowd=10

# silent COUNT [TEXT]: so many clients connect, send the text, and then nothing for a while.
silent() {
    for i in $(seq 1 "$1"); do
        { printf '%s' "${2-}"; exec sleep "$silence"; } | timeout "$silence" nc "$host" "$port" >/dev/null 2>&1 &
    done
    # Some of them may have been answered and disconnected already.
    wait_for_connections "$1" || true
}

# Seconds; more than all that happens beside them.
silence=15

# How many connections to the server there are; its port is in the table in hexadecimal digits.
connections() {
    busybox grep -c "$(printf ':%04X 01 ' "$port")" /proc/net/tcp
}

wait_for_connections() {
    tries=10
    until [ "$(connections)" -ge "$1" ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
}

# is_answered NAME: the reply is the message, or the original server's words around it.
is_answered() {
    sent=$(cat "$1.sent")
    received=$(cat "$1.received")
    case $received in
        "$sent" | "Your Message has been received: "*"$sent"*) ;;
        *) return 1 ;;
    esac
}

# ask NAME: sends a message of its own, and waits for the reply.
ask() {
    echo "message of $1" >"$1.sent"
    converse "$1" 2>/dev/null
    is_answered "$1"
}

# Ends the silent clients, so that the next case finds a server without any.
dismiss() {
    # shellcheck disable=SC2046 # One word for each.
    kill $(jobs -p) 2>/dev/null
    wait
}

# is_served NAME WHILE: asks, and says what is wrong.
is_served() {
    ask "$1" && return
    if [ -s "$1.received" ]; then
        echo "  sent:     $(cat "$1.sent")" >&2
        echo "  received: $(head -c 100 "$1.received")" >&2
    else
        echo "  no reply within $reply_timeout s $2" >&2
    fi
    return 1
}

a_client_alone() {
    is_served alone 'although no other client is connected'
}

beside_an_idle_client() {
    silent 1
    is_served neighbour 'while another client is connected and says nothing: the server waits for that one'
}

beside_half_a_message() {
    silent 1 'half a mess'
    is_served neighbour 'while another client has sent half a message: the server waits for the other half'
}

# All of them are connected before the first one sends.
many_at_once() {
    silent "$crowd"
    asking=
    for i in $(seq 1 "$crowd"); do
        ask "neighbour$i" &
        asking="$asking $!"
    done
    answered=0
    for process in $asking; do
        ! wait "$process" || answered=$((answered + 1))
    done
    [ "$answered" -eq "$crowd" ] && return
    echo "  $answered of $crowd clients got their reply within $reply_timeout s, beside $crowd that say nothing" >&2
    return 1
}

await_server
report a_client_alone a_client_alone
for name in beside_an_idle_client beside_half_a_message many_at_once; do
    report "$name" "$name"
    dismiss
done
report a_client_afterwards a_client_alone
[ "$failures" -eq 0 ]
