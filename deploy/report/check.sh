#!/usr/bin/env bash
# Opens a report in Chromium, and holds it against what it promises: deploy/report/check.sh LLMSCEN
#
# The warehouse is $LLMSCEN_WAREHOUSE; where that is not set, the program LLMSCEN makes one of three runtimes. The browser
# is the one on the PATH, or Debian's package. The pages and a screenshot are left in .tools/report.
set -euo pipefail
cd "$(dirname "$0")/../.."
llmscen=$(realpath "${1:?the program llmscen is needed}")

if ! command -v chromium >/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core
	else
		echo "Chromium is needed; on Debian: apt-get install chromium" >&2
		exit 1
	fi
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "${LLMSCEN_WAREHOUSE:-}" ]; then
	export LLMSCEN_WAREHOUSE=$scratch/results
	status=0
	"$llmscen" apply --yes --quiet --warehouse "$LLMSCEN_WAREHOUSE" notebooks/compare_runtimes.scen.hcl >/dev/null || status=$?
	case $status in
	0 | 4 | 5 | 6) ;; # the rows are there: what they say of the trials is not this test's matter
	*) exit "$status" ;;
	esac
fi
out=$PWD/.tools/report
mkdir -p "$out"
rm -f "$out/report.html"
"$llmscen" report -o html --to "$out/report.html"
"${GO:-go}" run ./deploy/report/check -chromium chromium -out "$out" "$out/report.html"
