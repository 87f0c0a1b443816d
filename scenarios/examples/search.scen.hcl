# The highest rate that meets a promise: brackets it, bisects, and stops at the knee. It plans; this version does not make it.
scenario "search" {}

runtime "simulated" "four_slots" {
  time_to_first_token = "50ms"
  tokens_per_second   = 200
  parallel            = 4
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

slo "interactive" {
  objective "ttft" { p95 = "200ms" }
}

load "search" "knee" {
  from      = 1
  to        = 100
  tolerance = 0.05
  over      = "10s"
}

run "knee" {
  runtime    = runtime.four_slots
  prompt_set = prompt_set.short
  load       = load.knee
  slo        = slo.interactive
}
