# shellcheck shell=sh disable=SC2034
# What every script in this folder needs: words, bounds, locks, and an end in good order. Plain POSIX, because
# BusyBox and macOS have no more. Sourced, never run: . "$(dirname "$0")/lib.sh"

# Exported, they would change what the scripts read and print.
unset CDPATH
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd -P)
scratch=
child=
# A process that goes on while the script does something else.
beside=
lock=

say() {
    # Where nobody reads any more there is nothing left to do. 141 is what a closed pipe leads to.
    printf '%s\n' "$*" 2>/dev/null || exit 141
}

# One line that says what is wrong and what to do about it.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# skip WHAT: a test that cannot run here, for test.sh to count.
skip() {
    [ -z "${STRICT-}" ] || fail "$*, and STRICT is set"
    say "skipped: $*"
    [ -z "${ECHO_SKIPPED-}" ] || say "$*" >>"$ECHO_SKIPPED"
}

# number COUNT NOUN: "1 client", "2 clients".
number() {
    if [ "$1" -eq 1 ]; then say "1 $2"; else say "$1 ${2}s"; fi
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Takes away what a script has made. Called once, however the script ends, with its exit code; a script that makes
# something defines its own.
clean_up() { :; }

leave() {
    code=$?
    trap - EXIT
    trap '' HUP INT PIPE TERM
    cut_short=$child$beside
    [ -z "$child" ] || end_child
    [ -z "$beside" ] || end_tree "$beside"
    clean_up "$code"
    [ -z "$lock" ] || rm -rf "$lock"
    [ -z "$scratch" ] || rm -rf "$scratch"
    exit "$code"
}

# end_with CODE: a second signal must not end what the first one has begun.
end_with() {
    trap '' HUP INT PIPE TERM
    exit "$1"
}

trap leave EXIT
trap 'end_with 129' HUP
trap 'end_with 130' INT
trap 'end_with 141' PIPE
trap 'end_with 143' TERM

make_scratch() {
    place=${TMPDIR:-/tmp}
    scratch=$(mktemp -d 2>/dev/null) || fail "no temporary folder can be made in $place: set TMPDIR to another place"
    # Later, an error of this disk would pass for one of the engine.
    head -c 65536 /dev/zero 2>/dev/null >"$scratch/room" || fail "no room in $place: make some, or set TMPDIR to another place"
    rm -f "$scratch/room"
}

# Compose's labels and our lists have a line for each path.
refuse_control_characters() {
    case $root in
        *[[:cntrl:]]*) fail 'the path of this checkout has a line break or another control character in it: rename the folder' ;;
    esac
}

make_scratch
refuse_control_characters

# attend COMMAND...: runs it so that a signal to this script ends it at once.
attend() {
    # In the background a shell would give it no input.
    { "$@" <&3 3<&- & } 3<&0
    child=$!
    await_child
}

# beside COMMAND...: the same, while this script goes on; join waits for its end.
beside() {
    { "$@" <&3 3<&- & } 3<&0
    beside=$!
}

join() {
    status=0
    wait "$beside" 2>/dev/null || status=$?
    beside=
    return "$status"
}

# bounded SECONDS COMMAND...
bounded() {
    bound=$1
    shift
    { "$@" <&3 3<&- & } 3<&0
    child=$!
    end_after "$bound" "$child" </dev/null >/dev/null 2>&1 &
    watchdog=$!
    result=0
    await_child || result=$?
    kill "$watchdog" 2>/dev/null || true
    wait "$watchdog" 2>/dev/null || true
    return "$result"
}

await_child() {
    status=0
    wait "$child" 2>/dev/null || status=$?
    child=
    return "$status"
}

# By seconds, so that an end before time leaves no long sleep behind. A signal to a shell that has just begun can get
# lost, so it looks itself whether there is anything left to end.
end_after() {
    trap - EXIT HUP INT PIPE TERM
    left=$1
    while [ "$left" -gt 0 ] && kill -0 "$2" 2>/dev/null; do
        sleep 1
        left=$((left - 1))
    done
    end_process "$2"
}

# A Go program may take its time after TERM, and the first process of a container may ignore it.
end_process() {
    kill -s TERM "$1" 2>/dev/null || return 0
    patience=10
    while [ "$patience" -gt 0 ] && kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        patience=$((patience - 1))
    done
    kill -s KILL "$1" 2>/dev/null || true
}

# end_tree PROCESS: what it has started would go on without it.
end_tree() {
    for descendant in $(ps -A -o pid= -o ppid= | awk -v parent="$1" '$2 == parent { print $1 }'); do
        end_tree "$descendant"
    done
    kill -s TERM "$1" 2>/dev/null || true
}

end_child() {
    # Its shell has to wait for it, or it stays in the table of processes and seems to live.
    end_process "$child" &
    wait "$child" 2>/dev/null || true
    kill "$!" 2>/dev/null || true
}

on_linux() {
    [ "$(uname -s)" = Linux ]
}

refuse_other_systems() {
    on_linux || fail "the programs are for Linux, not for $(uname -s): in containers they run here too: make docker-compose-up"
}

# The oldest is the one that Cargo.toml names.
rust_oldest=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' "$root/Cargo.toml")
how_to_install_rust="install Rust 1.$rust_oldest or later (https://rustup.rs)"

# Says why cargo cannot build the programs here; nothing if it can.
rust_lacks() {
    if ! have cargo || ! have rustc; then
        say 'cargo is not installed'
    elif ! quietly cargo --version || ! quietly rustc --version; then
        say "cargo does not run ($(reason))"
    else
        read -r _ release _ <"$scratch/output"
        case $release in
            1.*)
                minor=${release#1.}
                [ "${minor%%.*}" -ge "$rust_oldest" ] || say "Rust $release is too old"
                ;;
        esac
    fi
}

# need_cargo [REMEDY]: the remedy is what helps beside Rust.
need_cargo() {
    lack=$(rust_lacks)
    [ -z "$lack" ] || fail "$lack: $how_to_install_rust${1-}"
    refuse_colon "${1-}"
}

refuse_colon() {
    case $root in
        *:*) fail "cargo cannot build in a folder with a colon in its path: rename $root${1-}" ;;
    esac
}

need_rust_on_linux() {
    refuse_other_systems
    need_cargo '; to run in containers Docker is enough: make docker-compose-up'
}

# wait_until SECONDS COMMAND...: tries the command five times a second until it succeeds. What takes longer is tried
# less often.
wait_until() {
    wait_ends=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$wait_ends" ] || return 1
        sleep 0.2
    done
}

# quietly COMMAND...: its output is kept, for reason().
quietly() {
    "$@" >"$scratch/output" 2>&1
}

# The one line of what quietly() kept that says why it failed.
reason() {
    tr -d '\r' <"$scratch/output" | awk '
        !NF || /^Usage: / || /Encountered errors|failed to start containers|docker (run )?--help/ { next }
        { last = $0 }
        tolower($0) ~ /error|denied|cannot|could not|unable|no space/ { why = $0 }
        END { print why ? why : last ? last : "it does not say why" }' |
        sed -e 's/^ERROR: *//' -e 's/^docker: *//'
}

# take_lock NAME: another command on the same waits until this one has ended. A folder is made in one step, everywhere.
take_lock() {
    told=
    until mkdir "$root/docker/.$1.lock" 2>/dev/null; do
        [ -d "$root/docker/.$1.lock" ] || fail "cannot write in $root/docker"
        holder=$(cat "$root/docker/.$1.lock/process" 2>/dev/null) || holder=
        if [ -n "$holder" ] && ! lives "$holder"; then
            break_lock "$root/docker/.$1.lock"
        else
            [ -n "$told" ] || say "Waiting for another command on $1 to end (process ${holder:-unknown})"
            told=yes
            sleep 0.5
        fi
    done
    lock=$root/docker/.$1.lock
    say "$$" >"$lock/process"
}

# Its holder was killed. Of several that find this out one breaks the lock, unless another has broken and taken it since.
break_lock() {
    mkdir "$1/broken" 2>/dev/null || return 0
    if [ "$(cat "$1/process" 2>/dev/null)" = "$holder" ]; then
        rm -rf "$1"
    else
        rmdir "$1/broken" 2>/dev/null || true
    fi
}

# A process of another user cannot be signalled, but lives.
lives() {
    kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]
}
