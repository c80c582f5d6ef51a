#!/bin/sh
# Usage: scale.sh N
# Brings the environment to the server and exactly N clients, up or down; N is 0 to 900.
# What runs already keeps running, unless N needs a larger network or the sources have changed.
set -eu
. "$(dirname "$0")/environment.sh"

[ -n "${1-}" ] || fail 'how many clients? Say it: make scale CLIENTS=20'
define "$1"
prepare
check_config echo-reactor echo-client
bring_up
ended=$(surveyed '$3 == "exited"')
[ -z "$ended" ] || say "$(count "$ended") of them have ended since: loop_lapse in config.yaml says when"
