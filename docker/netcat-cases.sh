# shellcheck shell=sh disable=SC2154
# The cases of netcat-test.sh, behind netcat-kit.sh: every reply must be the message, byte for byte. Exits 0 if each is.

comes_back() {
    converse "$1" 2>"$1.netcat" && cmp -s "$1.sent" "$1.received" && return
    {
        [ ! -s "$1.netcat" ] || echo "  netcat:   $(cat "$1.netcat")"
        echo "  sent:     $(size "$1.sent"): $(head -c 60 "$1.sent")"
        echo "  received: $(size "$1.received"): $(head -c 60 "$1.received")"
    } >&2
    return 1
}

size() {
    bytes=$(busybox wc -c <"$1")
    echo "$((bytes)) bytes"
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
        cmp "parallel$i.sent" "parallel$i.received" || return 1
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
