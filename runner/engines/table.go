package engines

import (
	"time"

	"github.com/llmscen/llmscen/scenarios"
)

var (
	bothOpenAI = []string{"openai", "openai_completions"}
	carried    = []string{"openai", "openai_completions", "ollama", "ollama_generate"}
	anOllama   = []string{"ollama", "ollama_generate", "openai", "openai_completions"}
)

const (
	notTried      = "not run: its wire format is held against its documents"
	fileIdentity  = "SHA-256 and quantization of the GGUF"
	sharedForGPUs = scenarios.Bytes(1 << 30)
)

// table has a row an engine, those in front that need no installation.
//
// Images and flags are from the projects' own documents and sources in the autumn of 2026; an image's tag was not tried
// against a registry.
var table = []Engine{
	{
		Name: "wasm", Title: "llmscen's own WASM runtime", Carried: true, Protocols: carried, TakesFiles: true, MetricsPath: "/metrics",
		Keep:  embeddedMetrics,
		Model: "the carried one, or a GGUF of the Gemma 3 architecture", Identity: fileIdentity, Reset: "nothing is cached",
		Tried: "run by every test", ReadyTimeout: 2 * time.Minute,
	},
	{
		Name: "simulated", Title: "llmscen's own server of known latencies", Carried: true, Protocols: carried, TakesNames: true, MetricsPath: "/metrics",
		Keep:  embeddedMetrics,
		Model: "any name", Identity: "none: there is no model", Reset: "nothing is cached", Tried: "run by every test", ReadyTimeout: 2 * time.Minute,
	},
	{
		Name: "endpoint", Title: "a server that runs already", TakesNames: true,
		Model: "what the server has", Identity: "not known", Tried: "run by the tests", ReadyTimeout: 10 * time.Second,
	},
	{
		Name: "command", Title: "a server that a command starts", TakesNames: true,
		Model: "what the command serves", Identity: "not known", Tried: "run by the tests", ReadyTimeout: 2 * time.Minute,
	},
	{
		Name: "ollama", Title: "Ollama", Programs: []string{"ollama"}, Image: "ollama/ollama:0.17.4", ImagePort: 11434, ModelStore: "/root/.ollama",
		Ready: "/api/version", ReadyTimeout: 5 * time.Minute, Protocols: anOllama, TakesFiles: true, TakesNames: true, Workers: true,
		Model:    "a name of its store, as in gemma3:270m, or a GGUF",
		Identity: "/api/version; digest and quantization of /api/tags, of a GGUF its SHA-256", Reset: "the model is unloaded and loaded again",
		Traps: []string{
			"It answers before a model is loaded: the driver loads it, and no request pays for that.",
			"A request with another num_ctx or num_thread has the model loaded anew; so the context is pinned for all.",
			"A prompt longer than the context is cut without a word: to what the context holds, or, by its older runner, to half of it and two tokens.",
			"The server starts a second process for each model: what it uses is counted over both, and a trial in which that process ended is flagged.",
			"It shows no Prometheus metrics.",
			"`threads` is taken with a GGUF only: a model of the store has its own.",
		},
		Tried:     "0.17.4 built from source, on a processor, with a GGUF and with a name, by both protocols; its image was not",
		arguments: ollamaArguments, environment: ollamaEnvironment, prepare: prepareOllama, reset: resetOllama,
	},
	{
		Name: "llamacpp", Title: "llama.cpp's server", Programs: []string{"llamacpp-server", "llama-server"}, Image: "ghcr.io/ggml-org/llama.cpp:server", ImagePort: 8080,
		ModelStore: "/root/.cache", Ready: "/health", ReadyTimeout: 5 * time.Minute, Protocols: bothOpenAI, TakesFiles: true, TakesNames: true,
		MetricsPath: "/metrics", Keep: []string{
			"llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_seconds_total",
			"llamacpp:tokens_predicted_total", "llamacpp:tokens_predicted_seconds_total", "llamacpp:n_decode_total",
			"llamacpp:n_busy_slots_per_decode", "llamacpp:requests_processing", "llamacpp:requests_deferred",
		},
		Headers: map[string]string{"Connection": "close"},
		Model:   "a GGUF, or a repository of Hugging Face as in ggml-org/gemma-3-1b-it-GGUF", Identity: "build_info of /props; " + fileIdentity,
		Reset: "each slot is erased; it is started without the host's cache",
		Traps: []string{
			"Its prefix cache is on: vary the prompts (`cache = \"cold\"`, the default of synthetic ones).",
			"Its context is shared out among its slots: it is started with `context_tokens` for each.",
			"The build that was run closes a connection after its second stream, without a word: of requests on kept connections one in eight was reset. So each has a connection of its own, unless `headers` says `Connection`. What short connections carried can't always be proved, and then the runtime's network series are missing.",
			"Its default port is changing from 8080 to 9931: it is always told one.",
			"A stream holds one of its HTTP threads, of which it has four more than slots unless it is told: it is given 256 more, so that what waits is counted as deferred.",
			"More threads than free cores make it slower by orders of magnitude.",
			"The first chunk has a role and no text: it is no token.",
		},
		Tried:     "the C++ server of a packaged build (xllamacpp 2026.10), on a processor; neither llama-server's own binary nor its image was",
		arguments: llamacppArguments, prepare: prepareLlamacpp, reset: resetLlamacpp,
	},
	{
		Name: "wllama", Title: "llama.cpp in WebAssembly, under Node", Programs: []string{"wllama-server"}, ImagePort: 8080,
		Ready: "/health", ReadyTimeout: 5 * time.Minute, Protocols: bothOpenAI, TakesFiles: true,
		Model: "a GGUF", Identity: fileIdentity,
		Traps: []string{
			"It is ready before it is fast: its guest is still compiled while it answers the first requests. A `warm_up` of ten seconds helps.",
			"One request is worked on at a time, the others wait in their order: slots of one WebAssembly thread starve each other.",
		},
		Tried:     "wllama 3.8 under Node 20, with one thread; there is no image",
		arguments: wllamaArguments,
	},
	{
		Name: "wasmedge", Title: "LlamaEdge on WasmEdge", Programs: []string{"wasmedge"}, Files: []string{"llama-api-server.wasm"}, ImagePort: 8080,
		ImageCommand: []string{"wasmedge"},
		Ready:        "/v1/models", ReadyTimeout: 5 * time.Minute, Protocols: bothOpenAI, TakesFiles: true,
		Model: "a GGUF", Identity: "/v1/info; " + fileIdentity,
		Traps: []string{
			"It has no /health, and its errors are plain text.",
			"It takes no number of slots: one request is worked on at a time.",
			"The prompt template is an argument; it is started with gemma-instruct unless `args` has `--prompt-template`.",
		},
		Tried:     notTried,
		arguments: wasmedgeArguments, prepare: prepareWasmEdge,
	},
	{
		Name: "vllm", Title: "vLLM", Programs: []string{"vllm"}, Image: "vllm/vllm-openai:v0.26.0", ImageCommand: []string{"vllm"}, ImagePort: 8000,
		ModelStore: "/root/.cache/huggingface", SharedMemory: sharedForGPUs, Ready: "/health", ReadyTimeout: 20 * time.Minute, Protocols: bothOpenAI, TakesNames: true,
		MetricsPath: "/metrics", Keep: []string{
			"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
			"vllm:prefix_cache_queries", "vllm:prefix_cache_hits", "vllm:num_preemptions", "vllm:prompt_tokens", "vllm:generation_tokens",
			"vllm:request_queue_time_seconds", "vllm:request_prefill_time_seconds", "vllm:request_decode_time_seconds",
		},
		Model: "a repository of Hugging Face", Identity: "/version and max_model_len of /v1/models; no digest", Reset: "POST /reset_prefix_cache, which its development mode has",
		Traps: []string{
			"VLLM_PORT is not the port of its API; a Service named vllm sets it, and vLLM ends with an error.",
			"It needs shared memory: a container is given 1 GiB of /dev/shm.",
			"Google's Gemma is gated at Hugging Face: it needs HF_TOKEN in `env`.",
			"Its weights are bf16 where Ollama's and llama.cpp's are quantized: compare with the quantization in sight.",
		},
		Tried:     notTried,
		arguments: vllmArguments, environment: vllmEnvironment, prepare: prepareVLLM, reset: resetVLLM,
	},
	{
		Name: "tgi", Title: "Text Generation Inference", Programs: []string{"text-generation-launcher"}, Image: "ghcr.io/huggingface/text-generation-inference:3.3.7", ImagePort: 8080,
		ModelStore: "/data", SharedMemory: sharedForGPUs, Ready: "/health", ReadyTimeout: 20 * time.Minute, Protocols: []string{"tgi", "openai", "openai_completions"}, TakesNames: true,
		MetricsPath: "/metrics", Keep: []string{
			"tgi_queue_size", "tgi_batch_current_size", "tgi_batch_current_max_tokens", "tgi_request_count", "tgi_request_success", "tgi_request_failure",
			"tgi_request_queue_duration", "tgi_request_inference_duration", "tgi_request_generated_tokens", "tgi_request_input_length",
		},
		Model: "a repository of Hugging Face", Identity: "/info, with the revision of the repository in place of a digest",
		Traps: []string{
			"Its image listens on port 80, which needs rights: it is told another.",
			"It is maintained, and no longer developed, since December 2025.",
			"Requests beyond --max-concurrent-requests (128) are refused with 429.",
		},
		Tried:     notTried,
		arguments: tgiArguments, prepare: prepareTGI,
	},
	{
		Name: "sglang", Title: "SGLang", Programs: []string{"sglang"}, Image: "lmsysorg/sglang:v0.5.21", ImageCommand: []string{"sglang"}, ImagePort: 30000,
		ModelStore: "/root/.cache/huggingface", SharedMemory: sharedForGPUs, Ready: "/health", ReadyTimeout: 20 * time.Minute, Protocols: bothOpenAI, TakesNames: true,
		MetricsPath: "/metrics", Keep: []string{
			"sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage", "sglang:cache_hit_rate", "sglang:gen_throughput",
			"sglang:num_used_tokens", "sglang:prompt_tokens_total", "sglang:generation_tokens_total",
		},
		Model: "a repository of Hugging Face", Identity: "/get_server_info; no digest", Reset: "POST /flush_cache",
		Traps: []string{
			"It listens on loopback unless it is told otherwise, in a container too.",
			"Its /health generates a token: right for a start, a load of its own as a probe.",
		},
		Tried:     notTried,
		arguments: sglangArguments, prepare: prepareSGLang, reset: resetSGLang,
	},
}

var embeddedMetrics = []string{
	"llmscen_runtime_requests_received_total", "llmscen_runtime_requests_total", "llmscen_runtime_requests_waiting", "llmscen_runtime_requests_active",
	"llmscen_runtime_prompt_tokens_total", "llmscen_runtime_output_tokens_total", "llmscen_runtime_sent_tokens_total",
	"llmscen_runtime_queue_seconds_total", "llmscen_runtime_prefill_seconds_total", "llmscen_runtime_decode_seconds_total",
}
