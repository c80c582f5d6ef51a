#!/bin/sh
# Usage: stack-down.sh
# Stops the stack, the clients first, and removes all of it from every node.
set -eu
. "$(dirname "$0")/stack.sh"

# All that Swarm has under the stack's name. A network goes when nothing is on it any more.
leftovers() {
    for kind in service config secret network; do
        docker "$kind" ls --quiet --filter "label=com.docker.stack.namespace=$stack" 2>/dev/null
    done
    docker ps --all --quiet --filter "label=com.docker.stack.namespace=$stack"
    # On other nodes it is the tasks that can be seen. A task goes when its container has ended.
    xargs docker inspect --type task --format '{{.ID}}' <"$scratch/ending" 2>/dev/null || true
}

nothing_is_left() {
    # The first attempt to remove the network may have been too early.
    docker network rm "$stack_network" >/dev/null 2>&1 || true
    [ -z "$(leftovers)" ]
}

# The tasks that run now, on nodes that answer: what is on a lost node ends when it is back.
note_tasks() {
    ready_nodes >"$scratch/ready"
    for service in "$stack_server" "$stack_client"; do
        tasks "$service"
        awk -F "$tab" 'NR == FNR { ready[$1]; next } $3 in ready && $5 !~ /^(Shutdown|Complete|Failed|Rejected)/ { print $1 }' \
            "$scratch/ready" "$scratch/tasks"
    done >"$scratch/ending"
}

no_client() {
    tasks "$stack_client"
    ! awk -F "$tab" '{ print $5 }' "$scratch/tasks" | grep -q '^Running'
}

need_swarm
take_lock "$stack"
: >"$scratch/ending"
if [ -z "$(leftovers)" ]; then
    say "Nothing of the stack $stack is there"
    exit 0
fi
note_tasks
say "Stopping $(wc -l <"$scratch/ending" | tr -d ' ') replicas and clients"
interrupted='a part of the stack is still there; make stack-down removes it'
# The clients first: so none of them misses its server.
quietly docker service scale --detach "$stack_client=0" || true
wait_until 20 no_client || true
docker rm --force "$stack_page" >/dev/null 2>&1 || true
quietly attend docker stack rm "$stack" || true
wait_until "$stack_patience" nothing_is_left || fail "the Swarm does not remove all of the stack: $(reason)"
say "Nothing of the stack $stack is there any more"
