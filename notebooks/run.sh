#!/usr/bin/env bash
# Executes the notebooks on a warehouse: notebooks/run.sh [LLMSCEN]
#
# The warehouse is $LLMSCEN_WAREHOUSE; where that is not set, the program LLMSCEN makes one. Fails if a cell fails, and if
# an .ipynb is not what its .py source makes: `notebooks/run.sh --write` writes it. The executed notebooks, with their
# charts, are left in .tools/notebooks.
set -euo pipefail

if [ "${1:-}" = --write ]; then
	LLMSCEN_WAREHOUSE=none . "$(dirname "$0")/tools/prepare.sh"
	"$python" "$notebooks/tools/execute.py" --write
	exit
fi
# first_look looks at the latest apply, compare_runtimes at the latest of several runtimes.
scenarios="compare_runtimes first_look"
. "$(dirname "$0")/tools/prepare.sh"
"$python" "$notebooks/tools/execute.py" --out "$root/.tools/notebooks"
