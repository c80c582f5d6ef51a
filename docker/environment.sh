# shellcheck shell=sh disable=SC2034,SC2154
# The environment of this checkout: its containers, whose they are, how they start and stop, and whether they work.
# Sourced by every script that works on it. Four variables, all optional, let a second environment live beside the first:
#   ECHO_PREFIX  goes before the names of project, containers, network and the images' tag (default: nothing)
#   ECHO_SUBNET  the network's subnet (default: 172.24.125.0/24, or another where that is taken or too small)
#   ECHO_CONFIG  the configuration file that is mounted (default: config.yaml at the root)
#   ECHO_PAGE_PORT  where "make watch" publishes its page, on 127.0.0.1 (default: 8080, or the next one that is free)

. "$(dirname "$0")/lib.sh"

case ${ECHO_PREFIX=} in
    [!a-z0-9]* | *[!a-z0-9_-]* | ?????????????????????????*)
        fail "ECHO_PREFIX=$ECHO_PREFIX: Compose takes a-z, 0-9, _ and -, a letter or digit first; at most 24 of them" ;;
esac
case ${ECHO_CONFIG-} in
    '') ECHO_CONFIG=$root/config.yaml ;;
    /*) ;;
    *) ECHO_CONFIG=$PWD/$ECHO_CONFIG ;;
esac
export ECHO_PREFIX ECHO_CONFIG

is_port() {
    case $1 in
        0* | *[!0-9]* | ??????*) false ;;
        *) [ "$1" -le 65535 ] ;;
    esac
}

[ -z "${ECHO_PAGE_PORT-}" ] || is_port "$ECHO_PAGE_PORT" ||
    fail "ECHO_PAGE_PORT=$ECHO_PAGE_PORT is no port: name one from 1 to 65535, such as ECHO_PAGE_PORT=9000"

# What the user's other projects may want of Compose and Docker.
for variable in $(env | sed -n 's/^\(COMPOSE_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
# The programs are built for the machine that they run on.
unset DOCKER_DEFAULT_PLATFORM

project=${ECHO_PREFIX}echo-reactor
server=${ECHO_PREFIX}server
scope=${ECHO_PREFIX}scope
folder=$root/docker
dev_file=$folder/docker-compose-dev.yaml
# Exists only while the environment has another number of clients than the committed file.
scaled_file=$folder/docker-compose-${ECHO_PREFIX}scaled.yaml
# How many services Compose is given at once.
services_at_once=100
tab=$(printf '\t')

. "$(dirname "$0")/engine.sh"
. "$(dirname "$0")/network.sh"
. "$(dirname "$0")/images.sh"

compose() {
    definition=$dev_file
    [ ! -f "$scaled_file" ] || definition=$scaled_file
    # Else a file docker/.env would be read; and docker-compose 1 does not take /dev/null for one.
    : >"$scratch/no.env"
    # shellcheck disable=SC2086 # One or two words.
    attend $compose_command --env-file "$scratch/no.env" --project-name "$project" --file "$definition" "$@"
}

# survey: leaves in $scratch/containers what this checkout has under our names or in our project, one container a line:
# NAME ID STATE PROJECT SOURCES STATUS OWNER, and in $scratch/foreign what others have. The owner is the folder of the
# compose definition; what has none was not made by Compose.
survey() {
    : >"$scratch/containers"
    : >"$scratch/foreign"
    docker ps --all --no-trunc --format "{{.Names}}$tab{{.ID}}$tab{{.State}}$tab{{or (.Label \"com.docker.compose.project\") \"-\"}}$tab{{or (.Label \"$sources_label\") \"-\"}}$tab{{.Status}}$tab{{.Label \"com.docker.compose.project.working_dir\"}}" \
        >"$scratch/every" 2>"$scratch/output" || fail "the engine lists no containers: $(reason)"
    awk -F "$tab" -v project="$project" -v ours="^$ECHO_PREFIX(server|scope|client[0-9]+)\$" \
        '$1 ~ ours || $4 == project' "$scratch/every" >"$scratch/all"
    cut -f 7 "$scratch/all" | sort -u >"$scratch/owners"
    while IFS= read -r owner; do
        list=foreign
        ! is_our_folder "$owner" || list=containers
        owner=$owner awk -F "$tab" '$7 == ENVIRON["owner"]' "$scratch/all" >>"$scratch/$list"
    done <"$scratch/owners"
}

# By whatever way this checkout is reached.
is_our_folder() {
    [ -n "$1" ] && { [ "$1" = "$folder" ] || [ "$(cd "$1" 2>/dev/null && pwd -P)" = "$folder" ]; }
}

# surveyed CONDITION [FIELD]: the id, or another field, of each container for which awk's condition holds; 0 is all.
surveyed() {
    awk -F "$tab" -v server="$server" -v scope="$scope" -v project="$project" -v sources="$sources" \
        "$1 { print \$${2:-2} }" "$scratch/containers"
}

# without FILE: the lines of the input that are not in the file. BusyBox's "grep -v -f" prints nothing for an empty file.
without() {
    awk 'FILENAME != "-" { known[$0]; next } !($0 in known)' "$1" -
}

# in_one_line: the lines of the input, with a space between them.
in_one_line() {
    tr '\n' ' ' | sed 's/ $//'
}

# count LINES
count() {
    say "$1" | wc -l | tr -d ' '
}

# Our names are short: another project, or another checkout, may have taken one.
refuse_foreign() {
    survey
    refuse_foreign_network
    refuse_foreign_containers
}

refuse_foreign_containers() {
    IFS=$tab read -r name id state compose_project made_from status owner <"$scratch/foreign" || return 0
    names=$(cut -f 1 "$scratch/foreign" | in_one_line)
    both='or have both: ECHO_PREFIX=my- before make'
    if [ -z "$owner" ]; then
        fail "another container is named \"$name\": remove it (docker rm -f $names), $both"
    elif [ -d "$owner" ]; then
        fail "the container \"$name\" belongs to $owner: make docker-compose-down there, $both"
    else
        fail "the container \"$name\" belongs to $owner, which is not here any more: remove it (docker rm -f $names), $both"
    fi
}

# What every command that starts something begins with: our names are free or ours, what the user has set can be meant
# so, and the images are of these sources.
prepare() {
    claim
    refuse_odd_subnet
    need_config
    need_images
}

claim() {
    need_engine
    take_lock "$project"
    refuse_foreign
}

# What can be told of the configuration without an image.
need_config() {
    # Docker would make a folder of that name and mount it.
    [ -f "$ECHO_CONFIG" ] || fail "$ECHO_CONFIG is not a file: restore it, or name another in ECHO_CONFIG"
    ! on_linux || may_be_read_by_all || refuse_unreadable
}

# The containers' user is 65534. Where there are further rules, only a container can tell.
may_be_read_by_all() {
    # shellcheck disable=SC2012 # The name is not looked at.
    ls -lnL "$ECHO_CONFIG" | awk 'NR == 1 {
        readable = $1 ~ /^.......r/ || $1 ~ /\+$/ || ($3 == 65534 && $1 ~ /^.r/) || ($4 == 65534 && $1 ~ /^....r/)
    } END { exit !readable }'
}

refuse_unreadable() {
    fail "the containers' user cannot read $ECHO_CONFIG: chmod a+r '$ECHO_CONFIG'"
}

# check_config PROGRAM [PROGRAM]: they read the configuration as they will, in a container and as its user. Side by side,
# because most of the time is for making the containers.
check_config() {
    need_config
    [ $# -eq 1 ] || check beside "$2" >"$scratch/second" 2>&1
    refused=
    quietly check attend "$1" || refused=$1
    [ $# -eq 1 ] || join || second_is_refused "$2"
    [ -z "$refused" ] || refuse_config "$refused"
    [ "$1" != echo-reactor ] || take_stop_grace
    log_level=$(sed -n 's/^  level: *//p' "$scratch/output")
}

# What the definition sets for the server, whatever the configuration says. The other programs have no such key.
set_for_server() {
    sed -n 's/^ *- SERVER_STATUS=/SERVER_STATUS=/p' "$dev_file"
}

# check HOW PROGRAM
check() {
    throwaway "$1" "$2" --network none --env "$(set_for_server)" "$(image_of "$2")" --check
}

# The first one's words go first.
second_is_refused() {
    [ -z "$refused" ] || return 0
    refused=$1
    mv "$scratch/second" "$scratch/output"
}

# How long the server may take to leave, as the program itself has it.
take_stop_grace() {
    ECHO_STOP_GRACE=$(sed -n 's/^# stop_grace_period: //p' "$scratch/output")
    export ECHO_STOP_GRACE
}

# refuse_config PROGRAM
refuse_config() {
    complaint=$(reason)
    case $complaint in
        *'it is a directory'* | *'source path does not exist'* | *'statfs '*)
            fail "the Docker engine does not see $ECHO_CONFIG: it runs on another machine, or in another container, than this checkout" ;;
        *'ermission denied'*)
            refuse_unreadable ;;
        *': config.yaml:'*) fail "$ECHO_CONFIG:${complaint#*: config.yaml:}" ;;
        *) fail "$1 cannot check $ECHO_CONFIG: $complaint" ;;
    esac
}

# throwaway HOW NAME OPTION... IMAGE ARGUMENT...: runs a program with our configuration in a container of its own.
throwaway() {
    how=$1
    name=$project-$2-$$
    shift 2
    # Unlike the short form, --mount takes any path, and refuses one that the engine does not see.
    "$how" docker run --rm --name "$name" --read-only --cap-drop ALL --security-opt no-new-privileges:true \
        --mount "type=bind,\"source=$(say "$ECHO_CONFIG" | sed 's/"/""/g')\",target=/config.yaml,readonly" "$@"
}

remove_throwaways() {
    docker rm --force "$project-echo-client-$$" "$project-echo-reactor-$$" "$project-echo-scope-$$" "$project-probe-$$" "$project-tests-$$" >/dev/null 2>&1 || true
}

# define N: leaves in $clients how many clients there shall be, and in $wanted the definition of that.
define() {
    # In this folder, so that its paths are those of the file that it becomes.
    wanted=$folder/.$project.$$.yaml
    sh "$folder/generate-compose.sh" "$wanted" "$1"
    clients=$(grep -c '^  client' "$wanted" || true)
}

# bring_up: what is defined; what runs already goes on running, if it is as it should be.
bring_up() {
    refuse_paused
    make_room
    remember
    if cmp -s "$wanted" "$dev_file"; then
        rm -f "$scaled_file"
    else
        cp "$wanted" "$scaled_file"
    fi
    replace_outdated
    remove_surplus
    start_all
    undo=if_interrupted
    verify
    say "The server and $(number "$clients" client) are up"
    undo=
}

# No engine starts them, and who has paused them may want to see what happens then.
refuse_paused() {
    survey
    paused=$(surveyed '$3 == "paused"' 1 | in_one_line)
    [ -z "$paused" ] || fail "$paused cannot be started while paused: docker unpause $paused"
}

# A network cannot grow: too small a one is removed, with all that is in it.
make_room() {
    present=$(present_subnet)
    if [ -n "$present" ] && [ "${ECHO_SUBNET:-$present}" = "$present" ] && [ "$clients" -le "$(capacity_of "$present")" ]; then
        # Compose refuses a network that differs from its definition.
        export ECHO_SUBNET="$present"
        return
    fi
    choose_subnet
    if [ -n "$present" ]; then
        say "The network $present does not serve: all start afresh in $ECHO_SUBNET"
        take_down
    fi
}

# What was made from other sources or by another project in this folder, or whose network was pruned.
replace_outdated() {
    survey
    # An empty filter would match all.
    docker ps --all --no-trunc --quiet --filter "network=$(network_id | grep . || say none)" >"$scratch/attached"
    outdated=$({
        surveyed '$4 != project || $5 != sources'
        surveyed 1 | without "$scratch/attached"
    } | sort -u)
    [ -n "$outdated" ] || return 0
    say "Replacing $(number "$(count "$outdated")" container), out of date"
    stop_and_remove "$outdated"
}

remove_surplus() {
    survey
    surplus=$(surveyed "match(\$1, /client[0-9]+\$/) && substr(\$1, RSTART + 6) + 0 > $clients")
    [ -n "$surplus" ] || return 0
    say "Stopping $(number "$(count "$surplus")" client)"
    stop_and_remove "$surplus"
}

start_all() {
    last=0
    while
        first=$((last + 1))
        last=$((last + services_at_once))
        [ "$last" -le "$clients" ] || last=$clients
        # shellcheck disable=SC2046 # One word for each service.
        start_services server $(clients_from "$first" "$last") || refuse_start
        [ "$clients" -eq 0 ] || say "Started client$first to client$last of $clients"
        [ "$last" -lt "$clients" ]
    do :; done
}

clients_from() {
    number=$1
    while [ "$number" -le "$2" ]; do
        say "client$number"
        number=$((number + 1))
    done
}

# start_services SERVICE...
start_services() {
    quietly compose up --detach --no-build "$@"
}

refuse_start() {
    complaint=$(reason)
    case $complaint in
        *overlap* | *'already used'*)
            fail "the subnet $ECHO_SUBNET is taken: $complaint: name another, such as ECHO_SUBNET=10.9.8.0/24" ;;
        *) fail "not all containers could be started: $complaint" ;;
    esac
}

# "Up" is said of what was seen: the server serves, each client runs or has ended with code 0.
verify() {
    if wait_until 10 server_serves_or_has_ended && [ -n "$serves" ]; then
        newest=${ECHO_PREFIX}client$clients
        verify_a_client
    elif runs "$server"; then
        fail "$server runs, but does not serve: $(reason)"
    fi
    wait_until 10 all_have_settled || true
    survey
    surveyed '$1 == server && $3 != "running"' 0 | complain || exit 1
    surveyed '$1 ~ /client[0-9]+$/ && $3 != "running" && $6 !~ /^Exited \(0\)/' 0 | complain || exit 1
    refuse_missing
}

# Somebody else may have removed one meanwhile.
refuse_missing() {
    surveyed 1 1 >"$scratch/present"
    missing=$({ say "$server"; clients_from 1 "$clients" | sed "s/^/$ECHO_PREFIX/"; } | without "$scratch/present" | in_one_line)
    [ -z "$missing" ] || fail "$missing was removed while the environment started: give the same command again"
}

# A client reaches the server: by the log of the newest one. Where the log may not tell, one more client has to try.
verify_a_client() {
    case $clients:$log_level in
        0:*) ;;
        *:info | *:debug | *:trace)
            wait_until 15 newest_is_answered_or_has_ended ||
                fail "$newest gets no answer from the server: $(last_words "$newest")" ;;
        *) exchange || fail "$server serves, but a client gets no answer: $(reason)" ;;
    esac
}

runs() {
    [ "$(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

# The health check of the definition, at once instead of after its interval. Leaves in $serves whether it has succeeded.
server_serves() {
    serves=
    quietly docker exec "$server" /echo-reactor --health || return 1
    serves=yes
}

server_serves_or_has_ended() {
    server_serves || ! runs "$server"
}

newest_is_answered_or_has_ended() {
    docker logs "$newest" 2>&1 | grep -q -e 'Message from server' -e '"event":"message_from_server"' || ! runs "$newest"
}

exchange() {
    quietly throwaway attend probe --network "$network" --env CLI_ID=probe --env CLI_LOOP_AMOUNT=1 --env CLI_LOOP_LAPSE=10s \
        --env CLI_RETRY_TIMEOUT=5s --env RUST_LOG=error "$(image_of echo-client)"
}

# What is wrong from the beginning ends within a second.
all_have_settled() {
    survey
    [ -z "$(surveyed '$6 ~ /Less than a second/')" ]
}

# Fails for the first container on its input, in one line.
complain() {
    IFS=$tab read -r name id state rest || return 0
    case $state in
        created) what='was created, but never started, exit code' ;;
        exited | dead) what='has ended, exit code' ;;
        paused) fail "$name is paused: docker unpause $name" ;;
        *) what="is $state, exit code" ;;
    esac
    fail "$name $what $(docker container inspect --format '{{.State.ExitCode}}' "$id"): $(last_words "$id")"
}

# The last line of its log, or what the engine says of it.
last_words() {
    words=$(docker logs --tail 1 "$1" 2>&1 | tail -n 1)
    [ -n "$words" ] || words=$(docker container inspect --format '{{.State.Error}}' "$1")
    say "${words:-it has logged nothing}"
}

take_down() {
    survey
    number=$(surveyed 1 | wc -l)
    if [ "$number" -gt 0 ]; then
        say "Stopping $(number "$((number))" container)"
        # The clients first: so none of them misses its server.
        stop_containers "$(surveyed '$1 != server')"
        stop_containers "$(surveyed '$1 == server')"
        surveyed 1 | xargs docker container inspect --format '{{.State.ExitCode}}' | sort -n | uniq -c |
            while read -r number exit_code; do
                say "  exit code $exit_code: $number"
            done
        remove_containers "$(surveyed 1)"
    fi
    remove_network
    rm -f "$scaled_file"
}

stop_and_remove() {
    stop_containers "$1"
    remove_containers "$1"
}

# stop_containers IDS: each has the time that its definition gives it.
stop_containers() {
    # shellcheck disable=SC2086 # One word for each container.
    [ -z "$1" ] || docker stop $1 >/dev/null 2>&1 || true
}

# remove_containers IDS
remove_containers() {
    # shellcheck disable=SC2086
    [ -z "$1" ] || quietly docker rm --force $1 || true
}

# An end before time takes away what this command has made, and nothing else. What is up but does not work stays, to
# be looked at.
undo=
wanted=
remember() {
    survey
    surveyed 1 >"$scratch/found"
    network_found=$(network_id)
    rm -f "$scratch/definition"
    [ ! -f "$scaled_file" ] || cp "$scaled_file" "$scratch/definition"
    undo=yes
}

clean_up() {
    [ -z "$wanted" ] || rm -f "$wanted"
    take_away "$1"
    # An engine goes on with what a command had asked for that was ended.
    if [ -n "$cut_short" ]; then
        for _ in 1 2 3 4 5 6 7 8; do
            sleep 0.25
            take_away "$1"
        done
    fi
    if must_undo "$1"; then
        [ -n "$network_found" ] || remove_network
        rm -f "$scaled_file"
        [ ! -f "$scratch/definition" ] || cp "$scratch/definition" "$scaled_file"
    fi
}

take_away() {
    [ -z "$cut_short" ] || remove_throwaways
    if must_undo "$1"; then
        survey
        remove_containers "$(surveyed 1 | without "$scratch/found")"
    fi
}

must_undo() {
    [ "$undo" = yes ] || { [ "$undo" = if_interrupted ] && [ "$1" -gt 128 ]; }
}
