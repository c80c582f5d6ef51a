# shellcheck shell=sh disable=SC2034,SC2154
# What only Docker engines before 23 (2023) and docker-compose 1 need: to be deleted with the lines in engine.sh that
# source it, once nobody has them. Sourced after the functions that it replaces.

# Containers start and stop one after the other, by the engine itself: engine 20.10 can lock up for good, or never let
# go of the network, when many join or leave it at the same moment. docker-compose 1.29 stalls when it is given some
# 200 services at once, and cannot replace a container on a newer engine.
services_at_once=20

start_services() {
    # An "up --no-start" that is ended stops all services with docker-compose 1, also those that ran before. Nothing runs
    # yet where the network is missing, which "create" does not make.
    if network_exists; then
        quietly compose create --no-build --no-recreate "$@"
    else
        quietly compose up --no-build --no-start --no-recreate "$@"
    fi || return 1
    for service in "$@"; do
        quietly attend docker start "$ECHO_PREFIX$service" || return 1
    done
}

stop_containers() {
    for container in $1; do
        docker stop "$container" >/dev/null 2>&1 || true
    done
}
