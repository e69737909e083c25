#!/bin/sh
# Puts the build of libvips that package-lock.json names, checked by its hash there, into lib, from where it is embedded.
# Does nothing when it is there already.
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
stamp=lib/.libvips.so.lock
if { echo "$arch"; cat package-lock.json; } | cmp -s - "$stamp" && ls lib/libvips*.so.* >/dev/null 2>&1; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "npm is needed once, to fetch libvips: install it (Debian: apt install npm), or build with -tags novips and have a system libvips." >&2
	exit 1
fi
echo "Fetching libvips for $arch"
npm_config_update_notifier=false npm ci --os=linux --cpu="$cpu" --libc=glibc --ignore-scripts --no-audit --no-fund --loglevel=error
rm -f lib/*.so.* "$stamp"
cp "node_modules/@img/sharp-libvips-linux-$cpu"/lib/libvips*.so.* lib/
rm -rf node_modules
{ echo "$arch"; cat package-lock.json; } >"$stamp"
