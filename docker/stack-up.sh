#!/bin/sh
# Usage: stack-up.sh [REPLICAS] [CLIENTS]
# Builds the images and deploys stack.yaml on the Swarm that this engine manages. What is up already is brought to that.
set -eu
. "$(dirname "$0")/stack.sh"

export ECHO_REPLICAS="${1:-3}" ECHO_CLIENTS="${2:-2}"
check_number REPLICAS "$ECHO_REPLICAS" 1000
check_number CLIENTS "$ECHO_CLIENTS" 1000

need_swarm
take_lock "$stack"
need_stack_images
check_stack_config
choose_endpoint
note_failures
# shellcheck disable=SC2046 # One option, or two words.
quietly attend docker stack deploy --compose-file "$folder/stack.yaml" $(resolve_images '--resolve-image never') "$stack" ||
    fail "the stack was not deployed: $(reason)"
goes_on 'the deployment'
await_stack
[ "$ECHO_REPLICAS" -eq 0 ] || stack_exchange ||
    fail "the replicas are healthy, but the name \"server\" does not answer: $(reason); try ECHO_ENDPOINT=dnsrr make stack-up"
say "The stack is up: $ECHO_REPLICAS replicas, $ECHO_CLIENTS clients"
cat <<'NEXT'

Next, try:
  make stack-status            where the replicas are, and what they have answered
  make stack-watch             a page that shows all replicas while they work
  make stack-scale REPLICAS=6  more replicas, or fewer
  make stack-update            the sources as they are now, one replica after the other
  make stack-down              stop and remove everything
NEXT
