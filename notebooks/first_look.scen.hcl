# A small apply for the notebooks: three loads on a runtime of known latencies, the last of them more than it can serve.

scenario "first_look" {}

runtime "simulated" "toy" {
  time_to_first_token = "20ms"
  tokens_per_second   = 100
  parallel            = 2
}

prompt_set "synthetic" "short" {
  prompts       = 50
  seed          = 7
  prompt_tokens = 16
  output_tokens = 12
}

load "constant_rate" "level" {
  for_each = { "3" = 3, "9" = 9, "18" = 18 }

  rate_per_second = each.value
  arrivals        = "poisson"
  over            = "6s"
}

collect "procfs" "here" {}

run "levels" {
  matrix = { rate = ["3", "9", "18"] }
  trials = 2
  rest   = "0s"

  warm_up    = "1s"
  runtime    = runtime.toy
  prompt_set = prompt_set.short
  load       = load.level[matrix.rate]
  collect    = [collect.here]
}
