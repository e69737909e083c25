#!/bin/sh
# Builds a container image of glassine on a Debian machine, without a container engine and without root.
#
#   sh deploy/image/build.sh slim|full FILE [amd64|arm64|all]
#
# slim is the program, the C library, and the certificates of public authorities: no shell, no interpreter. full has Debian's Node and
# Python besides, with all that they depend on, and a shell, for functions of your own. FILE is for docker load, podman load and skopeo.
# The program is bin/glassine for this machine's architecture, which goes unless another is named, and bin/ARCHITECTURE/glassine for
# another (make programs); all is an index of both in one file.
#
# Debian's packages are those that apt finds on this machine; for another architecture, by lists of its own in .cache, from the same
# sources and checked by the same keys. SOURCE_DATE_EPOCH is the time that the image's files have; with the same packages and program,
# the same bytes come out.
set -eu
usage="usage: sh deploy/image/build.sh slim|full FILE [amd64|arm64|all]"
kind="${1:-}" out="${2:-}" here="$(dpkg --print-architecture)"
arch="${3:-$here}"
case "$kind" in slim | full) ;; *) echo "$usage" >&2; exit 2 ;; esac
[ -n "$out" ] || { echo "$usage" >&2; exit 2; }
case "$out" in /*) ;; *) out="$PWD/$out" ;; esac
cd "$(dirname "$0")/../.."
work="$(mktemp -d)"
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

case "$arch" in
all)
	for one in amd64 arm64; do sh deploy/image/build.sh "$kind" "$work/$one.oci.tar" "$one"; done
	go run ./deploy/image -out "$out" -join "$work/amd64.oci.tar" "$work/arm64.oci.tar"
	echo "$out: $(wc -c <"$out") bytes (glassine:$kind, amd64 and arm64)"
	exit
	;;
"$here") program=bin/glassine ;;
*) program="bin/$arch/glassine" ;;
esac
for file in bin/glassine "$program"; do
	[ -x "$file" ] || { echo "There is no $file: run make programs ARCH=$arch first." >&2; exit 1; }
done
revision="$(git rev-parse HEAD 2>/dev/null || true)"
version="${VERSION:-$(bin/glassine version | cut -d' ' -f2)}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"

lists="$PWD/.cache/apt-$arch"
# apt runs for that architecture; with lists of its own it knows nothing of what is installed here, and changes nothing.
apt() {
	if [ "$arch" != "$here" ]; then
		set -- -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::lists="$lists" -o Acquire::Languages=none \
			-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
	fi
	apt-get -qq -y -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Debug::NoLocking=true -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work" -o Dir::Cache::archives=archives/ -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}
# What these packages depend on, as apt finds it for a machine where nothing is installed but what only the scripts of packages ask for,
# which nobody runs here.
for name in dpkg debconf debianutils mawk openssl; do
	printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: foreign\nProvides: awk\nVersion: 99\n\n' "$name" "$arch"
done >"$work/status"
mkdir -p "$work/archives/partial"
if [ "$arch" != "$here" ]; then
	mkdir -p "$lists/partial"
	apt update
fi
case "$kind" in
slim) (cd "$work/archives" && apt download libc6 libgcc-s1 libstdc++6 ca-certificates base-files) ;;
full) apt --download-only install nodejs python3 ca-certificates tzdata base-files bash dash coreutils ;;
esac
go run ./deploy/image -kind "$kind" -binary "$program" -out "$out" -version "$version" -revision "$revision" -arch "$arch" -debs "$work/archives"
echo "$out: $(wc -c <"$out") bytes (glassine:$kind, $version, $arch)"
