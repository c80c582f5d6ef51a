#!/bin/sh
# Usage: generate-compose.sh OUTPUT N
# Writes a compose definition with the server and N clients, client1 to clientN; N is 0 to 900.
# docker-compose-dev.yaml is its output for N = 2; "make test" compares the two.
set -eu
unset CDPATH

clients_max=900
# A /24 has 254 addresses: the gateway, the server and a netcat need some of them.
clients_max_in_24=250

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

server() {
    cat <<YAML
# Written by docker/generate-compose.sh: change it there.
# "make docker-image" builds the images, as does: docker compose -f docker/docker-compose-dev.yaml up --build
# ECHO_* are explained in docker/environment.sh.

x-program: &program
  volumes:
    # In the long form, because the short one takes no path with a colon.
    - type: bind
      source: "\${ECHO_CONFIG:-$config}"
      target: /config.yaml
      read_only: true
  networks:
    - testing_net
  read_only: true
  cap_drop:
    - ALL
  security_opt:
    - no-new-privileges:true
  pids_limit: 16
  # No limit on the processor: a limited server stalls for the rest of each 100 ms, which looks like a fault of its own.
  # No restart: who experiments with a server that ends wants to see it end, and a client is meant to.
  restart: "no"
  # Longer than the server's drain_delay and drain_timeout: it is never killed on its way out. The scripts take it from
  # the configuration, where "echo-reactor --check" prints it.
  stop_grace_period: \${ECHO_STOP_GRACE:-3s}
  logging:
    driver: json-file
    options:
      max-size: 10m
      max-file: "3"

services:
  server:
    <<: *program
    container_name: \${ECHO_PREFIX:-}server
    image: echo-reactor:\${ECHO_PREFIX:-}latest
    build:
      context: "$context"
      dockerfile: docker/Dockerfile
      target: echo-reactor
    environment:
      # How the server is, for whoever is in its network; nothing is published. It wins over config.yaml.
      - SERVER_STATUS=0.0.0.0:12346
    healthcheck:
      test: ["CMD", "/echo-reactor", "--health"]
      interval: 10s
      timeout: 3s
      retries: 2
    mem_limit: 256m
    ulimits:
      # One descriptor a connection; connections_max is 1000 by default.
      nofile:
        soft: 16384
        hard: 16384
YAML
}

scope() {
    cat <<YAML

  # Not started with the others: by "make watch", or with --profile watch. It alone publishes a port, and on this
  # machine only.
  scope:
    <<: *program
    profiles:
      - watch
    container_name: \${ECHO_PREFIX:-}scope
    image: echo-scope:\${ECHO_PREFIX:-}latest
    build:
      context: "$context"
      dockerfile: docker/Dockerfile
      target: echo-scope
    mem_limit: 64m
    # A thread for each server and for each browser's connection, with a limit to both.
    pids_limit: 256
    environment:
      - SCOPE_LISTEN=0.0.0.0:8080
    ports:
      - "127.0.0.1:\${ECHO_PAGE_PORT:-8080}:8080"
YAML
}

# By the shell's own printf: it is called 900 times.
client() {
    printf '%s\n' '' \
        "  client$1:" \
        '    <<: *program' \
        "    container_name: \${ECHO_PREFIX:-}client$1" \
        '    image: echo-client:${ECHO_PREFIX:-}latest'
    # The first client's definition builds the image of all.
    [ "$1" -ne 1 ] || printf '%s\n' \
        '    build:' \
        "      context: \"$context\"" \
        '      dockerfile: docker/Dockerfile' \
        '      target: echo-client'
    printf '%s\n' \
        '    mem_limit: 32m' \
        '    environment:' \
        "      - CLI_ID=$1" \
        '    depends_on:' \
        '      - server'
}

network() {
    cat <<YAML

networks:
  testing_net:
    # By this name "make netcat-test" finds it, whoever has started the environment.
    name: \${ECHO_PREFIX:-}echo-reactor_testing_net
    ipam:
      driver: default
      config:
        - subnet: \${ECHO_SUBNET:-$1}
YAML
}

definition() {
    server
    scope
    id=1
    while [ "$id" -le "$clients" ]; do
        client "$id"
        id=$((id + 1))
    done
    if [ "$clients" -le "$clients_max_in_24" ]; then
        network 172.24.125.0/24
    else
        network 172.24.124.0/22
    fi
}

{ [ $# -eq 2 ] && [ -n "$1" ]; } || fail "usage: generate-compose.sh OUTPUT N (N: 0 to $clients_max clients)"
case $1 in
    -*) output=./$1 ;;
    *) output=$1 ;;
esac
clients=$2
case $clients in
    '' | *[!0-9]* | ????*) fail "\"$clients\" is not a number of clients: use 0 to $clients_max" ;;
esac
# In arithmetic a leading zero means octal.
while [ "$clients" != "${clients#0?}" ]; do clients=${clients#0}; done
[ "$clients" -le "$clients_max" ] || fail "$clients clients are too many: use 0 to $clients_max"
[ ! -d "$output" ] || fail "$output is a directory: name a file in it"
[ -d "$(dirname "$output")" ] || fail "$(dirname "$output") is not a directory: choose another output file"

# The committed file must serve in every checkout, any other from wherever it is.
here=$(cd "$(dirname "$0")" && pwd -P)
context=..
[ "$(cd "$(dirname "$output")" && pwd -P)" = "$here" ] || context=$(dirname "$here")
config=$context/config.yaml
case $context in
    *['"\$}']*) fail "no compose definition elsewhere can name $context: keep it in $here" ;;
esac

if [ ! -L "$output" ] && { [ -f "$output" ] || [ ! -e "$output" ]; }; then
    # A reader never sees half a file, and a failed write leaves the old one.
    unfinished=$output.$$
    trap 'rm -f "$unfinished"' EXIT
    definition | cat >"$unfinished" || fail "cannot write $unfinished"
    mv "$unfinished" "$output" || fail "cannot write $output"
else
    # A device, a pipe, a symbolic link: written through, never replaced.
    definition | cat >"$output" || fail "cannot write $output"
fi
