# What the check counts: answers and errors of a server whose ways are known.
scenario "prometheus_check" {}

runtime "simulated" "server" {
  time_to_first_token = "30ms"
  tokens_per_second   = 200

  fault "error" {
    ratio  = 0.1
    status = 503
  }
}

prompt_set "synthetic" "short" {
  prompts       = 20
  output_tokens = 8
}

load "constant_rate" "counted" {
  rate_per_second = 40
  requests        = 160
}

load "constant_rate" "while_scraped" {
  rate_per_second = 5
  over            = "2m"
}

run "counted" {
  warm_up    = "1s"
  runtime    = runtime.server
  prompt_set = prompt_set.short
  load       = load.counted
}

# Keeps /metrics there until the last counts have been scraped; then it is interrupted.
run "while_scraped" {
  runtime    = runtime.server
  prompt_set = prompt_set.short
  load       = load.while_scraped
}
