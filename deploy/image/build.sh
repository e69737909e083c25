#!/bin/sh
# Builds a container image of bin/glassine on a Debian machine, without a container engine and without root.
#
#   sh deploy/image/build.sh slim|full FILE
#
# slim is the program, the C library, and the certificates of public authorities: no shell, no interpreter. full is Debian with its
# Node and Python besides, for functions of your own; it needs mmdebstrap. FILE is for docker load, podman load and skopeo.
# SOURCE_DATE_EPOCH is the time that the image's files have; with the same packages and program, the same bytes come out.
set -eu
kind="${1:-}" out="${2:-}"
[ -n "$out" ] || { echo "usage: sh deploy/image/build.sh slim|full FILE" >&2; exit 2; }
case "$out" in /*) ;; *) out="$PWD/$out" ;; esac
cd "$(dirname "$0")/../.."
[ -x bin/glassine ] || { echo "There is no bin/glassine: run make build first." >&2; exit 1; }
arch="$(dpkg --print-architecture)"
revision="$(git rev-parse HEAD 2>/dev/null || true)"
version="${VERSION:-$(bin/glassine version | cut -d' ' -f2)}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
work="$(mktemp -d)"
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
image() { go run ./deploy/image -kind "$kind" -binary bin/glassine -out "$out" -version "$version" -revision "$revision" -arch "$arch" "$@"; }
case "$kind" in
slim)
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download libc6 libgcc-s1 libstdc++6 ca-certificates)
	image -debs "$work"
	;;
full)
	command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: apt install mmdebstrap" >&2; exit 1; }
	. /etc/os-release
	sources=/etc/apt/sources.list.d/debian.sources
	[ -e "$sources" ] || sources=/etc/apt/sources.list
	# What the machine's apt thinks of dates holds here too: a mirror may be a snapshot.
	eval "$(apt-config shell valid Acquire::Check-Valid-Until date Acquire::Check-Date)"
	mmdebstrap --quiet --variant=minbase --include=nodejs,python3-minimal,ca-certificates \
		--aptopt="Acquire::Check-Valid-Until \"${valid:-true}\"" --aptopt="Acquire::Check-Date \"${date:-true}\"" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/* "$1"/etc/apt/sources.list* "$1"/etc/resolv.conf "$1"/etc/hostname' \
		"$VERSION_CODENAME" "$work/root.tar" "$sources"
	image -base "$work/root.tar"
	;;
*) echo "usage: sh deploy/image/build.sh slim|full FILE" >&2; exit 2 ;;
esac
echo "$out: $(wc -c <"$out") bytes (glassine:$kind, $version, $arch)"
