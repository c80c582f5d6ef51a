#!/bin/sh
# Usage: up.sh
# Builds the images and starts the environment of docker-compose-dev.yaml: the server, two clients.
set -eu
. "$(dirname "$0")/environment.sh"

define 2
prepare
check_config echo-reactor echo-client
choose_subnet
# Always afresh, so that the whole configuration takes effect.
[ -z "$(surveyed 1)" ] || take_down
bring_up
cat <<NEXT

Next, try:
  make watch                   the server's turns on a page, while they happen
  make docker-compose-logs     what they say; Ctrl-C ends the reading only
  make netcat-test             a message from netcat must come back unaltered
  make scale CLIENTS=20        more clients, or fewer
  make docker-compose-down     stop and remove everything

See the server at work; Ctrl-C ends the looking only:
  docker exec -it $server /echo-reactor --watch
NEXT
