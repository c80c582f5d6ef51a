# shellcheck shell=sh disable=SC2034,SC2154
# The environment on a Docker Swarm: its names, its images on every node, its state, and what a change costs the clients.
# Sourced by every stack-*.sh. Beside the variables of environment.sh, all optional:
#   ECHO_REGISTRY  HOST/NAME of a registry that every node reaches: the images go through it (default: none)
#   ECHO_ENDPOINT  vip or dnsrr (default: vip where this kernel has IPVS, else dnsrr)

. "$(dirname "$0")/environment.sh"

case ${ECHO_ENDPOINT-} in
    '' | vip | dnsrr) ;;
    *) fail "ECHO_ENDPOINT=$ECHO_ENDPOINT is neither vip nor dnsrr" ;;
esac

stack=$project
stack_server=${stack}_server
stack_client=${stack}_client
stack_network=${stack}_net
# The page runs beside the stack, on the manager's machine.
stack_page=$stack-page
# This name has the addresses of all replicas, also where they share one that is virtual.
all_replicas=tasks.server:12346
# Until then everything has to run; a node may have to pull an image first.
stack_patience=180

need_swarm() {
    need_docker
    membership=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null) || membership=unknown
    case $membership in
        'active true') ;;
        active*) fail 'this engine is a worker of its Swarm: give the command on a manager' ;;
        *) fail "this engine is in no Swarm (it is ${membership% *}): docker swarm init" ;;
    esac
}

stack_is_up() {
    docker service inspect "$stack_server" >/dev/null 2>&1
}

need_stack() {
    stack_is_up || fail 'the stack is not up: make stack-up'
}

# check_number NAME VALUE MOST
check_number() {
    case $2 in
        '' | *[!0-9]* | ?????*) fail "$1=$2 is no number from 0 to $3" ;;
    esac
    [ "$2" -le "$3" ] || fail "$1=$2 is no number from 0 to $3"
}

# By what they are made from, so that other sources are another image, and an old one is still there to go back to.
stack_image() {
    say "${ECHO_REGISTRY:+$ECHO_REGISTRY/}$1:$ECHO_PREFIX$sources"
}

# What runs on every node.
stack_programs='echo-reactor echo-client'

# Makes the images, and brings them to where all nodes get them from.
need_stack_images() {
    need_images
    for program in $stack_programs; do
        docker tag "$(image_of "$program")" "$(stack_image "$program")"
        [ -z "${ECHO_REGISTRY-}" ] || push_image "$(stack_image "$program")"
    done
    ECHO_SERVER_IMAGE=$(stack_image echo-reactor)
    ECHO_CLIENT_IMAGE=$(stack_image echo-client)
    export ECHO_SERVER_IMAGE ECHO_CLIENT_IMAGE
}

push_image() {
    say "Pushing $1"
    quietly attend docker push "$1" || fail "$1 cannot be pushed: $(reason); is ECHO_REGISTRY=$ECHO_REGISTRY right, and docker login done?"
}

# Where all nodes have the images already, no registry is asked what it has.
resolve_images() {
    if [ -n "${ECHO_REGISTRY-}" ]; then
        say '--with-registry-auth'
    else
        say "${1-}"
    fi
}

# The programs read the configuration as they will. It is copied into a container, because the engine may be elsewhere.
check_stack_config() {
    [ -f "$ECHO_CONFIG" ] || fail "$ECHO_CONFIG is not a file: restore it, or name another in ECHO_CONFIG"
    for program in $stack_programs; do
        run_with_config "$program" --network none --env "$(set_for_server)" "$(image_of "$program")" --check || refuse_config
        [ "$program" != echo-reactor ] || take_stop_grace
        ! grep -q '^  drain_delay: 0s' "$scratch/output" ||
            say 'server.drain_delay is 0s: a replica that leaves may refuse a client that has just looked it up; with 5s that is rare'
    done
    ECHO_CONFIG_NAME=$stack-$(cksum <"$ECHO_CONFIG" | tr ' ' -)
    export ECHO_CONFIG_NAME
}

# run_with_config NAME OPTION... IMAGE ARGUMENT...: runs a program with our configuration in a container of its own, and
# keeps what it says.
run_with_config() {
    container=$stack-$1-$$
    shift
    quietly docker create --rm --name "$container" --cap-drop ALL "$@" || return 1
    # Swarm gives it to everybody in a container, whatever its mode is here.
    cp "$ECHO_CONFIG" "$scratch/config.yaml" && chmod 644 "$scratch/config.yaml"
    quietly docker cp "$scratch/config.yaml" "$container:/config.yaml" && quietly attend docker start --attach "$container"
}

remove_stack_throwaways() {
    for name in echo-reactor echo-client probe look; do
        docker rm --force "$stack-$name-$$" >/dev/null 2>&1 || true
    done
}

# What an interrupted command says of the stack.
interrupted=

# goes_on WHAT: what Swarm does from here on, even if this command is interrupted.
goes_on() {
    interrupted="$1 goes on by itself; make stack-status shows it"
}

clean_up() {
    [ "$1" -eq 0 ] || remove_stack_throwaways
    [ -z "$interrupted" ] || [ "$1" -le 128 ] || printf '%s\n' "Interrupted: $interrupted" >&2
}

# IPVS makes one address of many. What another machine's kernel has cannot be seen from here: there it is taken for granted.
choose_endpoint() {
    if [ -z "${ECHO_ENDPOINT-}" ]; then
        ECHO_ENDPOINT=vip
        if [ "$(docker info --format '{{.KernelVersion}}')" = "$(uname -r)" ] && ! kernel_has_ipvs; then
            say 'This kernel has no IPVS: the name "server" has the addresses of all replicas (dnsrr)'
            ECHO_ENDPOINT=dnsrr
        fi
    fi
    export ECHO_ENDPOINT
}

kernel_has_ipvs() {
    [ -e /proc/net/ip_vs ] || PATH=$PATH:/usr/sbin:/sbin modprobe --dry-run --quiet ip_vs 2>/dev/null
}

# tasks SERVICE: leaves in $scratch/tasks those of a service, a task a line: ID NAME NODE WANTED STATE ERROR.
tasks() {
    docker service ps --no-trunc \
        --format "{{.ID}}$tab{{.Name}}$tab{{.Node}}$tab{{.DesiredState}}$tab{{.CurrentState}}$tab{{.Error}}" "$1" \
        >"$scratch/tasks" 2>/dev/null || : >"$scratch/tasks"
}

# Swarm remembers tasks that have failed: what follows is about later ones.
note_failures() {
    # Never empty: awk could not tell it from the tasks.
    say ID >"$scratch/earlier"
    for service in "$stack_server" "$stack_client"; do
        tasks "$service"
        cut -f 1 "$scratch/tasks" >>"$scratch/earlier"
    done
}

# later_errors: NAME, NODE and ERROR of the tasks in $scratch/tasks that have failed since.
later_errors() {
    awk -F "$tab" -v OFS="$tab" 'NR == FNR { earlier[$1]; next } $6 != "" && !($1 in earlier) { print $2, $3, $6 }' \
        "$scratch/earlier" "$scratch/tasks"
}

# How many replicas run, which here means that they are healthy.
running_replicas() {
    tasks "$stack_server"
    awk -F "$tab" '$4 == "Running" && $5 ~ /^Running/' "$scratch/tasks" | wc -l | tr -d ' '
}

# How many clients run, or have done their work.
settled_clients() {
    tasks "$stack_client"
    awk -F "$tab" '($4 == "Running" && $5 ~ /^Running/) || $5 ~ /^Complete/ { print $2 }' "$scratch/tasks" |
        sort -u | wc -l | tr -d ' '
}

# wanted SERVICE: how many there shall be.
wanted() {
    docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$1"
}

# await_stack: until every replica is healthy and every client has started.
await_stack() {
    replicas=$(wanted "$stack_server")
    clients=$(wanted "$stack_client")
    told=
    waited=0
    until
        up=$(running_replicas)
        refuse_missing_images
        settled=$(settled_clients)
        refuse_missing_images
        state="  $up of $replicas replicas healthy, $settled of $clients clients started"
        [ "$state" = "$told" ] || say "$state"
        told=$state
        [ "$up" -ge "$replicas" ] && [ "$settled" -ge "$clients" ]
    do
        waited=$((waited + 1))
        [ "$waited" -le "$stack_patience" ] || fail "the stack is not up after $waited s: $(last_error)"
        sleep 1
    done
}

# Nodes that answer. Of one that is lost nobody knows what runs there.
ready_nodes() {
    docker node ls --format '{{.Status}} {{.Hostname}}' | sed -n 's/^Ready //p'
}

# departing SERVICE: the tasks that are to end and have not, on nodes that answer.
departing() {
    tasks "$1"
    ready_nodes >"$scratch/ready"
    awk -F "$tab" 'NR == FNR { ready[$1]; next }
        $3 in ready && $4 != "Running" && $5 ~ /^(Running|Starting|Preparing|Ready|Assigned|Accepted)/ { print $1 }' \
        "$scratch/ready" "$scratch/tasks"
}

# Waits until all who are to leave have left.
await_departures() {
    wait_until "$stack_patience" no_departing || fail "some tasks do not end: $(last_error)"
}

no_departing() {
    [ -z "$(departing "$stack_server")$(departing "$stack_client")" ]
}

# A node that has no image, and no registry to get it from.
refuse_missing_images() {
    lacking=$(later_errors | grep 'No such image' | cut -f 2 | sort -u | in_one_line)
    [ -n "$lacking" ] || return 0
    first=${lacking%% *}
    fail "no image on $lacking, and no registry that all nodes reach: ECHO_REGISTRY=HOST/NAME make stack-up pushes them there; or bring them there: docker save $(stack_image echo-reactor) $(stack_image echo-client) | ssh $first docker load"
}

# The newest error of the tasks.
last_error() {
    for service in "$stack_server" "$stack_client"; do
        tasks "$service"
        later_errors | awk -F "$tab" '{ print $1 " on " $2 ": " $3; exit }'
    done | head -n 1 | grep . || say 'docker stack ps shows its tasks'
}

# exchange: a client of our own sends a message to the stack, from within its network.
stack_exchange() {
    run_with_config probe --network "$stack_network" --env CLI_ID=probe --env CLI_LOOP_AMOUNT=1 --env CLI_LOOP_LAPSE=10s \
        --env CLI_RETRY_TIMEOUT=10s --env RUST_LOG=error "$(image_of echo-client)"
}

# The engine's time, for what comes after it.
engine_time() {
    docker info --format '{{.SystemTime}}'
}

# tell_cost SINCE: what the clients say of the time since then.
tell_cost() {
    tasks "$stack_client"
    awk -F "$tab" '$5 ~ /^(Running|Complete|Failed)/ { print $1 }' "$scratch/tasks" >"$scratch/tellers"
    again=0
    failed=0
    silent=0
    # Not of the service as a whole: the engine waits without end for a task that never had a container. And with a
    # bound, because it waits for a node that is gone.
    while read -r task; do
        bounded 5 docker service logs --raw --since "$1" "$task" >"$scratch/log" 2>&1 </dev/null || silent=$((silent + 1))
        again=$((again + $(grep -c -e ' not answered by ' -e '"event":"not_answered"' "$scratch/log" || true)))
        failed=$((failed + $(grep -c -e ' given up, ' -e 'Wrong reply to' -e '"event":"gave_up"' -e '"event":"wrong_reply"' "$scratch/log" || true)))
    done <"$scratch/tellers"
    [ "$silent" -eq 0 ] || say "The log of $silent clients cannot be read"
    say "The clients have tried $again messages again, and $failed had no right answer in the end"
}
