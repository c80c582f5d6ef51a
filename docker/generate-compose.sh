#!/bin/sh
# Usage: generate-compose.sh OUTPUT N
# Writes a compose definition with the server and N clients, client1 to clientN; N is 0 to 900.
# docker-compose-dev.yaml is its output for N = 2; "make test" compares the two.
set -eu

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
# The images are built by "make docker-image"; ECHO_* are explained in docker/lib.sh.

x-program: &program
  volumes:
    - \${ECHO_CONFIG:-$config}:/config.yaml:ro
  networks:
    - testing_net
  read_only: true
  cap_drop:
    - ALL
  security_opt:
    - no-new-privileges:true
  pids_limit: 16
  # Longer than the server's drain_timeout: it is never killed while it drains.
  stop_grace_period: 3s
  logging:
    driver: json-file
    options:
      max-size: 10m
      max-file: "3"

services:
  server:
    <<: *program
    container_name: \${ECHO_PREFIX:-}server
    image: echo-reactor:latest
    mem_limit: 256m
    ulimits:
      # One descriptor a connection; connections_max is 1000 by default.
      nofile:
        soft: 16384
        hard: 16384
YAML
}

client() {
    cat <<YAML

  client$1:
    <<: *program
    container_name: \${ECHO_PREFIX:-}client$1
    image: echo-client:latest
    mem_limit: 32m
    environment:
      - CLI_ID=$1
    depends_on:
      - server
YAML
}

network() {
    cat <<YAML

networks:
  testing_net:
    ipam:
      driver: default
      config:
        - subnet: \${ECHO_SUBNET:-$1}
YAML
}

definition() {
    server
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

[ $# -eq 2 ] || fail "usage: generate-compose.sh OUTPUT N (N: 0 to $clients_max clients)"
output=$1
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
here=$(cd "$(dirname "$0")" && pwd)
config=../config.yaml
[ "$(cd "$(dirname "$output")" && pwd)" = "$here" ] || config=$(dirname "$here")/config.yaml

# A reader never sees half a file, and a failed write leaves the old one.
unfinished=$output.$$
trap 'rm -f "$unfinished"' EXIT
definition >"$unfinished" || fail "cannot write $unfinished"
mv "$unfinished" "$output"
