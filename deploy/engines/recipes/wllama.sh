#!/usr/bin/env bash
# wllama and its build for what lacks browsers' newest features: wllama.sh PACKAGE LOCK
set -euo pipefail
node -e 'if (+process.versions.node.split(".")[0] < 20) { console.log("Node 20 or newer is needed"); process.exit(1); }'
cp "$@" .
npm ci --ignore-scripts --no-audit --no-fund
