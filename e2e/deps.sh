#!/bin/sh
# Installs what tests and benchmarks ask on a Debian machine, and says so: Debian packages, and the npm packages of
# e2e/node and examples/cdk at their locked versions. What is there already is left alone.
#
#   sh e2e/deps.sh test|bench
set -eu
cd "$(dirname "$0")/.."

packages() { # command:package or file:package ...
	missing=""
	for pair in "$@"; do
		case "$pair" in
		/*) [ -e "${pair%%:*}" ] ;; # a file by its path only: a folder of this repository may have a command's name
		*) command -v "${pair%%:*}" >/dev/null 2>&1 ;;
		esac || missing="$missing ${pair#*:}"
	done
	[ -z "$missing" ] && return
	echo "Installing Debian packages:$missing"
	sudo=""
	if [ "$(id -u)" != 0 ]; then
		sudo="sudo"
		command -v sudo >/dev/null || { echo "Run as root, or install these packages first:$missing" >&2; exit 1; }
	fi
	$sudo apt-get -qq update
	# A server that a package brings is for the benchmarks' own configuration and must not start by itself.
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq install -y --no-install-recommends $missing >/dev/null
}

node_packages() { # folder
	stamp=$1/node_modules/.glassine-lock
	{ node --version && cat "$1/package-lock.json"; } | cmp -s - "$stamp" && return # npm leaves out what is not for this Node
	echo "Installing npm packages of $1"
	npm ci --prefix "$1" --no-audit --no-fund --loglevel=error
	{ node --version && cat "$1/package-lock.json"; } >"$stamp"
}

have="$(node --version 2>/dev/null || echo none)"
case "$have" in
none | v[0-9].* | v1[0-9].*) echo "The tests need Node 20 or later, and npm; there is Node $have. Debian's may be older: https://nodejs.org" >&2; exit 1 ;;
esac

case "${1:-}" in
test) packages /usr/bin/aws:awscli exiftool:libimage-exiftool-perl djpeg:libjpeg-turbo-progs strace:strace \
	rclone:rclone s3cmd:s3cmd curl:curl djxl:libjxl-tools cjxl:libjxl-tools heif-convert:libheif-examples certutil:libnss3-tools promtool:prometheus script:bsdutils chromium:chromium skopeo:skopeo minisign:minisign zsh:zsh fish:fish mandoc:mandoc systemd-analyze:systemd ip:iproute2 zip:zip newuidmap:uidmap /usr/lib/python3/dist-packages/boto3:python3-boto3 ;;
bench) packages nginx:nginx varnishd:varnish wrk:wrk h2load:nghttp2-client ;;
*) echo "usage: sh e2e/deps.sh test|bench" >&2; exit 2 ;;
esac
node_packages e2e/node
[ "$1" = bench ] || node_packages examples/cdk
