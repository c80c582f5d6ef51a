#!/bin/sh
# Usage: compose.sh ARGUMENT...
# Docker Compose on this project, whichever of its two command names is installed.
set -eu
. "$(dirname "$0")/environment.sh"

need_engine
compose "$@"
