# A small apply for the notebook that compares runtimes: three of them, two loads, and enough repetitions for an interval.
# Two are the same server with other speeds, and the third is a real small model, so that its answers are others.

scenario "compare_runtimes" {}

runtime "simulated" "steady" {
  time_to_first_token = lognormal("25ms", "3ms")
  inter_token_latency = lognormal("6ms", "1ms")
  parallel            = 8
}

runtime "simulated" "swift" {
  time_to_first_token = lognormal("18ms", "3ms")
  inter_token_latency = lognormal("4ms", "1ms")
  parallel            = 8
}

runtime "wasm" "austen" {}

prompt_set "synthetic" "short" {
  prompts       = 50
  seed          = 11
  prompt_tokens = 16
  output_tokens = 12
}

load "constant_rate" "level" {
  for_each = { "10" = 10, "40" = 40 }

  rate_per_second = each.value
  arrivals        = "poisson"
  over            = "2s"
}

collect "procfs" "here" {}

run "side_by_side" {
  matrix = {
    runtime = [runtime.steady, runtime.swift, runtime.austen]
    rate    = ["10", "40"]
  }
  trials = 4
  order  = "interleaved"
  rest   = "0s"

  warm_up    = "500ms"
  runtime    = matrix.runtime
  prompt_set = prompt_set.short
  load       = load.level[matrix.rate]
  collect    = [collect.here]
}
