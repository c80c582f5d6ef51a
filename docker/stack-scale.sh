#!/bin/sh
# Usage: stack-scale.sh [REPLICAS] [CLIENTS]
# Brings the stack to that many replicas of the server and clients. An empty word leaves their number as it is.
set -eu
. "$(dirname "$0")/stack.sh"

[ -n "${1-}${2-}" ] || fail 'how many? Say it: make stack-scale REPLICAS=6 CLIENTS=20'
[ -z "${1-}" ] || check_number REPLICAS "$1" 1000
[ -z "${2-}" ] || check_number CLIENTS "$2" 1000

need_swarm
take_lock "$stack"
need_stack
since=$(engine_time)
scales=
[ -z "${1-}" ] || scales="$stack_server=$1"
[ -z "${2-}" ] || scales="$scales $stack_client=$2"
note_failures
# shellcheck disable=SC2086 # One word for each service.
quietly attend docker service scale --detach $scales || fail "the stack does not scale: $(reason)"
goes_on 'the change'
await_stack
await_departures
tell_cost "$since"
say "The stack has $replicas replicas and $clients clients"
