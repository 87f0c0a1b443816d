# What does a user wait for when nothing runs? Five cold starts of a real small model, and what of each is which phase.
scenario "cold_start" {}

runtime "wasm" "austen" {
  context_tokens = 512
}

prompt_set "synthetic" "short" {
  prompt_tokens = 16
  output_tokens = 8
}

# Stops the runtime, starts it, asks once; five times.
load "cold_start" "from_zero" {
  requests = 5
}

run "from_zero" {
  runtime    = runtime.austen
  prompt_set = prompt_set.short
  load       = load.from_zero
}
