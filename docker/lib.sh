# shellcheck shell=sh disable=SC2034
# What the scripts in this folder share. Sourced, never run: . "$(dirname "$0")/lib.sh"
#
# Three variables, all optional, let a second environment live beside the first:
#   ECHO_PREFIX  goes before the project's name and the name of each container (default: nothing)
#   ECHO_SUBNET  the network's subnet (default: what docker/generate-compose.sh finds large enough)
#   ECHO_CONFIG  the configuration file that is mounted (default: config.yaml at the root)

root=$(cd "$(dirname "$0")/.." && pwd)
project=${ECHO_PREFIX-}echo-reactor
network=${project}_testing_net
server=${ECHO_PREFIX-}server
dev_file=$root/docker/docker-compose-dev.yaml
# Exists only while the environment has another number of clients than the committed file.
scaled_file=$root/docker/docker-compose-${ECHO_PREFIX-}scaled.yaml

say() {
    printf '%s\n' "$*"
}

# One line that says what is wrong and what to do about it.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# bounded SECONDS COMMAND...
bounded() {
    if ! have timeout; then
        # macOS has no timeout(1), but it has perl.
        perl -e 'alarm shift; exec @ARGV or exit 127' "$@"
    elif timeout --foreground 1 true 2>/dev/null; then
        # Without this, GNU timeout leaves the process group, and Ctrl-C does not reach the command.
        timeout --foreground "$@"
    else
        timeout "$@"
    fi
}

# wait_until SECONDS COMMAND...: tries the command five times a second until it succeeds.
wait_until() {
    tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
}

engine_answers() {
    have docker && bounded 20 docker info >/dev/null 2>&1
}

need_engine() {
    have docker ||
        fail 'Docker is not installed: install Docker Engine, or see the same job without it: make demo'
    complaint=$(bounded 20 docker info 2>&1 >/dev/null) && return
    case $complaint in
        *'permission denied'*)
            fail 'Docker refuses this user: join the group "docker" or use sudo; without Docker: make demo' ;;
        *)
            fail 'no Docker engine answers: (re)start it, e.g. sudo systemctl restart docker; without it: make demo' ;;
    esac
}

need_cargo() {
    have cargo || fail "cargo is not installed: install Rust 1.88 or later (https://rustup.rs)${1-}"
}

network_exists() {
    docker network inspect "$network" >/dev/null 2>&1
}

# The subnet of the network as it is now; nothing if there is none.
present_subnet() {
    docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$network" 2>/dev/null || true
}

need_config() {
    config=${ECHO_CONFIG:-$root/config.yaml}
    # Docker would make a directory of that name and mount it.
    [ -f "$config" ] || fail "there is no file $config: restore it, or name another in ECHO_CONFIG"
}

have_image() {
    docker image inspect "$1" >/dev/null 2>&1
}

# pull_image IMAGE: PULL_TIMEOUT=0 skips the attempt, where it is known to be in vain.
pull_image() {
    [ "${PULL_TIMEOUT:-300}" -gt 0 ] || return 1
    say "Pulling $1, for at most ${PULL_TIMEOUT:-300} s"
    bounded "${PULL_TIMEOUT:-300}" docker pull --quiet "$1" >/dev/null 2>&1
}

# containers ARGUMENT...: the project's running containers, as docker ps lists them; -a for all.
containers() {
    docker ps --filter "label=com.docker.compose.project=$project" "$@"
}

# Containers are started and stopped one after the other, by the engine itself: engine 20.10 can lock
# up for good, or never let go of the network, when many join or leave it at the same moment.
start_one_by_one() {
    xargs -r docker start >/dev/null
}

stop_one_by_one() {
    xargs -r -n 1 docker stop -t 1 >/dev/null
}

compose() {
    "$root/docker/compose.sh" "$@"
}

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
    quiet_output=$("$@" 2>&1) && return
    printf '%s\n' "$quiet_output" >&2
    return 1
}
