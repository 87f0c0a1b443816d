# Users who wait for an answer before they ask again: how much do four, eight, sixteen of them get?
scenario "closed_loop" {}

runtime "simulated" "eight_slots" {
  time_to_first_token = "30ms"
  tokens_per_second   = 200
  parallel            = 8
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

# A closed load never outruns the server, so its latencies say little about an open world: look at the throughput.
load "closed_loop" "users" {
  think_time = "50ms"

  stages = [
    { over = "2s", users = 4, step = true },
    { over = "2s", users = 8, step = true },
    { over = "2s", users = 16, step = true },
  ]
}

run "users" {
  runtime    = runtime.eight_slots
  prompt_set = prompt_set.short
  load       = load.users
}
