# shellcheck shell=sh
# The cases of netcat-test.sh; they run inside the netcat container, in BusyBox's shell, which gets
# this text on its standard input. Usage there: sh -s HOST PORT
# Exits 0 when every reply is the message, byte for byte.
host=$1
port=$2
# Seconds; far more than an echo takes, and the reason why a dead server cannot hold the test up.
reply_timeout=5
failures=0
cd /tmp || exit 1

# converse NAME: sends the file NAME.sent; netcat half-closes after it and reads on to the end.
converse() {
    timeout "$reply_timeout" nc "$host" "$port" <"$1.sent" >"$1.received"
}

# report NAME COMMAND...: the command's success is the case's.
report() {
    name=$1
    shift
    if "$@"; then
        echo "case: $name | result: success"
    else
        echo "case: $name | result: fail"
        failures=$((failures + 1))
    fi
}

comes_back() {
    converse "$1" 2>"$1.complaint" && cmp -s "$1.sent" "$1.received" && return
    cat "$1.complaint" >&2
    echo "  sent:     $(head -c 60 "$1.sent")" >&2
    echo "  received: $(head -c 60 "$1.received")" >&2
    return 1
}

# Twenty connections are open before the first message is sent, so they are served side by side.
all_come_back() {
    for i in $(seq 1 20); do
        echo "parallel message $i" >"parallel$i.sent"
        { sleep 1; cat "parallel$i.sent"; } |
            timeout "$reply_timeout" nc "$host" "$port" >"parallel$i.received" &
    done
    wait
    for i in $(seq 1 20); do
        cmp "parallel$i.sent" "parallel$i.received" >&2 || return 1
    done
}

# The container may be quicker than a server that was started with it.
await_server() {
    tries=10
    until timeout 1 nc "$host" "$port" </dev/null >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            echo "No answer from $host, port $port" >&2
            exit 1
        fi
        sleep 0.3
    done
}

echo 'hello' >short_line.sent
echo 'ñandú – Überfuß – 日本語 – 🙂' >utf8.sent
printf '%s\n' "  it's \"quoted\",   spaced, \$HOME \\ and %s  " >quotes_and_spaces.sent
printf 'no newline at the end' >no_newline_half_close.sent
{ head -c 4095 /dev/zero | tr '\0' x; echo; } >line_of_4_kib.sent

await_server
for name in short_line utf8 quotes_and_spaces no_newline_half_close line_of_4_kib; do
    report "$name" comes_back "$name"
done
report parallel_20 all_come_back
[ "$failures" -eq 0 ]
