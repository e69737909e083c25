#!/bin/sh
# Builds a container image of bin/glassine on a Debian machine, without a container engine and without root.
#
#   sh deploy/image/build.sh slim|full FILE
#
# slim is the program, the C library, and the certificates of public authorities: no shell, no interpreter. full has Debian's Node and
# Python besides, with all that they depend on, and a shell, for functions of your own. FILE is for docker load, podman load and skopeo.
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
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download libc6 libgcc-s1 libstdc++6 ca-certificates base-files)
	image -debs "$work"
	;;
full)
	# What these packages depend on, as apt finds it for a machine where nothing is installed but what only the scripts of packages
	# ask for, which nobody runs here.
	for name in dpkg debconf debianutils mawk openssl; do
		printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: foreign\nProvides: awk\nVersion: 99\n\n' "$name" "$arch"
	done >"$work/status"
	mkdir -p "$work/archives/partial"
	apt-get -qq -y --download-only -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Debug::NoLocking=true \
		-o Dir::State::status="$work/status" -o Dir::Cache="$work" -o Dir::Cache::archives=archives/ -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		install nodejs python3 ca-certificates tzdata base-files bash dash coreutils
	image -debs "$work/archives"
	;;
*) echo "usage: sh deploy/image/build.sh slim|full FILE" >&2; exit 2 ;;
esac
echo "$out: $(wc -c <"$out") bytes (glassine:$kind, $version, $arch)"
