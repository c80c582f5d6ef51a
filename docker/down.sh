#!/bin/sh
# Usage: down.sh
# Stops the environment, however many clients it has, and removes its containers and its network.
set -eu
. "$(dirname "$0")/lib.sh"

# The clients first: so none of them misses its server.
stop() {
    containers --format '{{.Names}}' | grep -vx "$server" | stop_one_by_one
    containers --quiet | stop_one_by_one
}

# How they ended: 0 is what SIGTERM must lead to, 137 is a kill.
report_exit_codes() {
    containers --all --quiet | xargs docker inspect --format '{{.State.ExitCode}}' | sort -n | uniq -c |
        while read -r number code; do
            say "  exit code $code: $number"
        done
}

# After Compose the engine is asked: the present compose file need not name all that is there.
remove() {
    compose down --remove-orphans >/dev/null 2>&1 || true
    containers --all --quiet | xargs -r docker rm --force >/dev/null
}

# Right after its last container, an engine may call a network busy; old ones miscount and go on so.
remove_network() {
    ! network_exists || docker network rm "$network" >/dev/null 2>&1
}

need_engine
number=$(containers --all --quiet | wc -l)
if [ "$number" -gt 0 ]; then
    say "Stopping $((number)) containers"
    stop
    report_exit_codes
    remove
fi
wait_until 5 remove_network ||
    say "The engine holds on to the network $network: harmless, the next start takes it over"
rm -f "$scaled_file"
say "Nothing of the project $project is running"
