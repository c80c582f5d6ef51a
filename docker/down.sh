#!/bin/sh
# Usage: down.sh
# Stops the environment, however many clients it has, and removes its containers and its network.
set -eu
. "$(dirname "$0")/environment.sh"

need_engine
take_lock "$project"
survey
# What is down here may be up elsewhere; who asks for its end should know.
[ -s "$scratch/containers" ] || ! grep -q / "$scratch/owners" || refuse_foreign_containers
take_down
survey
left=$(surveyed 1 1)
[ -z "$left" ] || fail "the engine does not remove $(say "$left" | tr '\n' ' '): $(reason)"
say "Nothing of the project $project is running"
