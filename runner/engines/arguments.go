package engines

import (
	"net"
	"path/filepath"
	"strconv"
)

// httpThreads is how many requests to llama.cpp may wait, beside those that have a slot, where its metrics count them.
const httpThreads = 256

// llamacppArguments are those of llama-server, see tools/server/README.md of llama.cpp.
//
// --ctx-size is shared out among the slots, so that each gets what a scenario asks for one request.
func llamacppArguments(s Start, l *line) {
	switch {
	case s.File != "":
		l.flag("--model", s.File)
		l.flag("--alias", s.Name)
	case filepath.IsAbs(s.Model): // in an image
		l.flag("--model", s.Model)
		l.flag("--alias", s.Name)
	default:
		l.flag("-hf", s.Model)
	}
	listen(s, l)
	l.number("--ctx-size", s.ContextTokens*max(s.Parallel, 1))
	l.number("--parallel", s.Parallel)
	l.number("--threads", s.Threads)
	// A stream holds its HTTP thread to its end: with too few, requests wait where no metric counts them.
	l.number("--threads-http", httpThreads+s.Parallel)
	l.flag("--metrics")
	l.flag("--slots")
	if s.ResetsCache {
		// Slots are erased only where they could be saved, and what a slot held may be in the host's cache as well.
		l.flag("--slot-save-path", "/tmp")
		l.flag("--cache-ram", "0")
	}
}

func listen(s Start, l *line) {
	l.flag("--host", s.Host)
	l.number("--port", s.Port)
}

// wllamaArguments are those of wllama-server, which takes the names of llama-server. It has one slot and one thread.
func wllamaArguments(s Start, l *line) {
	l.flag("--model", modelPath(s))
	l.flag("--alias", s.Name)
	listen(s, l)
	l.number("--ctx-size", s.ContextTokens)
}

func modelPath(s Start) string {
	if s.File != "" {
		return s.File
	}
	return s.Model
}

func ollamaArguments(_ Start, l *line) { l.word("serve") }

// ollamaEnvironment says by variables what others say by flags, see envconfig/config.go of Ollama.
func ollamaEnvironment(s Start) map[string]string {
	env := map[string]string{
		"OLLAMA_HOST":              net.JoinHostPort(s.Host, strconv.Itoa(s.Port)),
		"OLLAMA_KEEP_ALIVE":        "-1", // else a model that is idle for five minutes is loaded anew
		"OLLAMA_MAX_LOADED_MODELS": "1",
		"OLLAMA_NO_CLOUD":          "1",
		"OLLAMA_NOPRUNE":           "1",
	}
	if s.ContextTokens > 0 {
		env["OLLAMA_CONTEXT_LENGTH"] = strconv.Itoa(s.ContextTokens)
	}
	if s.Parallel > 0 {
		env["OLLAMA_NUM_PARALLEL"] = strconv.Itoa(s.Parallel)
	}
	if s.Store != "" {
		env["OLLAMA_MODELS"] = s.Store
	}
	return env
}

// wasmedgeArguments are those of WasmEdge with LlamaEdge's server, see llama-api-server/src of LlamaEdge.
func wasmedgeArguments(s Start, l *line) {
	server := "llama-api-server.wasm"
	if len(s.Files) > 0 {
		server = s.Files[0]
	}
	model := modelPath(s)
	l.flag("--dir", filepath.Dir(model)+":"+filepath.Dir(model))
	l.flag("--nn-preload", "default:GGML:AUTO:"+model)
	l.word(server)
	l.flag("--model-name", s.Name)
	l.flag("--prompt-template", "gemma-instruct")
	l.flag("--socket-addr", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	l.number("--ctx-size", s.ContextTokens)
	l.number("--threads", s.Threads)
}

// vllmArguments follow `vllm serve`, see docs/cli/serve.md of vLLM.
func vllmArguments(s Start, l *line) {
	l.word("serve")
	l.word(s.Model)
	listen(s, l)
	l.number("--max-model-len", s.ContextTokens)
	l.number("--max-num-seqs", s.Parallel)
}

func vllmEnvironment(s Start) map[string]string {
	env := map[string]string{}
	if s.Threads > 0 {
		env["OMP_NUM_THREADS"] = strconv.Itoa(s.Threads)
	}
	if s.ResetsCache {
		env["VLLM_SERVER_DEV_MODE"] = "1" // which has the path that resets the prefix cache
	}
	return env
}

// tgiArguments are those of text-generation-launcher; the longest prompt leaves room for one token.
func tgiArguments(s Start, l *line) {
	l.flag("--model-id", s.Model)
	l.flag("--hostname", s.Host)
	l.number("--port", s.Port)
	l.number("--max-input-tokens", s.ContextTokens-1)
	l.number("--max-total-tokens", s.ContextTokens)
	l.number("--max-batch-size", s.Parallel)
}

// sglangArguments are those of sglang.launch_server, of which `sglang serve` is the newer name.
func sglangArguments(s Start, l *line) {
	l.word("serve")
	l.flag("--model-path", s.Model)
	listen(s, l)
	l.number("--context-length", s.ContextTokens)
	l.number("--max-running-requests", s.Parallel)
	l.flag("--enable-metrics")
}
