#!/bin/sh
# Usage: build-images.sh
# Builds echo-reactor:latest, echo-client:latest and echo-scope:latest: in Docker where the builder image is present
# or can be pulled, else around programs that the host's cargo builds.
# PULL_TIMEOUT=SECONDS bounds the pull; 0 skips it.
set -eu
. "$(dirname "$0")/environment.sh"

need_engine
build_images
