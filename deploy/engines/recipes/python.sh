#!/usr/bin/env bash
# A Python with llama.cpp's server and what writes models: python.sh REQUIREMENTS
set -euo pipefail
if ! python3 -m venv .; then
	echo "Python 3.11 or newer with its venv module is needed; on Debian: apt-get install python3-venv"
	exit 1
fi
bin/python -m pip install --disable-pip-version-check --no-deps -r "$1"
bin/python -c 'import gguf, xllamacpp'
