# shellcheck shell=sh disable=SC2034
# What the cases share that run inside the netcat container, in BusyBox's shell: netcat-cases.sh and
# parallel-cases.sh. The container gets this text and theirs on its standard input. Usage there: sh -s HOST PORT
host=$1
port=$2
# Seconds; far more than an echo takes, and the reason why a dead server cannot hold the test up.
reply_timeout=5
failures=0
cd /tmp || exit 1

# converse NAME: sends the file NAME.sent; netcat half-closes after it and reads on to the end.
converse() {
    timeout "$reply_timeout" nc "$host" "$port" <"$1.sent" >"$1.received"
}

# report NAME COMMAND...: the command's success is the case's. What it complains of stands below its line.
report() {
    name=$1
    shift
    if "$@" 2>"$name.complaint"; then
        echo "case: $name | result: success"
    else
        echo "case: $name | result: fail"
        cat "$name.complaint"
        failures=$((failures + 1))
    fi
}

# The container may be quicker than a server that was started with it.
await_server() {
    tries=10
    until timeout 1 nc "$host" "$port" </dev/null >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            echo "No answer from $host, port $port" >&2
            exit 1
        fi
        sleep 0.3
    done
}
