#!/bin/sh
# Usage: clean.sh
# Removes what the build makes: cargo's output, the images, and the layers they were built from.
set -eu
. "$(dirname "$0")/lib.sh"

cd "$root"
if engine_answers; then
    [ -z "$(containers --all --quiet)" ] || fail 'the environment is still there: make docker-compose-down'
    for image in echo-reactor echo-client echo-netcat; do
        ! have_image "$image" || docker image rm "$image" >/dev/null
    done
    docker image prune --force --filter label=project=echo-reactor >/dev/null
fi
rm -rf target docker/bin
say 'Clean: no build output, no image of the project'
