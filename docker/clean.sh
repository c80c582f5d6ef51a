#!/bin/sh
# Usage: clean.sh
# Removes what the build makes: cargo's output, the images, the layers they were built from, and the packages that the
# builder's image has downloaded.
set -eu
. "$(dirname "$0")/environment.sh"

# Those of a stack have what they were made from in their tag, and may have the name of a registry before it.
stack_images() {
    docker image ls --filter "label=$sources_label" --format '{{.Repository}}:{{.Tag}}' |
        grep -E "(^|/)echo-(reactor|client):${ECHO_PREFIX}[0-9]+-[0-9]+\$" || true
}

if engine_answers; then
    take_lock "$project"
    refuse_foreign
    [ -z "$(surveyed 1)" ] || fail 'the environment is still there: make docker-compose-down'
    for image in $(image_of echo-reactor) $(image_of echo-client) $(image_of echo-scope) $(image_of echo-first-solution) echo-netcat:latest $(stack_images); do
        ! have_image "$image" || docker image rm "$image" >/dev/null
    done
    docker image prune --force --filter label=project=echo-reactor >/dev/null
    docker volume rm --force "$cargo_cache" >/dev/null
fi
rm -rf "$root/target"
say 'Clean: no build output, no image of the project'
