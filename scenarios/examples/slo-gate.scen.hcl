# A gate for CI: exit status 0 where every promise is kept, 4 where one is missed, 6 where the data can't tell.
scenario "slo_gate" {}

runtime "simulated" "toy" {
  time_to_first_token = lognormal("40ms", "10ms")
  inter_token_latency = lognormal("4ms", "1ms")
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

load "constant_rate" "steady" {
  rate_per_second = 80
  requests        = 800
  arrivals        = "poisson"
}

slo "interactive" {
  objective "ttft" {
    p50 = "100ms"
    p99 = "200ms"
  }
  objective "inter_token" { p95 = "30ms" }
  objective "end_to_end" { p99 = "1s" }
  objective "errors" { max_ratio = 0.02 }
  objective "goodput" { min_ratio = 0.9 }
}

run "gate" {
  runtime    = runtime.toy
  prompt_set = prompt_set.short
  load       = load.steady
  slo        = slo.interactive
}
