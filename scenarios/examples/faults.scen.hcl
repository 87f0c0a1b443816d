# A server that misbehaves as it is told to: see what each fault looks like in the results.
scenario "faults" {}

runtime "simulated" "flaky" {
  time_to_first_token = "20ms"
  tokens_per_second   = 400

  fault "error" {
    ratio  = 0.05
    status = 503
  }
  fault "truncate" {
    ratio = 0.02
    after = 4
  }
  fault "stall" {
    ratio = 0.02
    for   = "1s"
  }
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

load "constant_rate" "steady" {
  rate_per_second = 40
  requests        = 200
  stall_timeout   = "500ms"
}

run "faults" {
  keep_bodies = "errors"
  runtime     = runtime.flaky
  prompt_set  = prompt_set.short
  load        = load.steady
}
