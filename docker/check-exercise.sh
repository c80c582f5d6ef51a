#!/bin/sh
# Usage: check-exercise.sh N IMAGE
# Runs our tests of exercise 3, 4 or 5 against the server in any image: one that listens on port 12345 when it is
# started. It runs in a network of its own, and all that was made for it is taken away again.
# OPTIONS="--volume $PWD/config.ini:/config.ini" adds options to its docker run; spaces part them.
# PORT=PORT is for a server that listens elsewhere.
set -eu
. "$(dirname "$0")/environment.sh"

exercise=${1-}
image=${2-}
port=${PORT:-12345}
net=$project-exercise-$$
subject=$net-server
netcat=$net-netcat
failures=0

usage='make check-exercise N=4 IMAGE=my-server'

check_arguments() {
    case $exercise in
        3 | 4 | 5) ;;
        *) fail "which exercise? There are tests for N=3, 4 and 5: $usage" ;;
    esac
    [ -n "$image" ] || fail "which image? Name the one with your server: $usage"
    case $port in
        '' | *[!0-9]*) fail "PORT=$port is no number" ;;
    esac
    for option in ${OPTIONS-}; do
        case $option in
            --name | --name=* | --network | --network=* | --net | --net=* | --rm | --rm=*)
                fail "OPTIONS: the test itself decides the container's name, network and end: leave out $option" ;;
        esac
    done
}

# Ctrl-C reaches the docker that takes something away too, and it may end before the engine has done it.
clean_up() {
    wait_until 20 is_taken_away || true
}

is_taken_away() {
    docker rm --force "$subject" "$netcat" >/dev/null 2>&1 || true
    docker network rm "$net" >/dev/null 2>&1 || true
    ! docker network inspect "$net" >/dev/null 2>&1
}

make_stage() {
    docker image inspect "$image" >/dev/null 2>&1 ||
        fail "there is no image $image here: docker build --tag $image FOLDER, or docker pull $image"
    sh "$folder/netcat-image.sh"
    quietly docker network create "$net" || fail "no network for the test: $(reason)"
    quietly docker run --detach --name "$netcat" --network "$net" --read-only --tmpfs /tmp --cap-drop ALL \
        --security-opt no-new-privileges --user 65534:65534 echo-netcat:latest sleep 3600 ||
        fail "the netcat of the test cannot be started: $(reason)"
}

# Afresh, whatever the last case has left.
start_subject() {
    docker rm --force "$subject" >/dev/null 2>&1 || true
    # shellcheck disable=SC2086 # One word for each option.
    quietly docker run --detach --name "$subject" --network "$net" --network-alias server ${OPTIONS-} "$image" ||
        fail "$image cannot be started: $(reason)"
    wait_until 10 subject_answers_or_has_ended || fail "the server of $image does not listen on port $port: $(last_words "$subject")"
    runs "$subject" ||
        fail "the server of $image ends by itself, exit code $(exit_code): $(last_words "$subject")"
}

subject_answers_or_has_ended() {
    ! runs "$subject" || in_netcat 'timeout 1 nc server "$1" </dev/null >/dev/null 2>&1'
}

# in_netcat SCRIPT: with the port as its first word.
in_netcat() {
    docker exec "$netcat" sh -c "$1" sh "$port"
}

exit_code() {
    docker container inspect --format '{{.State.ExitCode}}' "$subject"
}

# Cases that run inside the netcat container: each line that it reports gets the number of the exercise.
run_inside() {
    cat "$folder/netcat-kit.sh" "$folder/$1" >"$scratch/cases"
    start_subject
    bounded 120 docker exec --interactive "$netcat" sh -s server "$port" <"$scratch/cases" >"$scratch/report" 2>&1 ||
        failures=1
    sed "s/^case: /exercise: $exercise | case: /" "$scratch/report"
    grep -q '^case: ' "$scratch/report" || fail "no case was run: $(tail -n 1 "$scratch/report")"
}

# report NAME COMMAND...: the command's success is the case's. What it says is the reason.
report() {
    name=$1
    shift
    if "$@" >"$scratch/why"; then
        say "exercise: $exercise | case: $name | result: success"
    else
        say "exercise: $exercise | case: $name | result: fail"
        sed 's/^/  /' "$scratch/why"
        failures=1
    fi
}

# Whether SIGTERM has no effect at all: what is wrong in further cases does not show then.
is_deaf=

# ends_in_order WHY_NOT DEAF: as "docker compose stop -t 1" does it: SIGTERM, and SIGKILL a second later.
ends_in_order() {
    docker stop -t 1 "$subject" >/dev/null
    code=$(exit_code)
    case $code in
        0) return ;;
        137) [ -z "$is_deaf" ] || { say 'SIGTERM has no effect, as in the first case'; return 1; }
            is_deaf=$2
            say "it was still running one second after SIGTERM, and was killed (exit code 137): $1" ;;
        143) say 'SIGTERM ended it at once (exit code 143): it has no handler, so nothing was closed in order' ;;
        *) say "its exit code is $code, and 0 says that all went well; its last line: $(last_words "$subject")" ;;
    esac
    return 1
}

# The shell form of ENTRYPOINT and CMD makes a shell the first process.
why_deaf() {
    case $(docker image inspect --format '{{json .Config.Entrypoint}} {{json .Config.Cmd}}' "$image") in
        *'/bin/sh","-c'*) say 'a shell is its first process, and hands no signal on: write ENTRYPOINT ["program", "argument"]' ;;
        *) say 'the first process of a container ignores a signal for which it has no handler' ;;
    esac
}

alone() {
    ends_in_order "$(why_deaf)" yes
}

# beside TEXT REASON: a client is connected and has sent this text.
beside() {
    start_subject
    in_netcat 'rm -f /tmp/served'
    docker exec --detach "$netcat" sh -c '{ printf %s "$2"; sleep 60; } | { nc server "$1"; >/tmp/served; }' \
        sh "$port" "$1"
    wait_until 5 is_connected_or_served || fail 'the client of the test cannot connect'
    docker logs "$subject" >"$scratch/before" 2>&1
    ends_in_order "$2" ''
}

# A server that takes any read for a message has answered half of one already, and closed the connection.
is_connected_or_served() {
    in_netcat '[ -e /tmp/served ] || busybox grep -q "$(printf ":%04X 01 " "$1")" /proc/net/tcp'
}

# Of the last stop.
tells_in_its_log() {
    docker logs "$subject" 2>&1 | tail -n "+$(($(wc -l <"$scratch/before") + 1))" | grep -q . && return
    say 'its log has no line behind SIGTERM: log what is closed, line by line'
    return 1
}

check_sigterm() {
    start_subject
    report sigterm alone
    report sigterm_beside_an_idle_client beside '' \
        'it waits for a client that says nothing: close the connections, or wait for them with a limit'
    report the_log_tells_of_the_end tells_in_its_log
    report sigterm_beside_half_a_message beside 'half a mess' \
        'it waits for the rest of a message: close the connections, or wait for them with a limit'
}

check_arguments
need_engine
make_stage
case $exercise in
    3) run_inside netcat-cases.sh ;;
    4) check_sigterm ;;
    5) run_inside parallel-cases.sh ;;
esac
if [ "$failures" -eq 0 ]; then
    say "action: check_exercise_$exercise | result: success"
else
    say "action: check_exercise_$exercise | result: fail"
    exit 1
fi
