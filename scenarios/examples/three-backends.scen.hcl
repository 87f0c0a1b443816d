# Ollama, llama.cpp's server and two WASM runtimes, with the same small Gemma: how do they behave under stress, and what does it cost?
scenario "three_backends" {
  description = "Which backend answers first, how much does each hold, what gives way above that, and what does a token cost?"
  tags        = ["compare", "stress"]
}

variable "model" {
  type        = string
  default     = "tiny-austen-gemma3"
  description = "The model that all of them serve: the carried one, one of `make engines`, or a .gguf beside this file."
}

variable "trials" {
  type        = number
  default     = 5
  description = "Repetitions of the steady load; fewer than four of each can't prove a difference."
}

variable "seconds" {
  type        = number
  default     = 5
  description = "How long one load of the search is, each stage after it, and the warm-up before each."
}

# One core, one thread and one request at a time for each, so that what differs is the engine. `make engines` builds their
# programs; else they are taken from the PATH.
runtime "ollama" "ollama" {
  model          = var.model
  context_tokens = 512
  parallel       = 1
  threads        = 1

  resources { cpus = 1 }
}

runtime "llamacpp" "llamacpp" {
  model          = var.model
  context_tokens = 512
  parallel       = 1
  threads        = 1

  # It keeps what prompts begin with alike, the others start anew.
  extra_body = { cache_prompt = false }

  resources { cpus = 1 }
}

runtime "wllama" "wllama" {
  model          = var.model
  context_tokens = 512
  extra_body     = { cache_prompt = false }

  resources { cpus = 1 }
}

runtime "wasm" "wasm" {
  model          = var.model
  context_tokens = 512
  parallel       = 1

  resources { cpus = 1 }
}

locals {
  backends = [runtime.ollama, runtime.llamacpp, runtime.wllama, runtime.wasm]
}

prompt_set "synthetic" "short" {
  prompts       = 500
  seed          = 1
  prompt_tokens = uniform(12, 24)
  output_tokens = 16
}

slo "interactive" {
  objective "ttft" { p90 = "250ms" }
  objective "end_to_end" { p90 = "500ms" }
  objective "errors" { max_ratio = 0.01 }
}

# A load that all of them hold.
load "constant_rate" "steady" {
  rate_per_second = 6
  requests        = 80
  arrivals        = "poisson"
  timeout         = "10s"
}

# The capacity of each is found first. Then it is loaded at half of it, at all of it, at twice as much, and at half again.
load "search" "stress" {
  from          = 16
  to            = 512
  tolerance     = 0.25
  over          = "${var.seconds}s"
  arrivals      = "poisson"
  max_in_flight = 256
  timeout       = "10s"
  drain_timeout = "15s"

  then = [
    { over = "${var.seconds}s", capacity_ratio = 0.5 },
    { over = "${var.seconds}s", capacity_ratio = 1 },
    { over = "${var.seconds}s", capacity_ratio = 2 },
    { over = "${2 * var.seconds}s", capacity_ratio = 0.5 },
  ]
}

collect "procfs" "machine" {
  every = "100ms"
}

# What the engines tell of themselves, where they do.
collect "scrape" "engine" {
  every = "1s"
}

# Interleaved, and each time in a fresh process: a drift of the machine meets all of them alike.
run "steady" {
  matrix = { runtime = local.backends }

  trials     = var.trials
  order      = "interleaved"
  reset      = "runtime"
  warm_up    = "${var.seconds}s"
  runtime    = matrix.runtime
  prompt_set = prompt_set.short
  load       = load.steady
  slo        = slo.interactive
  collect    = [collect.machine, collect.engine]
}

run "stress" {
  matrix = { runtime = local.backends }

  warm_up    = "${var.seconds}s"
  runtime    = matrix.runtime
  prompt_set = prompt_set.short
  load       = load.stress
  slo        = slo.interactive
  collect    = [collect.machine, collect.engine]
}
