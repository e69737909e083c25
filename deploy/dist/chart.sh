#!/bin/sh
# Packs the chart as helm package does, without Helm, with the program's version as the chart's and as that of what it installs.
#
#   sh deploy/dist/chart.sh FILE.tgz VERSION
#
# SOURCE_DATE_EPOCH is the time that its files have.
set -eu
out="${1:-}" version="${2:-}"
[ -n "$version" ] || { echo "usage: sh deploy/dist/chart.sh FILE.tgz VERSION" >&2; exit 2; }
case "$out" in /*) ;; *) out="$PWD/$out" ;; esac
cd "$(dirname "$0")/../chart"
# A chart's version is a semantic one (Helm, "Charts", The Chart.yaml File); what is none comes before every one.
semantic="${version#v}"
case "$semantic" in
[0-9]*.[0-9]*.[0-9]*) ;;
*) semantic="0.0.0-$(printf %s "$semantic" | tr -c 'A-Za-z0-9' -)" ;;
esac
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/glassine"
cp -RL Chart.yaml values.yaml values.schema.json templates files "$work/glassine/"
sed -i -e '/^#/d' -e "s/^version: .*/version: $semantic\nappVersion: \"${version#v}\"/" "$work/glassine/Chart.yaml"
cp ../../LICENSE "$work/glassine/"
chmod -R u=rwX,go=rX "$work/glassine"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$work" -cf - glassine | gzip -9n >"$out"
echo "$out: $(wc -c <"$out") bytes (chart $semantic)"
