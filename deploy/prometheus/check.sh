#!/usr/bin/env bash
# Holds /metrics of an apply against a real Prometheus and against the warehouse: deploy/prometheus/check.sh LLMSCEN
#
# The Prometheus is the one on the PATH; where there is none, Debian's package is unpacked below .tools, which installs
# nothing and starts no service.
set -euo pipefail
cd "$(dirname "$0")/../.."
llmscen=${1:?the program llmscen is needed}

prometheus=$(command -v prometheus || true)
if [ -z "$prometheus" ]; then
	unpacked=$PWD/.tools/prometheus
	prometheus=$unpacked/usr/bin/prometheus
	if [ ! -x "$prometheus" ]; then
		if ! command -v apt-get dpkg >/dev/null; then
			echo "Prometheus is needed, and this is no Debian: put one on the PATH." >&2
			exit 1
		fi
		part=$(mktemp -d)
		trap 'rm -rf "$part"' EXIT
		chmod 755 "$part" # apt-get downloads as a user without rights
		if ! (cd "$part" && apt-get -qq download prometheus) 2>/dev/null; then
			if [ "$(id -u)" != 0 ]; then
				echo "Prometheus is needed: apt-get install prometheus, or apt-get update for this to fetch it." >&2
				exit 1
			fi
			apt-get -qq update
			(cd "$part" && apt-get -qq download prometheus)
		fi
		mkdir -p "$PWD/.tools"
		dpkg -x "$part"/prometheus_*.deb "$part/unpacked"
		rm -rf "$unpacked"
		mv "$part/unpacked" "$unpacked"
		rm -rf "$part" # the exec below leaves no trap
	fi
fi
exec "${GO:-go}" run ./deploy/prometheus/check -llmscen "$llmscen" -prometheus "$prometheus" -config deploy/prometheus/prometheus.yml
