#!/bin/sh
# Usage: stack-status.sh
# The stack: where its replicas and clients are and how they are, and how many messages all replicas have answered.
set -eu
. "$(dirname "$0")/stack.sh"

need_swarm
need_stack
