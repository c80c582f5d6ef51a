#!/bin/sh
# Usage: watch.sh
# Starts the page of the live view beside the environment that is up, and prints its address. The page shows what the
# server's status port tells. It is published on 127.0.0.1, at ECHO_PAGE_PORT, else at the first free port from 8080 on.
set -eu
. "$(dirname "$0")/environment.sh"

page_runs() {
    [ -n "$(surveyed '$1 == scope && $3 == "running" && $5 == sources')" ]
}

remove_page() {
    survey
    stop_and_remove "$(surveyed '$1 == scope')"
}

start_page() {
    # Compose refuses a network that differs from its definition.
    ECHO_SUBNET=$(present_subnet)
    export ECHO_SUBNET ECHO_PAGE_PORT
    for ECHO_PAGE_PORT in ${ECHO_PAGE_PORT:-8080 8081 8082 8083 8084 8085 8086 8087 8088 8089}; do
        ! start_services scope || return 0
        case $(reason) in
            *'already allocated'* | *'already in use'* | *'address in use'*) remove_page ;;
            *) fail "the page cannot be started: $(reason)" ;;
        esac
    done
    fail "port $ECHO_PAGE_PORT of 127.0.0.1 is taken: name a free one, such as ECHO_PAGE_PORT=9000"
}

# By its log, in either form.
page_tells() {
    docker logs "$scope" 2>&1 | grep -q -e "$1" -e "\"event\":\"$2\""
}

page_serves_or_has_ended() {
    page_tells 'The page is on' serving || ! runs "$scope"
}

page_has_a_server() {
    page_tells Watching watching
}

# Where the log may not tell, the page has to last.
await_page() {
    case $log_level in
        info | debug | trace)
            wait_until 10 page_serves_or_has_ended || true
            ! runs "$scope" || wait_until 5 page_has_a_server ||
                say "The page has not reached the server yet: $(last_words "$scope")"
            ;;
        *) wait_until 10 all_have_settled || true ;;
    esac
    survey
    surveyed '$1 == scope && $3 != "running"' 0 | complain || exit 1
}

claim
[ -n "$(surveyed '$1 == server && $3 == "running"')" ] || fail 'no server is up whose turns could be shown: make docker-compose-up'
need_config
need_images
check_config echo-scope
if ! page_runs; then
    remove_page
    remember
    start_page
    await_page
    undo=
fi
say "The page is on http://$(docker port "$scope" 8080)/ and the numbers for Prometheus on /metrics"
say 'It goes on when the server restarts; make docker-compose-down ends both'
