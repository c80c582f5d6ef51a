#!/bin/sh
# Usage: stack-update.sh [IMAGE]
# Builds the server from the sources as they are now and rolls it out, one replica after the other, with the
# configuration as it is now; or rolls out IMAGE. The clients go on. Exit code 1 if Swarm had to roll it back.
set -eu
. "$(dirname "$0")/stack.sh"

# use_image: what is rolled out.
use_image() {
    if [ -n "${1-}" ]; then
        image=$1
        need_images
    else
        need_stack_images
        image=$ECHO_SERVER_IMAGE
    fi
}

# The options that exchange the configuration, if it has changed.
exchange_config() {
    present=$(docker service inspect --format '{{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}}{{end}}' "$stack_server")
    [ "$present" != "$ECHO_CONFIG_NAME" ] || return 0
    docker config inspect "$ECHO_CONFIG_NAME" >/dev/null 2>&1 ||
        quietly docker config create --label "com.docker.stack.namespace=$stack" "$ECHO_CONFIG_NAME" "$ECHO_CONFIG" ||
        fail "the configuration was not stored: $(reason)"
    say "--config-rm $present --config-add source=$ECHO_CONFIG_NAME,target=/config.yaml"
}

update_state() {
    docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}} {{.UpdateStatus.Message}}{{end}}' "$stack_server"
}

# How many replicas are of the version that is rolled out.
renewed_replicas() {
    running_replicas >/dev/null
    awk -F "$tab" '$4 == "Running" && $5 ~ /^Running/ { print $1 }' "$scratch/tasks" |
        xargs docker inspect --format '{{.Spec.ForceUpdate}}' 2>/dev/null | grep -c "^$version\$" || true
}

# Until the update is done, or has been taken back.
await_update() {
    version=$(docker service inspect --format '{{.Spec.TaskTemplate.ForceUpdate}}' "$stack_server")
    told=
    why=
    while :; do
        state=$(update_state)
        case $state in
            completed*) return ;;
            rollback_started*) why=${why:-$(reason_of "${state#* }")} ;;
            rollback_completed* | rollback_paused* | paused*) break ;;
        esac
        tell_progress "${state%% *}"
        refuse_missing_images
        sleep 1
    done
    tell_cost "$since"
    fail "the update was taken back: ${why:-$(reason_of "${state#* }")}; $(running_replicas) replicas run, as before (Swarm says: ${state%% *})"
}

tell_progress() {
    case $1 in
        rollback*) line='  Swarm rolls the update back' ;;
        *) line="  $(renewed_replicas) of $(wanted "$stack_server") replicas are new" ;;
    esac
    [ "$line" = "$told" ] || say "$line"
    told=$line
}

# reason_of MESSAGE: Swarm names the task that failed; the task says why.
reason_of() {
    task=$(say "$1" | sed -n 's/.* task \([a-z0-9]*\).*/\1/p')
    [ -z "$task" ] || docker inspect --format '{{.Status.Err}}' "$task" 2>/dev/null | grep . || say "${1:-it does not say why}"
}

need_swarm
take_lock "$stack"
need_stack
use_image "${1-}"
check_stack_config
since=$(engine_time)
say "Rolling out $image"
note_failures
# shellcheck disable=SC2046 # Options.
quietly attend docker service update --detach --force --image "$image" --stop-grace-period "$ECHO_STOP_GRACE" \
    $(exchange_config) $(resolve_images '--no-resolve-image') "$stack_server" ||
    fail "the update was refused: $(reason)"
goes_on 'the update'
await_update
tell_cost "$since"
say "All $(wanted "$stack_server") replicas are new"
