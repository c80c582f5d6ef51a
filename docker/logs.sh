#!/bin/sh
# Usage: logs.sh
# Follows the logs of the environment; without colours where a pipe reads them, for grep's sake.
set -eu
. "$(dirname "$0")/lib.sh"

if [ -t 1 ]; then
    exec "$root/docker/compose.sh" logs --follow
else
    exec "$root/docker/compose.sh" logs --follow --no-color
fi
