#!/usr/bin/env bash
# A model whose token times are those of a larger one: models.sh GENERATOR ITS-LIBRARY PYTHON
set -euo pipefail
PYTHONDONTWRITEBYTECODE=1 "$3/bin/python" "$1" random-gemma3-99mb.gguf \
	--dim 512 --layers 6 --ff 2048 --heads 8 --head-dim 64 --vocab-words 2000
