# The highest rate that meets a promise: doubles the rate until the promise is broken, then halves what lies between.
scenario "search" {}

# Two requests at once, of 20 ms and seven gaps of 2.5 ms: no more than 53 a second.
runtime "simulated" "two_slots" {
  time_to_first_token = "20ms"
  tokens_per_second   = 400
  parallel            = 2
}

prompt_set "synthetic" "short" {
  prompt_tokens = 16
  output_tokens = 8
}

slo "interactive" {
  objective "ttft" { p90 = "100ms" }
  objective "errors" { max_ratio = 0.01 }
}

load "search" "knee" {
  from      = 25
  to        = 200
  tolerance = 0.1
  requests  = 100
}

run "knee" {
  runtime    = runtime.two_slots
  prompt_set = prompt_set.short
  load       = load.knee
  slo        = slo.interactive
}
