#!/usr/bin/env bash
# Builds assets/vega.js, which the HTML report draws its charts with, from the pinned packages: build.sh [--check]
#
# With --check nothing is written: what is built is held against the digests in assets/SHA256SUMS, and these against the
# files. Node 18 or newer and npm are needed.
set -euo pipefail
cd "$(dirname "$0")"
root=$(git rev-parse --show-toplevel 2>/dev/null || (cd ../../../.. && pwd))
assets=$PWD/../assets
work=$root/.tools/report-bundle

if ! command -v node npm >/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -q && apt-get install -q -y --no-install-recommends nodejs npm
	else
		echo "Node 18 or newer and npm are needed; on Debian: apt-get install nodejs npm" >&2
		exit 1
	fi
fi

mkdir -p "$work/out"
cp package.json package-lock.json entry.js licences.js "$work/"
cd "$work"
wanted=$(sha256sum package-lock.json)
if [ "$(cat installed 2>/dev/null)" != "$wanted" ]; then
	npm ci --ignore-scripts --no-audit --no-fund --silent
	printf '%s\n' "$wanted" >installed
fi
node_modules/.bin/esbuild entry.js --bundle --minify --format=iife --target=es2020 --charset=utf8 \
	--legal-comments=none --log-level=warning --metafile=meta.json --outfile=out/vega.js
node licences.js meta.json >out/LICENCES.txt
cd out
sums=$(sha256sum LICENCES.txt vega.js)

if [ "${1:-}" = --check ]; then
	status=0
	diff <(printf '%s\n' "$sums") "$assets/SHA256SUMS" || status=1
	(cd "$assets" && sha256sum --quiet -c SHA256SUMS) || status=1
	[ $status = 0 ] || echo "The bundle of the report is not what its sources make: run warehouse/report/html/bundle/build.sh" >&2
	exit $status
fi
cp LICENCES.txt vega.js "$assets/"
printf '%s\n' "$sums" >"$assets/SHA256SUMS"
