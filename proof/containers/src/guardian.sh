# shellcheck shell=sh
# Usage: sh -c GUARDIAN guardian PREFIX FILE...
# Removes the containers, networks and images of a run of the tests, and the files, when its standard input
# ends: the tests are done, or they were killed. Each line before that is the process group of the
# script that is at work now; 0 is none.
trap '' HUP INT TERM
prefix=$1
shift
group=0
while read -r line; do group=$line; done

# try SECONDS COMMAND...: five times a second, until the command succeeds.
try() {
    tries=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
}

script_has_ended() {
    ! kill -s 0 -- "-$group"
}

# It would make more. It has some time to take away what it alone knows of.
if [ "$group" -ne 0 ] && kill -s TERM -- "-$group" 2>/dev/null; then
    try 20 script_has_ended || kill -s KILL -- "-$group"
fi
# One by one: engine 20.10 can lock up when many leave at once.
for container in $(docker ps --all --quiet --filter "name=^$prefix"); do
    docker rm --force "$container" >/dev/null
done
# Right after its last container, an engine may call a network busy.
for network in $(docker network ls --quiet --filter "name=^$prefix"); do
    try 10 docker network rm "$network" || echo "error: the network $network stays" >&2
done
for program in echo-reactor echo-client echo-scope echo-first-solution; do
    docker image rm "$program:${prefix}latest" >/dev/null 2>&1 || true
done
rm -rf "$@"
