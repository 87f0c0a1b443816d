#!/usr/bin/env bash
# The models as Ollama keeps them, below models, and its home: ollama_models.sh MODELFILE CARRIED-MODEL MODELS OLLAMA
set -euo pipefail
modelfile=$1 ollama=$4/bin/ollama
export HOME=$PWD/home OLLAMA_MODELS=$PWD/models OLLAMA_NO_CLOUD=1

port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export OLLAMA_HOST=127.0.0.1:$port
mkdir home
"$ollama" serve >serve.log 2>&1 9>&- & # without build.sh's lock: it could outlive us
server=$!
trap 'kill $server 2>/dev/null || true; wait $server || true; cat serve.log' EXIT
until "$ollama" list >/dev/null 2>&1; do
	kill -0 $server
	sleep 0.1
done
for model in "$2" "$3"/*.gguf; do
	(echo "FROM $model" && cat "$modelfile") >Modelfile
	"$ollama" create "$(basename "$model" .gguf)" -f Modelfile
done
"$ollama" list
