#!/bin/sh
# Puts the build of libvips that package-lock.json names, checked by its hash there, into lib/ARCHITECTURE, from where it is embedded in a
# program for that architecture. Does nothing when it is there already.
#
#   sh transform/pixel/library/fetch.sh [amd64|arm64]     for the machine that GOARCH or go env says
set -eu
cd "$(dirname "$0")"
arch="${1:-${GOARCH:-$(go env GOARCH)}}"
case "$arch" in
amd64) cpu=x64 ;;
arm64) cpu=arm64 ;;
*) echo "There is no libvips to embed for $arch: build with -tags novips, and have a system libvips." >&2; exit 1 ;;
esac
stamp="lib/$arch/.libvips.so.lock"
if cmp -s package-lock.json "$stamp" && ls "lib/$arch"/libvips*.so.* >/dev/null 2>&1; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "npm is needed once, to fetch libvips: install it (Debian: apt install npm), or build with -tags novips and have a system libvips." >&2
	exit 1
fi
echo "Fetching libvips for $arch"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json "$work"
(cd "$work" && npm_config_update_notifier=false npm ci --os=linux --cpu="$cpu" --libc=glibc --ignore-scripts --no-audit --no-fund --loglevel=error)
rm -f "lib/$arch"/*.so.* "$stamp"
cp "$work/node_modules/@img/sharp-libvips-linux-$cpu"/lib/libvips*.so.* "lib/$arch/"
cp package-lock.json "$stamp"
