#!/bin/sh
# Usage: compose.sh ARGUMENT...
# Docker Compose on this project, whichever of its two command names is installed.
set -eu
. "$(dirname "$0")/lib.sh"

need_engine
file=$dev_file
[ ! -f "$scaled_file" ] || file=$scaled_file

# Compose refuses a network that differs from its file; scale.sh may have kept a larger one.
present=$(present_subnet)
[ -z "$present" ] || export ECHO_SUBNET="$present"

set -- --project-name "$project" --file "$file" "$@"
if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
elif have docker-compose; then
    exec docker-compose "$@"
else
    fail 'Docker Compose is not installed: install the package docker-compose-plugin (or docker-compose)'
fi
