# shellcheck shell=sh disable=SC2034,SC2154
# The images of all programs, made from the sources of this checkout. Sourced by environment.sh.

builder=rust:1.95-slim-bookworm
programs='echo-reactor echo-client echo-scope'
# The volume in which the builder's image keeps the packages that it has downloaded, when it compiles tests.
cargo_cache=echo-reactor-cargo

# The sum of all that the images are made from. A label carries it into the images, and from there into containers.
sources_label=echo-reactor.sources
sources=$(
    cd "$root" || exit
    find .dockerignore Cargo.toml Cargo.lock echo-* proof/*/Cargo.toml docker/Dockerfile docker/compile.sh \
        docker/images.sh -name tests -prune -o -type f -exec cksum {} + | sort | cksum | tr ' ' -
)

image_of() {
    say "$1:${ECHO_PREFIX}latest"
}

# need_images: builds them, unless they are made from these very sources.
need_images() {
    for program in $programs; do
        [ "$(sources_of_image "$program")" = "$sources" ] || { build_images; return; }
    done
}

sources_of_image() {
    docker image inspect --format "{{index .Config.Labels \"$sources_label\"}}" "$(image_of "$1")" 2>/dev/null || true
}

build_images() {
    if have_image "$builder" || pull_image "$builder"; then
        say "Building the images in $builder: a few minutes the first time"
        build "$root" "$root/docker/Dockerfile" "$builder$(digest_of "$builder")" ||
            fail 'the images were not built: the reason stands above'
    else
        say "The image $builder cannot be pulled ($(reason)): cargo on this host builds the programs instead"
        compile_on_host
        quietly build "$scratch/programs" "$scratch/programs/Dockerfile" "$(rustc --version)" ||
            fail "the images were not built: $(reason)"
    fi
    for program in $programs; do
        [ "$(sources_of_image "$program")" = "$sources" ] ||
            fail "the engine did not get $(image_of "$program") from its builder: docker buildx use default"
        docker image inspect --format '{{.Size}}' "$(image_of "$program")" |
            awk -v name="$(image_of "$program")" '{ printf "%s is ready, %.2f MB\n", name, $1 / 1000000 }'
    done
}

# The programs, and a Dockerfile of the final stages alone, which takes them from the folder that it is in.
compile_on_host() {
    remedy=$(how_to_pull "$builder")
    on_linux || fail "containers cannot run programs that $(uname -s) builds: $remedy"
    need_cargo ", or $remedy"
    mkdir "$scratch/programs"
    cd "$root" || exit
    attend sh docker/compile.sh "$scratch/programs" || fail 'the programs were not built: the reason stands above'
    sed -n -e 's|--from=build /programs/||' -e '/^FROM scratch/,$p' docker/Dockerfile >"$scratch/programs/Dockerfile"
}

# build CONTEXT DOCKERFILE COMPILER
build() {
    for program in $programs; do
        attend docker build --file "$2" --target "$program" --tag "$(image_of "$program")" \
            --label "$sources_label=$sources" \
            --label "echo-reactor.compiler=$3" \
            --label "org.opencontainers.image.revision=$(revision)" \
            --label "org.opencontainers.image.source=$(origin)" "$1" || return
    done
}

# An image that was pulled has a digest, one that was loaded from a file has none.
digest_of() {
    docker image inspect --format '{{range .RepoDigests}} {{.}}{{end}}' "$1" 2>/dev/null || true
}

# The commit, and whether the files are still as it has them.
revision() {
    git -C "$root" describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null || say unknown
}

# Where the checkout comes from, without a password.
origin() {
    git -C "$root" config --get remote.origin.url 2>/dev/null | sed 's|//[^/@]*@|//|' | grep . || say unknown
}
