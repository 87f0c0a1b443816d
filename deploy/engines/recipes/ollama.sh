#!/usr/bin/env bash
# Ollama for the CPU, into bin/ollama: ollama.sh HEADERS
set -euo pipefail
version=0.17.4

# Without -g, which cgo asks for by default, there is less to compile.
export CGO_CPPFLAGS=-I$1 CGO_CFLAGS=-O2 CGO_CXXFLAGS=-O2
export GOBIN=$PWD/bin GOFLAGS= GOWORK=off
cd / # where no go.mod has a say
"${GO:-go}" install -ldflags="-s -w -X=github.com/ollama/ollama/version.Version=$version" \
	"github.com/ollama/ollama@v$version"
"$GOBIN/ollama" --version
