# shellcheck shell=sh disable=SC2034,SC2154
# The Docker engine and Compose, whichever are installed: what they are, why they do not answer, what to do about it.
# Sourced by environment.sh.

in_wsl() {
    case $(uname -r) in
        *[Mm]icrosoft*) true ;;
        *) false ;;
    esac
}

# The programs themselves need Linux; no advice leads elsewhere.
or_without_docker() {
    ! on_linux || printf '; without Docker: make demo'
}

how_to_install() {
    if in_wsl; then
        say 'install Docker Desktop for Windows, or Docker Engine in this distribution (https://docs.docker.com/engine/install)'
    elif on_linux; then
        say 'install Docker Engine (https://docs.docker.com/engine/install)'
    else
        say 'install Docker Desktop (https://docs.docker.com/desktop)'
    fi
}

how_to_start() {
    if [ -n "${DOCKER_HOST-}" ]; then
        say "DOCKER_HOST=$DOCKER_HOST names the engine: is it the right one, and running?"
    elif in_wsl; then
        say 'start Docker Desktop and switch on its WSL integration for this distribution, or: sudo service docker start'
    elif ! on_linux; then
        say 'start Docker Desktop, or whatever runs the engine here'
    elif have systemctl; then
        say '(re)start it: sudo systemctl restart docker'
    else
        say '(re)start it: sudo service docker restart'
    fi
}

# advice REASON: what to do where the engine, or the way to it, says this.
advice() {
    case $1 in
        *'permission denied'*)
            if on_linux; then
                say 'join the group "docker" (sudo usermod -aG docker USER, then log in again) or use sudo'
            else
                say 'is Docker Desktop running as this user?'
            fi
            ;;
        *WSL*) say 'switch on the WSL integration for this distribution in the settings of Docker Desktop' ;;
        *'context "'* | *'context not found'*)
            if [ -n "${DOCKER_CONTEXT-}" ]; then
                say 'docker context ls shows those there are; unset DOCKER_CONTEXT, or let it name one of them'
            else
                say 'docker context ls shows those there are; docker context use default'
            fi
            ;;
        *x509* | *.pem* | *certificate* | *[Tt][Ll][Ss]* | *HTTPS*) say 'see DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH' ;;
        *'API version'* | *'client version'*) say 'unset DOCKER_API_VERSION, or update Docker' ;;
        *'no space left'*) say 'the disk of the engine is full: docker system df shows with what' ;;
        *) how_to_start ;;
    esac
}

need_engine() {
    need_docker
    need_compose
    if engine_is_old "$api"; then
        . "$(dirname "$0")/old-engines.sh"
    fi
}

# The engine alone, which leaves its version in $api.
need_docker() {
    have docker || fail "Docker is not installed: $(how_to_install)$(or_without_docker)"
    if ! bounded 20 docker version --format '{{.Server.APIVersion}} {{.Server.Os}} {{range .Server.Components}}{{.Name}} {{end}}' \
        >"$scratch/engine" 2>"$scratch/output"; then
        # Docker Desktop's stand-in for a command that is switched off complains on its output.
        [ -s "$scratch/output" ] || cp "$scratch/engine" "$scratch/output"
        [ -s "$scratch/output" ] || say 'no answer within 20 s' >"$scratch/output"
        fail "no Docker engine answers: $(reason); $(advice "$(reason)")$(or_without_docker)"
    fi
    read -r api os components <"$scratch/engine" ||
        fail "no Docker engine answers: docker does not say which; $(how_to_start)"
    [ "$os" = linux ] || fail "this Docker engine runs $os containers: switch it to Linux containers"
    # Podman answers as Docker does, and builds images, but not with BuildKit.
    case $components in
        Podman*) export DOCKER_BUILDKIT=0 ;;
    esac
}

engine_answers() {
    have docker && bounded 20 docker version >/dev/null 2>&1
}

need_compose() {
    if docker compose version >/dev/null 2>&1; then
        compose_command='docker compose'
    elif have docker-compose; then
        compose_command=docker-compose
    else
        fail 'Docker Compose is not installed: install the package docker-compose-plugin (or docker-compose)'
    fi
}

# Before engine 23, API 1.42, or with the Compose that was written in Python.
engine_is_old() {
    case $1 in
        1.[0-9] | 1.[0-3][0-9] | 1.4[01]) return 0 ;;
    esac
    [ "$compose_command" = docker-compose ] && docker-compose version --short | grep -q '^v*1\.'
}

have_image() {
    docker image inspect "$1" >/dev/null 2>&1
}

# pull_image IMAGE: PULL_TIMEOUT=0 skips the attempt, where it is known to be in vain.
pull_image() {
    if [ "${PULL_TIMEOUT:-300}" -eq 0 ]; then
        say 'PULL_TIMEOUT is 0' >"$scratch/output"
        return 1
    fi
    say "Pulling $1, for at most ${PULL_TIMEOUT:-300} s"
    if [ -t 1 ]; then
        bounded "${PULL_TIMEOUT:-300}" docker pull "$1" 2>"$scratch/output"
    else
        bounded "${PULL_TIMEOUT:-300}" docker pull --quiet "$1" >/dev/null 2>"$scratch/output"
    fi
}

# how_to_pull IMAGE: what helps after pull_image has failed.
how_to_pull() {
    case $(reason) in
        *toomanyrequests* | *'rate limit'*) how='wait, or log in (docker login)' ;;
        *'no space left'*) how='make room on the disk of the engine (docker system df shows what fills it)' ;;
        *) how='connect this machine' ;;
    esac
    say "$how, then: docker pull $1"
}
