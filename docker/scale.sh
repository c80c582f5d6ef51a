#!/bin/sh
# Usage: scale.sh N
# Brings the environment to the server and exactly N clients, up or down; N is 0 to 900.
# What runs already keeps running, unless N needs a larger network.
set -eu
. "$(dirname "$0")/lib.sh"

# docker-compose 1.29.2 stalls when it is given some 200 services at once.
batch=20

# Our names are short, so another project may have taken one.
refuse_foreign_names() {
    foreign=$(docker ps --all --format '{{.Names}} {{.Label "com.docker.compose.project"}}' |
        awk -v project="$project" -v ours="^${ECHO_PREFIX-}(server|client[0-9]+)\$" \
            '$1 ~ ours && $2 != project { print $1; exit }')
    [ -z "$foreign" ] ||
        fail "another container is named \"$foreign\": remove it (docker rm -f $foreign) or set ECHO_PREFIX=my-"
}

# How many clients fit, beside the server, the gateway, the two reserved addresses and a netcat.
capacity_of() {
    say "$(((1 << (32 - ${1#*/})) - 6))"
}

# A network cannot grow: too small a one is removed, with all that is in it.
make_room() {
    present=$(present_subnet)
    [ -n "$present" ] || return 0
    [ "${ECHO_SUBNET:-$present}" != "$present" ] || [ "$1" -gt "$(capacity_of "$present")" ] || return 0
    say "The network $present does not serve: all start afresh in another"
    "$root/docker/down.sh"
}

remove_clients_beyond() {
    surplus=$(containers --all --format '{{.Label "com.docker.compose.service"}} {{.ID}}' |
        awk -v most="$1" 'sub(/^client/, "", $1) && $1 + 0 > most { print $2 }')
    [ -n "$surplus" ] || return 0
    say "Stopping $(say "$surplus" | wc -l | tr -d ' ') clients"
    say "$surplus" | stop_one_by_one
    say "$surplus" | xargs docker rm >/dev/null
}

# names FIRST LAST: of services, one a line.
names() {
    seq -f 'client%.0f' "$1" "$2"
}

create() {
    quietly compose up --no-start --no-recreate "$@" ||
        fail "Compose could not create $1 and what follows: the reason stands above"
}

start() {
    sed "s/^/${ECHO_PREFIX-}/" | start_one_by_one || fail 'the engine could not start all: the reason stands above'
}

start_clients() {
    first=1
    while [ "$first" -le "$1" ]; do
        last=$((first + batch - 1))
        [ "$last" -le "$1" ] || last=$1
        # shellcheck disable=SC2046 # One word for each service.
        create $(names "$first" "$last")
        names "$first" "$last" | start
        say "Started client$first to client$last of $1"
        first=$((last + 1))
    done
}

[ -n "${1-}" ] || fail 'how many clients? Say it: make scale CLIENTS=20'
need_engine
# In this folder, so that its paths are those of the file that it becomes.
wanted=$(mktemp "$root/docker/.wanted.XXXXXX")
trap 'rm -f "$wanted"' EXIT
"$root/docker/generate-compose.sh" "$wanted" "$1"
clients=$(grep -c '^  client' "$wanted" || true)
if [ -n "${ECHO_SUBNET-}" ] && [ "$clients" -gt "$(capacity_of "$ECHO_SUBNET")" ]; then
    fail "$clients clients do not fit ECHO_SUBNET=$ECHO_SUBNET: name a larger one"
fi
refuse_foreign_names
need_config
if ! have_image echo-reactor || ! have_image echo-client; then
    "$root/docker/build-images.sh"
fi

make_room "$clients"
if cmp -s "$wanted" "$dev_file"; then
    rm -f "$scaled_file"
else
    cp "$wanted" "$scaled_file"
fi
remove_clients_beyond "$clients"
create server
say server | start
start_clients "$clients"
say "The server and $clients clients are up"
finished=$(containers --all --quiet --filter status=exited | wc -l)
[ "$finished" -eq 0 ] || say "$((finished)) of them have ended since: loop_lapse in config.yaml says when"
