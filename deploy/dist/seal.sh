#!/bin/sh
# Writes the SHA-256 sums of what is in a folder into its checksums.txt; and, when SIGNING_KEY names a secret key in minisign's format,
# their signature into checksums.txt.minisig. No key is ever made here: go run ./deploy/sign keygen, or minisign -G, makes one.
#
#   [SIGNING_KEY=FILE [SIGNING_PASSPHRASE_FILE=FILE]] sh deploy/dist/seal.sh FOLDER VERSION     in the root of the repository
#
# A key that is encrypted has its passphrase asked, unless the first line of SIGNING_PASSPHRASE_FILE is it.
set -eu
dir="${1:-}" version="${2:-}"
[ -d "$dir" ] && [ -n "$version" ] || { echo "usage: sh deploy/dist/seal.sh FOLDER VERSION" >&2; exit 2; }
rm -f "$dir/checksums.txt" "$dir/checksums.txt.minisig"
sums="$(cd "$dir" && sha256sum -- *)"
printf '%s\n' "$sums" >"$dir/checksums.txt"
if [ -z "${SIGNING_KEY:-}" ]; then
	echo "$dir/checksums.txt is not signed: there is no SIGNING_KEY"
	exit
fi
set -- -secret "$SIGNING_KEY" -version "$version" "$dir/checksums.txt"
[ -z "${SIGNING_PASSPHRASE_FILE:-}" ] || set -- -passphrase-file "$SIGNING_PASSPHRASE_FILE" "$@"
go run ./deploy/sign sign "$@"
