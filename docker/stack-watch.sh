#!/bin/sh
# Usage: stack-watch.sh
# Starts the page of the live view beside the stack, with all replicas as its rows, and prints its address. It is no service
# of the stack: a port that Swarm publishes listens on every address. This one is on 127.0.0.1 of this engine's machine, at
# ECHO_PAGE_PORT, else at the first free port from 8080 on.
set -eu
. "$(dirname "$0")/stack.sh"

start_page() {
    for port in ${ECHO_PAGE_PORT:-8080 8081 8082 8083 8084 8085 8086 8087 8088 8089}; do
        docker rm --force "$stack_page" >/dev/null 2>&1 || true
        ! quietly attend docker run --detach --name "$stack_page" --read-only --cap-drop ALL --network "$stack_network" \
            --publish "127.0.0.1:$port:8080" "$(image_of echo-scope)" --listen 0.0.0.0:8080 --servers "$all_replicas" || return 0
        case $(reason) in
            *'already allocated'* | *'already in use'* | *'address in use'*) ;;
            *) fail "the page cannot be started: $(reason)" ;;
        esac
    done
    fail "port $port of 127.0.0.1 is taken: name a free one, such as ECHO_PAGE_PORT=9000"
}

page_serves() {
    docker logs "$stack_page" 2>&1 | grep -q -e 'The page is on' -e '"event":"serving"'
}

need_swarm
take_lock "$stack"
need_stack
need_images
start_page
wait_until 10 page_serves || fail "the page does not serve: $(last_words "$stack_page")"
say "The page is on http://$(docker port "$stack_page" 8080)/ and the numbers for Prometheus on /metrics"
say 'Watch an update roll: make stack-update; make stack-down ends the page too'
