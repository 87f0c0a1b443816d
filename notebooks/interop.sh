#!/usr/bin/env bash
# Reads a warehouse's Parquet with pyarrow, polars and two versions of DuckDB, and compares what they see:
# notebooks/interop.sh [LLMSCEN]
#
# The warehouse is $LLMSCEN_WAREHOUSE; where that is not set, the program LLMSCEN makes one.
set -euo pipefail

. "$(dirname "$0")/tools/prepare.sh"

# Beside the version in requirements.txt, the last of the major version before it.
other=1.5.6
dir=$venv/duckdb-$other
if [ ! -d "$dir" ]; then
	"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$dir.part" "duckdb==$other"
	mv "$dir.part" "$dir"
fi
"$python" "$notebooks/tools/check_parquet.py" --duckdb "$dir" "$LLMSCEN_WAREHOUSE"
