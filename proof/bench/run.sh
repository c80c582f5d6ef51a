#!/bin/sh
# Builds what is measured, then measures. Where that is allowed, the servers get a loopback network for
# themselves, without a firewall or connection tracking. A Docker host tracks every connection, which
# costs time on each, and its table is full after a few hundred thousand.
#
#   run.sh [OPTION]...        options of echo-bench; --help shows them
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"

target=${CARGO_TARGET_DIR:-target}
# One after the other: together, they would share the features of their dependencies.
cargo build --release --quiet -p echo-reactor
cargo build --release --quiet -p echo-bench
make -s -C proof/bench/peers OUT="$(mkdir -p "$target/bench" && cd "$target/bench" && pwd)"
set -- "$target/release/echo-bench" \
    --reactor "$target/release/echo-reactor" --peers "$target/bench" "$@"

own_network='unshare --net'
[ "$(id -u)" -eq 0 ] || own_network='unshare --map-root-user --net'
if $own_network ip link set lo up 2>/dev/null; then
    # shellcheck disable=SC2016 # The inner shell expands it.
    exec $own_network sh -c 'ip link set lo up && exec "$@"' sh "$@"
fi
echo 'bench: no network namespace can be made here (util-linux, iproute2); using the host'"'"'s loopback' >&2
exec "$@"
