#!/bin/sh
# Usage: demo.sh
# The environment without Docker: the server and three clients as local processes, on a free port,
# for some seconds; then SIGTERM and the drain. Exits 0 if each of them did.
set -eu
. "$(dirname "$0")/lib.sh"

programs=$root/target/release
logs=$scratch
processes=
starting=
failed=0

clean_up() {
    # It may have been started, but not been noted.
    [ -z "$starting" ] || processes="$processes $!"
    # shellcheck disable=SC2086 # One word for each process.
    [ -z "$processes" ] || kill -s KILL $processes 2>/dev/null || true
    release_pipes
    wait
}

# A signal to a shell that has just begun can get lost. Then it opens its end of a pipe whose other end never comes.
release_pipes() {
    for pipe in "$logs"/*.pipe; do
        [ -p "$pipe" ] || continue
        exec 4<>"$pipe"
        rm "$pipe"
        exec 4>&-
    done 2>/dev/null
}

# show NAME COLOUR: each line of the input behind the name, as Compose shows logs.
show() {
    prefix=$(printf '%-8s|' "$1")
    if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
        prefix=$(printf '\033[%sm%s\033[0m' "$2" "$prefix")
    fi
    while IFS= read -r line; do
        printf '%s %s\n' "$prefix" "$line"
    done
}

# launch NAME COLOUR COMMAND...: leaves the process in $launched, its log on the screen and in a file.
launch() {
    name=$1
    mkfifo "$logs/$name.pipe"
    : >"$logs/$name"
    tee "$logs/$name" <"$logs/$name.pipe" | show "$name" "$2" &
    shift 2
    starting=yes
    "$@" 2>"$logs/$name.pipe" &
    launched=$!
    processes="$processes $launched"
    starting=
}

find_port() {
    port=$(sed -n "s/.*Listening on ('.*', \([0-9]*\)).*/\1/p" "$logs/server")
    [ -n "$port" ] || gone "$server_process"
}

connections() {
    grep -c 'Got connection' "$logs/server"
}

another_than() {
    [ "$(connections)" -gt "$1" ]
}

# An idle peer, for the drain to close; bash has connections built in.
visit() {
    have bash || return 0
    before=$(connections)
    # shellcheck disable=SC2016 # It is bash that expands this.
    starting=yes
    bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && read -r _ <&3' visit "$port" 2>/dev/null &
    processes="$processes $!"
    starting=
    wait_until 5 another_than "$before" || fail 'the server did not accept the idle client'
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# expect_success NAME PROCESS SECONDS
expect_success() {
    wait_until "$3" gone "$2" || say "error: $1 does not end" >&2
    gone "$2" || kill -s KILL "$2"
    code=0
    wait "$2" || code=$?
    say "$1 exited with code $code"
    [ "$code" -eq 0 ] || failed=1
    # What has been waited for must not be killed later: its number may be another's by then.
    processes=$(printf '%s ' "$processes" | sed "s/ $2 / /")
}

cd "$root"
refuse_other_systems
if [ ! -x "$programs/echo-reactor" ] || [ ! -x "$programs/echo-client" ]; then
    fail 'the programs are not built yet: make build'
fi

say 'The server and three clients, for some seconds'
# Whatever config.yaml says: the demo reads the server's log, and its clients want their echo.
export RUST_LOG=info LOG_FORMAT=text SERVER_FRAMING=line SERVER_REPLY=echo SERVER_IP=127.0.0.1 SERVER_PORT=0 SERVER_STATUS=off
launch server 36 "$programs/echo-reactor"
server_process=$launched
wait_until 5 find_port || true
[ -n "$port" ] || fail 'the server did not start: its log tells why'

export CLI_SERVER_ADDRESS="127.0.0.1:$port" CLI_LOOP_LAPSE=4s CLI_LOOP_PERIOD=1s CLI_RETRY_TIMEOUT=2s
CLI_ID=1 launch client1 33 "$programs/echo-client"
client1=$launched
CLI_ID=2 launch client2 32 "$programs/echo-client"
client2=$launched
CLI_ID=3 launch client3 35 "$programs/echo-client"
client3=$launched
expect_success client1 "$client1" 10
expect_success client2 "$client2" 10
expect_success client3 "$client3" 10

say 'Now an idle client is connected, and the server gets SIGTERM'
visit
kill -s TERM "$server_process"
expect_success server "$server_process" 5
if [ "$failed" -eq 0 ]; then
    say 'Every process ended by itself, with code 0'
    cat <<'NEXT'

Next, see a server at work, from a second terminal:
  target/release/echo-reactor --status 127.0.0.1:12346
  target/release/echo-reactor --status 127.0.0.1:12346 --watch
NEXT
fi
exit "$failed"
