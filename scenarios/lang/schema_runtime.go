package lang

import "github.com/llmscen/llmscen/scenarios"

func runtimeBlock() blockType {
	return blockType{
		name: "runtime", label: "NAME", referable: true,
		doc:        "A server under test: which engine serves which model, and how it is reached.",
		kinds:      runtimeKinds(),
		attributes: append(runtimeAttributes(), connectionAttributes()...),
		blocks:     []blockType{resourcesBlock(), readyBlock(), tlsBlock(), retryBlock(), samplingBlock(inner(func(r *scenarios.Runtime) any { return &r.Sampling }))},
	}
}

// runtimeKinds are the engines.
func runtimeKinds() []kind {
	model := func(doc string) []attribute {
		return []attribute{{name: "model", is: text, required: true, doc: doc, into: field(func(r *scenarios.Runtime) any { return &r.Model })}}
	}
	return []kind{
		{name: "wasm", doc: "A real small LLM in a WebAssembly sandbox, carried by llmscen itself.", attributes: []attribute{
			{name: "model", is: text, absent: "the carried model", doc: "A GGUF file of the Gemma 3 architecture, below the scenario's folder, or the name of one that `make engines` made.",
				into: field(func(r *scenarios.Runtime) any { return &r.Model })},
		}},
		simulatedKind(),
		{name: "endpoint", doc: "A server that runs already.", attributes: []attribute{
			{name: "url", is: httpURL, required: true, doc: "Its base, as in http://127.0.0.1:8000.",
				into: field(func(r *scenarios.Runtime) any { return &r.URL })},
		}},
		commandKind(),
		{name: "ollama", doc: "Ollama.", attributes: model("The model: a name of its store, as in gemma3:270m, a GGUF file below the scenario's folder, or tiny-austen-gemma3, the carried one.")},
		{name: "llamacpp", doc: "The server of llama.cpp.", attributes: model("A GGUF file below the scenario's folder, a repository of Hugging Face, or tiny-austen-gemma3, the carried model.")},
		{name: "wllama", doc: "llama.cpp in WebAssembly, under Node.", attributes: model("A GGUF file below the scenario's folder, or tiny-austen-gemma3, the carried model.")},
		{name: "wasmedge", doc: "LlamaEdge on WasmEdge.", attributes: model("A GGUF file below the scenario's folder, or tiny-austen-gemma3, the carried model.")},
		{name: "vllm", doc: "vLLM.", attributes: model("The model, as in meta-llama/Llama-3.1-8B-Instruct.")},
		{name: "tgi", doc: "Text Generation Inference.", attributes: model("The model, as in google/gemma-3-4b-it.")},
		{name: "sglang", doc: "SGLang.", attributes: model("The model, as in meta-llama/Llama-3.1-8B-Instruct.")},
	}
}

func runtimeAttributes() []attribute {
	return []attribute{
		{name: "model", is: text, absent: "what the server has", doc: "The model's name, as requests say it.",
			into: field(func(r *scenarios.Runtime) any { return &r.Model })},
		{name: "protocol", is: choice("openai", "openai_completions", "ollama", "ollama_generate", "tgi"), absent: "ollama for ollama, tgi for tgi, else openai",
			doc:  "What it speaks: OpenAI chat or completions, Ollama chat or generate, or TGI's own.",
			into: field(func(r *scenarios.Runtime) any { return &r.Protocol })},
		{name: "image", is: text, absent: "on this machine no container, in a cluster the engine's own", doc: "The container image, best with its digest.",
			into: field(func(r *scenarios.Runtime) any { return &r.Image })},
		{name: "command", is: texts, absent: "the engine's own", doc: "The program, and what goes before the arguments that the engine needs.",
			into: field(func(r *scenarios.Runtime) any { return &r.Command })},
		{name: "args", is: texts, doc: "Arguments after those that the engine needs; a flag that stands here is not given twice.",
			into: field(func(r *scenarios.Runtime) any { return &r.Args })},
		{name: "env", is: textMap, doc: "Environment variables.",
			into: field(func(r *scenarios.Runtime) any { return &r.Env })},
		{name: "context_tokens", is: count, absent: "the model's own", doc: "Tokens that a request and its answer may have together.",
			into: field(func(r *scenarios.Runtime) any { return &r.ContextTokens })},
		{name: "parallel", is: count, absent: "the engine's own", doc: "Requests that are worked on at once.",
			into: field(func(r *scenarios.Runtime) any { return &r.Parallel })},
		{name: "threads", is: count, absent: "the engine's own", doc: "Threads that compute.",
			into: field(func(r *scenarios.Runtime) any { return &r.Threads })},
	}
}

func connectionAttributes() []attribute {
	return []attribute{
		{name: "api_key", is: secret, doc: "Sent as a bearer token: secret(\"env:NAME\") or secret(\"file:PATH\").",
			into: field(func(r *scenarios.Runtime) any { return &r.APIKey })},
		{name: "headers", is: textMap, doc: "Headers of each request; they are stored with the plan, so no keys here.",
			into: field(func(r *scenarios.Runtime) any { return &r.Headers })},
		{name: "metrics_path", is: urlPath, absent: "the engine's own", doc: "Where the server shows Prometheus metrics.",
			into: field(func(r *scenarios.Runtime) any { return &r.MetricsPath })},
		{name: "proxy", is: httpURL, absent: "none: the environment's proxy is ignored", doc: "The proxy that requests go through.",
			into: field(func(r *scenarios.Runtime) any { return &r.Proxy })},
		{name: "extra_body", is: jsonObject, doc: "An object that is merged into each request.",
			into: field(func(r *scenarios.Runtime) any { return &r.ExtraBody })},
		{name: "allow_public", is: boolean, fallback: "false", doc: "Let the server be at a public address.",
			into: field(func(r *scenarios.Runtime) any { return &r.AllowPublic })},
		{name: "allow_metadata", is: boolean, fallback: "false", doc: "Let the server be at a cloud's metadata address.",
			into: field(func(r *scenarios.Runtime) any { return &r.AllowMetadata })},
	}
}

func commandKind() kind {
	return kind{
		name: "command", doc: "A server that a command starts on this machine.",
		attributes: []attribute{
			{name: "command", is: texts, required: true, hole: "port", doc: "The program and its arguments; ${port} is a free port.",
				into: field(func(r *scenarios.Runtime) any { return &r.Command })},
			{name: "args", is: texts, hole: "port", doc: "More arguments.",
				into: field(func(r *scenarios.Runtime) any { return &r.Args })},
			{name: "env", is: textMap, hole: "port", doc: "Environment variables.",
				into: field(func(r *scenarios.Runtime) any { return &r.Env })},
			{name: "port", is: portNumber, absent: "a free one, for ${port}", doc: "Where the server listens.",
				into: field(func(r *scenarios.Runtime) any { return &r.Port })},
		},
	}
}

func resourcesBlock() blockType {
	return blockType{
		name: "resources", once: true, doc: "What one replica may use.",
		into: inner(func(r *scenarios.Runtime) any { return &r.Resources }),
		attributes: []attribute{
			{name: "cpus", is: positive, absent: "no limit", doc: "Cores.", into: field(func(r *scenarios.Resources) any { return &r.CPUs })},
			{name: "memory", is: size, absent: "no limit", doc: "Memory.", into: field(func(r *scenarios.Resources) any { return &r.Memory })},
			{name: "gpus", is: amount, fallback: "0", doc: "GPUs.", into: field(func(r *scenarios.Resources) any { return &r.GPUs })},
		},
	}
}

func readyBlock() blockType {
	return blockType{
		name: "ready", once: true, doc: "How it is known that the server can serve.",
		into: inner(func(r *scenarios.Runtime) any { return &r.Ready }),
		attributes: []attribute{
			{name: "path", is: urlPath, absent: "the engine's own", doc: "Answers 200 when it can.", into: field(func(r *scenarios.Ready) any { return &r.Path })},
			{name: "timeout", is: positiveDuration, absent: "the engine's own", doc: "How long that may take.", into: field(func(r *scenarios.Ready) any { return &r.Timeout })},
		},
	}
}

func tlsBlock() blockType {
	return blockType{
		name: "tls", once: true, doc: "How the server's certificate is judged.",
		into: inner(func(r *scenarios.Runtime) any { return &r.TLS }),
		attributes: []attribute{
			{name: "ca_file", is: filePath, absent: "the system's authorities", doc: "Certificates to trust, below the scenario's folder.",
				into: field(func(t *scenarios.TLS) any { return &t.CAFile })},
			{name: "insecure_skip_verify", is: boolean, fallback: "false", doc: "Trust any certificate.",
				into: field(func(t *scenarios.TLS) any { return &t.InsecureSkipVerify })},
		},
	}
}

func retryBlock() blockType {
	return blockType{
		name: "retry", once: true, doc: "Tries failed requests again; without it none is. The latency counts from the first intended time.",
		into: inner(func(r *scenarios.Runtime) any { r.Retry = &scenarios.Retry{}; return r.Retry }),
		attributes: []attribute{
			{name: "attempts", is: count, fallback: "3", doc: "Attempts at most, the first included.", into: field(func(r *scenarios.Retry) any { return &r.Attempts })},
			{name: "backoff", is: duration, fallback: `"100ms"`, doc: "The pause before the second attempt; each later one is twice as long.", into: field(func(r *scenarios.Retry) any { return &r.Backoff })},
			{name: "max_backoff", is: duration, fallback: `"5s"`, doc: "The longest pause.", into: field(func(r *scenarios.Retry) any { return &r.MaxBackoff })},
			{name: "statuses", is: statuses, fallback: "[429, 503]", doc: "HTTP statuses that are tried again.", into: field(func(r *scenarios.Retry) any { return &r.Statuses })},
		},
	}
}

// samplingBlock is in a runtime and in a run: there it goes over what the runtime says, so it has no fallbacks.
func samplingBlock(into func(parent any, label string) any) blockType {
	return blockType{
		name: "sampling", once: true, doc: "How tokens are chosen; in a run it goes over what the runtime says.",
		into: into,
		attributes: []attribute{
			{name: "temperature", is: amount, absent: "0: the likeliest token", doc: "How freely they are chosen.",
				into: field(func(s *scenarios.Sampling) any { return &s.Temperature })},
			{name: "top_p", is: ratio, absent: "not sent", doc: "The share of likelihood that they are chosen from.",
				into: field(func(s *scenarios.Sampling) any { return &s.TopP })},
			{name: "seed", is: integer, absent: "not sent", doc: "The seed of the choice.",
				into: field(func(s *scenarios.Sampling) any { return &s.Seed })},
			{name: "ignore_eos", is: boolean, absent: "true where the engine can", doc: "Go on to the wanted length whatever the model says.",
				into: field(func(s *scenarios.Sampling) any { return &s.IgnoreEOS })},
		},
	}
}
