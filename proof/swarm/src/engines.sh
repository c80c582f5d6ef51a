# shellcheck shell=sh
# Usage: engines.sh FOLDER N
# A Swarm of N real engines on this machine, as long as its standard input is open: node1, the manager, to nodeN. Each
# has a network of its own, its sockets in FOLDER/node1.sock and so on. "ready" on the output says that all have joined.
# Each line on the input changes the world, and is answered with "done":
#   kill I   the machine of engine I loses its power: SIGKILL for all of it, and not a packet more
#   start I  the power is back
#   cut I    no packet reaches engine I, or leaves it
#   mend I   the end of that
# Needs root, dockerd, ip, nsenter and unshare. Learned on the way: "ip netns exec" hides the control groups from
# dockerd, nsenter does not; a bridge among the host's networks is subject to Docker's own rules for forwarding; with a
# default route each start waits 40 s for a registry that is not there; in a mount namespace of its own an engine
# leaves no mounts behind; the storage driver vfs works on every file system, and our images are small.
set -eu
unset CDPATH
export LC_ALL=C

mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
# An engine that is killed leaves files for a moment behind.
export TMPDIR="$folder"
nodes=$2
# Networks and control groups have names for the whole machine.
tag=echo$$

leave() {
    trap - EXIT
    for node in $numbers; do
        kill_engine "$node"
        ip netns del "$tag-$node" || true
    done
    ip netns del "$tag-switch" || true
    find /sys/fs/cgroup -depth -type d -path "*/$tag-*" -exec rmdir {} + 2>/dev/null || true
    rm -rf "$folder"
}

trap '' HUP INT TERM
trap leave EXIT

numbers=
number=0
while [ "$number" -lt "$nodes" ]; do
    number=$((number + 1))
    numbers="$numbers $number"
done

on() {
    node=$1
    shift
    docker --host "unix://$folder/node$node.sock" "$@"
}

# A cable from the switch to each engine's eth0.
connect() {
    ip netns add "$tag-$1"
    ip -n "$tag-switch" link add "port$1" type veth peer name eth0 netns "$tag-$1"
    ip -n "$tag-switch" link set "port$1" master switch0 up
    ip -n "$tag-$1" addr add "10.50.0.$1/24" dev eth0
    ip -n "$tag-$1" link set eth0 up
    ip -n "$tag-$1" link set lo up
}

start_engine() {
    # dockerd needs its own number in the file, and finds another's there after a loss of power.
    rm -f "$folder/node$1.pid"
    nsenter --net="/run/netns/$tag-$1" unshare --uts --mount sh -c "hostname node$1; exec dockerd \
        --config-file '$folder/engine.json' --host 'unix://$folder/node$1.sock' --pidfile '$folder/node$1.pid' \
        --data-root '$folder/node$1/data' --exec-root '$folder/node$1/exec' --storage-driver vfs \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent '$tag-$1'" </dev/null >>"$folder/node$1.log" 2>&1 &
}

# await_engine I: for at most 30 s.
await_engine() {
    tries=150
    until on "$1" info >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { tail -n 5 "$folder/node$1.log" >&2; return 1; }
        sleep 0.2
    done
}

join_all() {
    on 1 swarm init --advertise-addr 10.50.0.1 >/dev/null
    token=$(on 1 swarm join-token --quiet worker)
    for joining in $numbers; do
        [ "$joining" -eq 1 ] || on "$joining" swarm join --token "$token" --advertise-addr "10.50.0.$joining" 10.50.0.1:2377 >/dev/null
    done
}

# The engine, its containerd and its shims name their folder; a container's processes are in a control group.
processes_of() {
    grep -laF "$folder/node$1/" /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3
    find /sys/fs/cgroup -path "*/$tag-$1/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u
}

# More than once: an engine that is killed may just have started a process.
kill_engine() {
    for _ in 1 2 3; do
        # shellcheck disable=SC2046 # One word for each process.
        kill -s KILL $(processes_of "$1") 2>/dev/null || true
    done
}

link() {
    ip -n "$tag-switch" link set "port$1" "$2"
}

echo '{}' >"$folder/engine.json"
ip netns add "$tag-switch"
ip -n "$tag-switch" link add name switch0 type bridge
ip -n "$tag-switch" link set switch0 up
for each in $numbers; do
    connect "$each"
    mkdir -p "$folder/node$each"
    start_engine "$each"
done
for each in $numbers; do await_engine "$each"; done
join_all
echo ready
while read -r verb which; do
    case $verb in
        kill) link "$which" down && kill_engine "$which" ;;
        start) link "$which" up && start_engine "$which" && await_engine "$which" ;;
        cut) link "$which" down ;;
        mend) link "$which" up ;;
    esac
    echo 'done'
done
