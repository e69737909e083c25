#!/bin/sh
# Puts what a release is made of into dist/: for each architecture the program in a tar file, the Debian package, the bill of materials and
# the images; the images of all in one file of each kind, when there are several; the chart; the SHA-256 sums of all that; and, when
# SIGNING_KEY names a secret key, their signature (seal.sh).
#
#   sh deploy/dist/build.sh [amd64|arm64]...     for this machine's, unless others are named
#
# SOURCE_DATE_EPOCH is the time that files have, that of the last commit unless set.
set -eu
cd "$(dirname "$0")/../.."
here="$(go env GOHOSTARCH)"
[ $# -gt 0 ] || set -- "$here"
program() { [ "$1" = "$here" ] && echo bin/glassine || echo "bin/$1/glassine"; }
for arch in "$here" "$@"; do
	[ -x "$(program "$arch")" ] || { echo "There is no $(program "$arch"): run make programs ARCH=$arch first." >&2; exit 1; }
done
[ -z "${SIGNING_KEY:-}" ] || [ -r "$SIGNING_KEY" ] || { echo "SIGNING_KEY=$SIGNING_KEY: there is no such file, or it cannot be read." >&2; exit 1; }
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
version="$(bin/glassine version | cut -d' ' -f2)"
case "${SIGNING_KEY:+signed}:$version" in
signed:unreleased | signed:*+dirty)
	echo "The program is $version: what is signed is built of a commit, without changes to it (git status) and with Go's -buildvcs." >&2
	exit 1
	;;
esac
rm -rf dist
mkdir dist
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
for arch in "$@"; do
	name="glassine-$version-linux-$arch"
	mkdir "$work/$name"
	cp "$(program "$arch")" LICENSE README.md "$work/$name/"
	cp transform/pixel/library/NOTICE.md "$work/$name/NOTICE-libvips.md"
	mkdir "$work/$name/systemd"
	cp deploy/systemd/*.service deploy/systemd/*.socket "$work/$name/systemd/"
	chmod -R u=rwX,go=rX "$work/$name"
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$work" -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
	sh deploy/deb/build.sh "dist/glassine_${version}_$arch.deb" "$arch"
	go run ./deploy/sbom "$(program "$arch")" >"dist/$name.cdx.json"
done
for kind in slim full; do
	for arch in "$@"; do
		sh deploy/image/build.sh "$kind" "dist/glassine-$version-$kind-$arch.oci.tar" "$arch"
	done
	[ $# = 1 ] || go run ./deploy/image -out "dist/glassine-$version-$kind.oci.tar" -join dist/glassine-"$version-$kind"-*.oci.tar
done
sh deploy/dist/chart.sh "dist/glassine-chart-$version.tgz" "$version"
sh deploy/dist/seal.sh dist "$version"
ls -l dist
