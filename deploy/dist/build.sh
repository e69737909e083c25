#!/bin/sh
# Puts what a release is made of into dist/: the program in a tar file, the Debian package, the images, the bill of materials, and the
# SHA-256 sums of all of them.
#
#   sh deploy/dist/build.sh
set -eu
cd "$(dirname "$0")/../.."
[ -x bin/glassine ] || { echo "There is no bin/glassine: run make build first." >&2; exit 1; }
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
version="$(bin/glassine version | cut -d' ' -f2)"
arch="$(go env GOARCH)"
rm -rf dist
mkdir dist
name="glassine-$version-linux-$arch"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/$name"
cp bin/glassine LICENSE README.md "$work/$name/"
cp transform/pixel/library/NOTICE.md "$work/$name/NOTICE-libvips.md"
mkdir "$work/$name/systemd"
cp deploy/systemd/*.service deploy/systemd/*.socket "$work/$name/systemd/"
chmod -R u=rwX,go=rX "$work/$name"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$work" -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
sh deploy/deb/build.sh "dist/glassine_${version}_$arch.deb"
go run ./deploy/sbom bin/glassine >"dist/$name.cdx.json"
sh deploy/image/build.sh slim "dist/glassine-$version-slim-$arch.oci.tar"
sh deploy/image/build.sh full "dist/glassine-$version-full-$arch.oci.tar"
(cd dist && sha256sum -- * >"$work/sums" && mv "$work/sums" checksums.txt)
ls -l dist
