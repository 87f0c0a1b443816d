# What gives way: finds the capacity, then loads the runtime at half of it, at all of it, at twice as much, and at half again.
scenario "stress" {}

# Four requests at once, 16 that wait, and 503 for the rest.
runtime "simulated" "small" {
  time_to_first_token = "40ms"
  tokens_per_second   = 400
  parallel            = 4
  queue_limit         = 16
}

prompt_set "synthetic" "short" {
  prompt_tokens = 16
  output_tokens = 8
}

slo "interactive" {
  objective "ttft" { p90 = "150ms" }
  objective "errors" { max_ratio = 0.01 }
}

load "search" "limits" {
  from      = 25
  to        = 200
  tolerance = 0.25
  requests  = 100
  arrivals  = "poisson"

  then = [
    { over = "2s", capacity_ratio = 0.5 },
    { over = "2s", capacity_ratio = 1 },
    { over = "2s", capacity_ratio = 2 },
    { over = "3s", capacity_ratio = 0.5 },
  ]
}

run "limits" {
  runtime    = runtime.small
  prompt_set = prompt_set.short
  load       = load.limits
  slo        = slo.interactive
}
