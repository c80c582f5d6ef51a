#!/bin/sh
# Usage: netcat-image.sh
# Makes the image echo-netcat:latest, which holds a real netcat: BusyBox, of the registry or of Debian.
set -eu
. "$(dirname "$0")/environment.sh"

registry_image=busybox:1.36.1
# The commands of netcat-cases.sh; BusyBox is each of them, by the name it is called.
applets='sh nc timeout cat cmp head printf seq sleep tr'

from_debian() {
    remedy=$(how_to_pull "$registry_image")
    say "The image $registry_image cannot be pulled ($(reason)): taking Debian's busybox-static instead"
    if ! have apt-get || ! have dpkg-deb; then
        fail "no apt-get here to fetch busybox-static: $remedy"
    fi
    cd "$scratch"
    quietly bounded 120 apt-get download busybox-static ||
        fail "busybox-static was not downloaded ($(reason)): apt-get update as root may help"
    dpkg-deb -x busybox-static_*.deb all
    mkdir -p image/bin
    cp "$(find all -path '*/bin/busybox')" image/bin/busybox
    chmod 755 image image/bin image/bin/busybox
    for applet in $applets; do
        ln -s busybox "image/bin/$applet"
    done
    tar -C image -cf image.tar bin
    quietly docker import image.tar echo-netcat:latest || fail "the engine did not import the netcat image: $(reason)"
}

need_engine
if have_image echo-netcat; then
    exit 0
elif have_image "$registry_image" || pull_image "$registry_image"; then
    docker tag "$registry_image" echo-netcat:latest
else
    from_debian
fi
