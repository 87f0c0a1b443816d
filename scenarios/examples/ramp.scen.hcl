# A load that climbs in steps: where does a server begin to queue?
scenario "ramp" {}

runtime "simulated" "slow" {
  time_to_first_token = "50ms"
  tokens_per_second   = 100
  parallel            = 4
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

# Each step is a stage with figures of its own.
load "ramping_rate" "steps" {
  arrivals = "poisson"
  stages   = [for r in linspace(5, 30, 6) : { over = "2s", rate_per_second = r, step = true }]
}

run "climb" {
  runtime    = runtime.slow
  prompt_set = prompt_set.short
  load       = load.steps
}
