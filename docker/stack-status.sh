#!/bin/sh
# Usage: stack-status.sh
# The stack: where its replicas and clients are and how they are, and how many messages all replicas have answered.
set -eu
. "$(dirname "$0")/stack.sh"

# by_node: how many of the tasks in $scratch/tasks are in which state on which node.
by_node() {
    awk -F "$tab" '
        { split($5, state, " "); ended = state[1] ~ /^(Shutdown|Failed|Rejected|Orphaned|Remove)$/ }
        $4 == "Running" || !ended { count[$3 " " tolower(state[1])]++ }
        END { for (place in count) { split(place, part, " "); printf "  %-20s %4d %s\n", part[1], count[place], part[2] } }' \
        "$scratch/tasks" | sort
}

# What the replicas tell of themselves, read where they can be reached: within the stack's network.
ask_replicas() {
    quietly attend docker run --rm --name "$stack-look-$$" --read-only --cap-drop ALL --network "$stack_network" \
        "$(image_of echo-scope)" --once --servers "$all_replicas"
}

need_swarm
need_stack
say "$(running_replicas) of $(wanted "$stack_server") replicas of the server are healthy"
by_node
say "$(settled_clients) of $(wanted "$stack_client") clients run, or have done their work"
by_node
need_images
# What has told something is worth showing, also if another has not.
ask_replicas || grep -q 'messages answered by' "$scratch/output" || fail "the replicas cannot be asked: $(reason)"
grep -v -e '^warning' "$scratch/output"
