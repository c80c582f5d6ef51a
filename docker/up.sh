#!/bin/sh
# Usage: up.sh
# Builds the images and starts the environment of docker-compose-dev.yaml: the server, two clients.
set -eu
. "$(dirname "$0")/lib.sh"

"$root/docker/build-images.sh"
# Always afresh: docker-compose 1.29.2 cannot replace a container on a newer engine.
[ -z "$(containers --all --quiet)" ] || "$root/docker/down.sh"
"$root/docker/scale.sh" 2
cat <<'NEXT'

Next, try:
  make docker-compose-logs     what they say; Ctrl-C ends the reading only
  make netcat-test             a message from netcat must come back unaltered
  make scale CLIENTS=20        more clients, or fewer
  make docker-compose-down     stop and remove everything
NEXT
