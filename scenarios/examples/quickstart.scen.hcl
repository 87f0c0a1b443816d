# A real small LLM in a WebAssembly sandbox, on this machine: two loads that it holds, and one that is too much.
scenario "quickstart" {
  description = "What does a user wait for, as more of them ask at once?"
  tags        = ["quickstart"]
}

# What serves the model. This engine carries a model of its own: nothing is installed or downloaded.
runtime "wasm" "austen" {
  context_tokens = 512
}

# What is asked: short prompts, short answers, each prompt new to every cache.
prompt_set "synthetic" "short" {
  prompts       = 700
  seed          = 1
  prompt_tokens = uniform(12, 24)
  output_tokens = 8
}

locals {
  held_per_second = [30, 60]
}

# How it is asked: one load for each rate, which keeps its schedule whatever the server does. 700 requests are enough
# to tell a 99th percentile with its interval.
load "constant_rate" "level" {
  for_each = toset([for r in local.held_per_second : tostring(r)])

  rate_per_second = each.key
  requests        = 700
  arrivals        = "poisson"
  timeout         = "10s"
  drain_timeout   = "5s"
}

load "constant_rate" "flood" {
  rate_per_second = 400
  over            = "3s"
  arrivals        = "poisson"
  max_in_flight   = 64
  timeout         = "10s"
  drain_timeout   = "5s"
}

# What is promised.
slo "interactive" {
  objective "ttft" { p99 = "500ms" }
  objective "end_to_end" { p99 = "1s" }
  objective "errors" { max_ratio = 0.01 }
}

# What the resources do meanwhile, ten times a second.
collect "procfs" "machine" {
  every = "100ms"
}

# A run joins them; its matrix makes one trial of each rate.
run "levels" {
  matrix = { per_second = local.held_per_second }

  order      = "listed"
  warm_up    = "2s"
  runtime    = runtime.austen
  prompt_set = prompt_set.short
  load       = load.level[matrix.per_second]
  slo        = slo.interactive
  collect    = [collect.machine]
}

# Too much for it, and so without a promise: how it is overloaded is the finding.
run "overload" {
  runtime    = runtime.austen
  prompt_set = prompt_set.short
  load       = load.flood
  collect    = [collect.machine]
}
