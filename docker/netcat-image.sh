#!/bin/sh
# Usage: netcat-image.sh
# Makes the image echo-netcat:latest, which holds a real netcat: BusyBox, of the registry or of Debian.
set -eu
. "$(dirname "$0")/lib.sh"

registry_image=busybox:1.36.1
# The commands of netcat-cases.sh; BusyBox is each of them, by the name it is called.
applets='sh nc timeout cat cmp head printf seq sleep tr'

from_debian() {
    say "The image $registry_image cannot be pulled: taking Debian's busybox-static instead"
    if ! have apt-get || ! have dpkg-deb; then
        fail "no apt-get here to fetch busybox-static: connect this machine, then: docker pull $registry_image"
    fi
    unpacked=$(mktemp -d)
    trap 'rm -rf "$unpacked"' EXIT
    (cd "$unpacked" && quietly bounded 120 apt-get download busybox-static) ||
        fail 'busybox-static was not downloaded: the reason stands above ("apt-get update" as root may help)'
    dpkg-deb --extract "$unpacked"/busybox-static_*.deb "$unpacked/all"
    mkdir -p "$unpacked/image/bin"
    cp "$(find "$unpacked/all" -path '*/bin/busybox')" "$unpacked/image/bin/busybox"
    for applet in $applets; do
        ln -s busybox "$unpacked/image/bin/$applet"
    done
    tar -C "$unpacked/image" -cf - bin | docker import - echo-netcat:latest >/dev/null ||
        fail 'the engine did not import the netcat image: the reason stands above'
}

need_engine
if have_image echo-netcat; then
    exit 0
elif have_image "$registry_image" || pull_image "$registry_image"; then
    docker tag "$registry_image" echo-netcat:latest
else
    from_debian
fi
