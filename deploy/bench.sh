#!/usr/bin/env bash
# Measures llmscen on this machine, which should be idle: deploy/bench.sh BENCHSTAT
#
# First Go's benchmarks of the rooms that have some, summed up by benchstat; then the program end to end, as a table of
# figures with their limits. Fails only where something could not be measured.
#
#   BENCH_COUNT=6         how often each benchmark runs; benchstat gives intervals from 6 on
#   BENCH_TIME=0.2s       how long at a time
#   LLMSCEN_BENCH_MODEL   a large GGUF for the WASM runtime: runner/embedded/wasm/training/README.md makes one of 99 MB
set -euo pipefail
cd "$(dirname "$0")/.."
benchstat=${1:?the program benchstat is needed}
go=${GO:-go}
count=${BENCH_COUNT:-6}
out=.tools/bench
mkdir -p "$out"

rooms=(
	./runner/load ./runner/protocol ./runner/prompts ./runner/tokenizer ./runner/embedded/simulated ./runner/embedded/wasm
	./collectors/procfs ./warehouse ./warehouse/spool ./warehouse/parquet ./warehouse/exporter ./warehouse/stats
)

# One room at a time: benchmarks of two would measure each other.
bench() { "$go" test -p 1 -run '^$' -benchtime "${BENCH_TIME:-0.2s}" -count "$count" "$@"; }

echo "Benchmarks of ${#rooms[@]} rooms, $count times each ..." >&2
(
	model=${LLMSCEN_BENCH_MODEL:-}
	unset LLMSCEN_BENCH_MODEL
	bench -bench . "${rooms[@]}"
	if [ -n "$model" ]; then
		LLMSCEN_BENCH_MODEL=$model bench -bench 'Decode/answers=1$' ./runner/embedded/wasm | sed 's/^BenchmarkDecode/BenchmarkLargeDecode/'
	fi
) >"$out/go.txt" || { cat "$out/go.txt" >&2; exit 1; }
"$benchstat" "$out/go.txt"

echo "The program, end to end ..." >&2
"$go" run ./deploy/bench -llmscen bin/llmscen -benchmarks "$out/go.txt"
