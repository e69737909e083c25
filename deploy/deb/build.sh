#!/bin/sh
# Builds a Debian package of glassine with dpkg-deb, without root.
#
#   sh deploy/deb/build.sh FILE.deb [amd64|arm64]
#
# The program is bin/glassine for this machine's architecture, which goes unless another is named, and bin/ARCHITECTURE/glassine for another
# (make programs). Manual pages and completion are bin/glassine's, which is of the same source and runs here.
# SOURCE_DATE_EPOCH is the time that its files have; with the same program the same bytes come out.
set -eu
out="${1:-}"
[ -n "$out" ] || { echo "usage: sh deploy/deb/build.sh FILE.deb [amd64|arm64]" >&2; exit 2; }
case "$out" in /*) ;; *) out="$PWD/$out" ;; esac
cd "$(dirname "$0")/../.."
here="$(dpkg --print-architecture)"
arch="${2:-$here}"
program=bin/glassine
[ "$arch" = "$here" ] || program="bin/$arch/glassine"
for file in bin/glassine "$program"; do
	[ -x "$file" ] || { echo "There is no $file: run make programs ARCH=$arch first." >&2; exit 1; }
done
built="$(go version -m "$program" | sed -n 's/.*GOARCH=//p')"
[ "$built" = "$arch" ] || { echo "$program is for $built, and the package is for $arch." >&2; exit 1; }
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export LC_ALL=C HOME=/nonexistent
version="${VERSION:-$(bin/glassine version | cut -d' ' -f2)}"
version="${version#v}"
# Debian's versions begin with a digit, and have + where Go's have none; what is before a release sorts before it by ~.
case "$version" in
[0-9]*) version="$(printf %s "$version" | sed 's/-/~/; s/-/./g')" ;;
*) version="0~$(printf %s "$version" | tr -c 'A-Za-z0-9.+~\n' .)" ;;
esac
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$work/root" src="deploy/deb"
umask 022
file() { install -D -m "$1" "$2" "$root/$3"; }

file 755 "$program" usr/bin/glassine
for unit in glassine.service glassine.socket glassine-https.socket glassine-http3.socket; do file 644 "deploy/systemd/$unit" "lib/systemd/system/$unit"; done
file 640 "$src/glassine.yaml" etc/glassine/glassine.yaml
file 644 "$src/copyright" usr/share/doc/glassine/copyright
file 644 "$src/lintian-overrides" usr/share/lintian/overrides/glassine
printf 'glassine (%s) unstable; urgency=medium\n\n  * What changed is in the history of the repository.\n\n -- glassine <glassine@localhost>  %s\n' \
	"$version" "$(date -uRd "@$SOURCE_DATE_EPOCH")" >"$work/changelog"
gzip -9n "$work/changelog"
file 644 "$work/changelog.gz" usr/share/doc/glassine/changelog.gz
GLASSINE_CONFIG=none bin/glassine man --dir "$work/man"
for page in "$work"/man/*; do gzip -9n "$page"; file 644 "$page.gz" "usr/share/man/man1/$(basename "$page").gz"; done
for shell in bash zsh fish; do GLASSINE_CONFIG=none bin/glassine completion "$shell" >"$work/$shell"; done
file 644 "$work/bash" usr/share/bash-completion/completions/glassine
file 644 "$work/zsh" usr/share/zsh/vendor-completions/_glassine
file 644 "$work/fish" usr/share/fish/vendor_completions.d/glassine.fish

for script in postinst prerm postrm; do file 755 "$src/$script" "DEBIAN/$script"; done
echo /etc/glassine/glassine.yaml >"$root/DEBIAN/conffiles"
size="$(du -k --apparent-size -s --exclude=DEBIAN "$root" | cut -f1)"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" "$src/control" >"$root/DEBIAN/control"
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch -hd "@$SOURCE_DATE_EPOCH"
# gzip, since xz takes a minute for 5 MB less, and zstd is for Debian 12 and later.
dpkg-deb --root-owner-group -Zgzip -z6 --build "$root" "$out" >/dev/null
echo "$out: $(wc -c <"$out") bytes ($version, $arch)"
