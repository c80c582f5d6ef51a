#!/bin/sh
# Usage: first-solution.sh
# Makes the image echo-first-solution:latest: a server as many first solutions are. It blocks, serves one client at a
# time, reads once, and is deaf to SIGTERM. To see what "make check-exercise" says of it.
set -eu
. "$(dirname "$0")/environment.sh"

source=proof/bench/peers/blocking-echo.rs
static='--edition 2024 -O -C target-feature=+crt-static'

need_engine
cp "$root/$source" "$scratch/server.rs"
if have_image "$builder" || pull_image "$builder"; then
    cat >"$scratch/Dockerfile" <<DOCKERFILE
FROM $builder AS build
LABEL project=echo-reactor
COPY server.rs .
RUN rustc $static --target "\$(rustc -vV | sed -n 's/^host: //p')" -o /server server.rs
FROM scratch
LABEL project=echo-reactor
COPY --from=build /server /
ENTRYPOINT ["/server"]
DOCKERFILE
else
    say "The image $builder cannot be pulled ($(reason)): rustc on this host builds the server instead"
    on_linux || fail "containers cannot run what $(uname -s) builds: connect this machine, then: docker pull $builder"
    need_cargo
    # shellcheck disable=SC2086 # One word for each option.
    attend rustc $static --target "$(rustc -vV | sed -n 's/^host: //p')" -o "$scratch/server" "$scratch/server.rs" ||
        fail 'the server was not built: the reason stands above'
    chmod 755 "$scratch/server"
    cat >"$scratch/Dockerfile" <<'DOCKERFILE'
FROM scratch
LABEL project=echo-reactor
COPY server /
ENTRYPOINT ["/server"]
DOCKERFILE
fi
quietly attend docker build --tag "$(image_of echo-first-solution)" "$scratch" ||
    fail "the image was not built: $(reason)"
say "$(image_of echo-first-solution) is ready"
