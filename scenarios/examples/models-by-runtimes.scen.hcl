# Two models on three runtimes: what does a larger model cost on each of them? `make engines` makes the models and the servers.
scenario "models_by_runtimes" {
  description = "How much slower is a model of 99 MB than one of 4 MB, and is that the same on every runtime?"
  tags        = ["compare"]
}

variable "trials" {
  type        = number
  default     = 4
  description = "Repetitions; fewer than four of each can't prove a difference."
}

locals {
  models = {
    small = "tiny-austen-gemma3"
    large = "random-gemma3-99mb"
  }
}

# One block makes runtime.ollama["small"] and runtime.ollama["large"].
runtime "ollama" "ollama" {
  for_each = local.models

  model          = each.value
  context_tokens = 512
  parallel       = 1
  threads        = 1
}

runtime "llamacpp" "llamacpp" {
  for_each = local.models

  model          = each.value
  context_tokens = 512
  parallel       = 1
  threads        = 1
  extra_body     = { cache_prompt = false }
}

runtime "wasm" "wasm" {
  for_each = local.models

  model          = each.value
  context_tokens = 512
  parallel       = 1
}

locals {
  runtimes = {
    ollama   = runtime.ollama
    llamacpp = runtime.llamacpp
    wasm     = runtime.wasm
  }
}

prompt_set "synthetic" "short" {
  prompts       = 100
  seed          = 1
  prompt_tokens = 32
  output_tokens = 24
}

load "closed_loop" "one_user" {
  users    = 1
  requests = 30
  timeout  = "60s"
}

collect "procfs" "machine" {
  every = "100ms"
}

run "models" {
  matrix = {
    model  = keys(local.models)
    engine = keys(local.runtimes)
  }

  trials     = var.trials
  order      = "interleaved"
  warm_up    = "2s"
  runtime    = local.runtimes[matrix.engine][matrix.model]
  prompt_set = prompt_set.short
  load       = load.one_user
  collect    = [collect.machine]
}
