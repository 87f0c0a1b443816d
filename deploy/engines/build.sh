#!/usr/bin/env bash
# Builds the LLM servers that the tests drive, from package registries: deploy/engines/build.sh [ollama]
#
# What takes long to make lies in ${LLMSCEN_CACHE:-~/.cache/llmscen}/engines, one folder a recipe. A folder's name holds a
# hash of all that went into it, so that a changed pin makes it anew, and that alone; where it exists it is whole. The
# checkout gets .engines, with programs for a scenario's command, and models. With `ollama` only that, which takes longest,
# is built.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${LLMSCEN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/llmscen}/engines

say() { printf '%s\n' "$*" >&2; }

# make_once NAME ARG... runs recipes/NAME.sh ARG... in a new folder, unless that was done before, and sets NAME to it.
make_once() {
	local name=$1 arg log dir
	shift
	dir=$cache/$name-$(for arg in "$here/recipes/$name.sh" "$@"; do
		if [ -f "$arg" ]; then cat "$arg"; else basename "$arg"; fi # a folder's name tells what it holds
	done | sha256sum | cut -c1-12)
	declare -g "$name=$dir"
	[ ! -d "$dir" ] || return 0

	log=$dir.log
	mkdir -p "$cache"
	exec 9>"$dir.lock"
	if ! flock -n 9; then
		say "Waiting for $name, which another builds: $log"
		flock 9
	fi
	if [ ! -d "$dir" ]; then
		say "Building $name: $log"
		# What was interrupted begins again; what it started holds the lock until it has ended too. The folder gets its name
		# when all is there.
		rm -rf "$dir.part"
		mkdir "$dir.part"
		if ! (cd "$dir.part" && "$here/recipes/$name.sh" "$@") >"$log" 2>&1 </dev/null; then
			say "Building $name failed. The end of $log:"
			tail -n 30 "$log" >&2
			exit 1
		fi
		mv "$dir.part" "$dir"
	fi
	exec 9>&-
}

# program NAME writes what is on standard input as .engines/bin/NAME, which others may be running.
program() {
	local new
	new=$(mktemp "$root/.engines/bin/.$1.XXXXXX")
	(echo '#!/bin/sh' && cat) >"$new"
	chmod 755 "$new"
	mv "$new" "$root/.engines/bin/$1"
}

make_once python "$here/requirements.txt" "$(python3 --version)"
export PYTHON=$python/bin/python # for pip
make_once headers "$here/headers.txt"
make_once ollama "$headers"
[ "${1:-}" != ollama ] || exit 0
make_once wllama "$here/package.json" "$here/package-lock.json"
training=$root/runner/embedded/wasm/training
make_once models "$training/make_tiny_gemma3.py" "$training/gemma3_gguf.py" "$python"
carried=$root/runner/embedded/wasm/model/tiny-austen-gemma3.gguf
make_once ollama_models "$here/Modelfile" "$carried" "$models" "$ollama"

mkdir -p "$root/.engines/bin" "$root/.engines/models"
ln -sfn "$carried" "$root/.engines/models/tiny-austen-gemma3.gguf"
ln -sfn "$models/random-gemma3-99mb.gguf" "$root/.engines/models/random-gemma3-99mb.gguf"
program llamacpp-server <<-END
	exec '$python/bin/python' '$here/llamacpp_server.py' "\$@"
END
program wllama-server <<-END
	exec '$(command -v node)' '$here/wllama_server.mjs' --modules '$wllama/node_modules' "\$@"
END
program ollama <<-END
	# A home of its own, for the key that it makes; the models that were built for it, and none from elsewhere.
	export HOME='$ollama_models/home' OLLAMA_MODELS="\${OLLAMA_MODELS:-$ollama_models/models}"
	export OLLAMA_NOPRUNE=1 OLLAMA_NO_CLOUD=1
	exec '$ollama/bin/ollama' "\$@"
END
