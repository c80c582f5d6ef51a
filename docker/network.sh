# shellcheck shell=sh disable=SC2034,SC2154
# The network of the environment: whose it is, and a subnet that is free. Sourced by environment.sh.

network=${ECHO_PREFIX}echo-reactor_testing_net

# Nothing if there is none.
network_id() {
    docker network inspect --format '{{.Id}}' "$network" 2>/dev/null || true
}

network_exists() {
    [ -n "$(network_id)" ]
}

network_is_foreign() {
    network_exists && [ -z "$(docker network inspect --format '{{index .Labels "com.docker.compose.network"}}' "$network")" ]
}

refuse_foreign_network() {
    ! network_is_foreign ||
        fail "a network named $network is there that Compose did not make: docker network rm $network, or set ECHO_PREFIX=my-"
}

# The subnet of the network as it is now; nothing if there is none.
present_subnet() {
    docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$network" 2>/dev/null || true
}

# How many clients fit, beside the server, the gateway, the two reserved addresses and a netcat.
capacity_of() {
    say "$(((1 << (32 - ${1#*/})) - 6))"
}

refuse_odd_subnet() {
    [ -z "${ECHO_SUBNET-}" ] || subnet_is_valid "$ECHO_SUBNET" ||
        fail "ECHO_SUBNET=$ECHO_SUBNET is no IPv4 subnet of hosts with 8 to 28 bits and zeros behind them: try 10.9.8.0/24"
}

# Leaves in ECHO_SUBNET a free one that is large enough for $clients, unless the user has named one.
choose_subnet() {
    docker network ls --quiet | xargs docker network inspect \
        --format '{{$name := .Name}}{{range .IPAM.Config}}{{$name}} {{.Subnet}}{{"\n"}}{{end}}' \
        >"$scratch/subnets" 2>/dev/null || true # One may have gone since it was listed.
    list_routes >>"$scratch/subnets"
    if [ -n "${ECHO_SUBNET-}" ]; then
        refuse_odd_subnet
        [ "$clients" -le "$(capacity_of "$ECHO_SUBNET")" ] ||
            fail "$clients clients do not fit ECHO_SUBNET=$ECHO_SUBNET: name a larger one"
        owner=$(owner_of_subnet "$ECHO_SUBNET")
        [ -z "$owner" ] || fail "ECHO_SUBNET=$ECHO_SUBNET is taken by $owner: name another"
    else
        bits=24
        [ "$clients" -le "$(capacity_of 0.0.0.0/24)" ] || bits=22
        ECHO_SUBNET=$(free_subnet "$bits")
        [ -n "$ECHO_SUBNET" ] || fail 'no subnet of 172.24.0.0/16 is free: name one, such as ECHO_SUBNET=10.9.8.0/24'
    fi
    export ECHO_SUBNET
}

# The other subnets that this machine reaches, in the same form, where it is the engine's machine and tells. Those of the
# engine's own bridges are listed already, and a default route is no subnet.
list_routes() {
    case ${DOCKER_HOST-unix://} in
        unix://*) ! on_linux || ! have ip || ip -4 route 2>/dev/null ;;
    esac | awk '
        $1 ~ /^[0-9.]+\/[0-9]+$/ && match($0, / dev [^ ]+/) {
            device = substr($0, RSTART + 5, RLENGTH - 5)
            if (device !~ /^(br-|docker|podman|cni)/) print "interface:" device, $1
        }'
}

# BusyBox may be built without awk's power.
subnet_arithmetic='
    function power_of_2(exponent, power) { for (power = 1; exponent > 0; exponent--) power *= 2; return power }
    function first(subnet, part) { split(subnet, part, "[./]"); return ((part[1] * 256 + part[2]) * 256 + part[3]) * 256 + part[4] }
    function size(subnet) { sub(".*/", "", subnet); return power_of_2(32 - subnet) }
    function overlap(one, other, larger) {
        larger = size(one) > size(other) ? size(one) : size(other)
        return int(first(one) / larger) == int(first(other) / larger)
    }'

subnet_is_valid() {
    say "$1" | awk "$subnet_arithmetic"'
        { count = split($0, part, "[./]"); good = $0 ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\/[0-9]+$/ && count == 5 }
        { for (i = 1; i <= 5; i++) if (part[i] != part[i] + 0 "" || part[i] > (i < 5 ? 255 : 28)) good = 0 }
        # This host, loopback, multicast and reserved ones.
        part[1] == 0 || part[1] == 127 || part[1] >= 224 { good = 0 }
        END { exit !(good && part[5] >= 8 && first($0) % size($0) == 0) }'
}

owner_of_subnet() {
    awk -v subnet="$1" -v ours="$network" "$subnet_arithmetic"'
        $2 ~ /\./ && $1 != ours && overlap(subnet, $2) {
            kind = sub(/^interface:/, "", $1) ? "interface" : "network"
            print "the " kind " " $1 " (" $2 ")"
            exit
        }' "$scratch/subnets"
}

# free_subnet BITS: of 172.24.0.0/16, the last but two of 24 bits first. That of our own network is free.
free_subnet() {
    awk -v bits="$1" -v ours="$network" "$subnet_arithmetic"'
        $2 ~ /\./ && $1 != ours { taken[NR] = $2 }
        END {
            for (third = bits == 24 ? 125 : 124; third >= 0 && !found; third -= power_of_2(24 - bits)) {
                found = "172.24." third ".0/" bits
                for (i in taken) if (overlap(found, taken[i])) found = ""
            }
            print found
        }' "$scratch/subnets"
}

# Right after its last container, an engine may call a network busy; old ones miscount and go on so.
remove_network() {
    network_exists && ! network_is_foreign || return 0
    others=$(docker network inspect --format '{{range .Containers}} {{.Name}}{{end}}' "$network")
    if [ -n "$others" ]; then
        say "The network $network stays, because other containers are on it:$others"
    elif ! wait_until 5 network_is_removed; then
        say "The engine holds on to the network $network: harmless, the next start takes it over"
    fi
}

network_is_removed() {
    docker network rm "$network" >/dev/null 2>&1 || ! network_exists
}
