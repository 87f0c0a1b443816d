# Context length against concurrency, on llama.cpp's server: what do long prompts and more users cost each other?
scenario "context_grid" {
  description = "How do the time to the first token and the tokens a second change with the prompt's length and the number of users?"
  tags        = ["capacity"]
}

variable "requests" {
  type        = number
  default     = 40
  description = "Requests of each cell."
}

locals {
  lengths = [32, 128, 384]
  users   = [1, 2, 4]
}

runtime "llamacpp" "llamacpp" {
  model          = "tiny-austen-gemma3"
  context_tokens = 512
  parallel       = 4
  threads        = 1
  extra_body     = { cache_prompt = false }
}

prompt_set "synthetic" "of" {
  for_each = toset([for n in local.lengths : tostring(n)])

  prompts       = 100
  seed          = 1
  prompt_tokens = each.key
  output_tokens = 32
}

load "closed_loop" "users" {
  for_each = toset([for n in local.users : tostring(n)])

  users    = each.key
  requests = var.requests
  timeout  = "60s"
}

collect "procfs" "machine" {
  every = "100ms"
}

collect "scrape" "engine" {
  every = "500ms"
}

run "grid" {
  matrix = {
    prompt_tokens = local.lengths
    users         = local.users
  }

  warm_up    = "1s"
  runtime    = runtime.llamacpp
  prompt_set = prompt_set.of[matrix.prompt_tokens]
  load       = load.users[matrix.users]
  collect    = [collect.machine, collect.engine]
}
