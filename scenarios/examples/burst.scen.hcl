# Spikes on a floor: how long does a server with four slots take to recover from each?
scenario "burst" {}

runtime "simulated" "four_slots" {
  time_to_first_token = "50ms"
  tokens_per_second   = 200
  parallel            = 4
  queue_limit         = 40
}

prompt_set "synthetic" "short" {
  output_tokens = 16
}

load "burst" "spikes" {
  floor_per_second = 5
  peak_per_second  = 60
  width            = "500ms"
  every            = "3s"
  over             = "9s"
  arrivals         = "poisson"
}

run "spikes" {
  runtime    = runtime.four_slots
  prompt_set = prompt_set.short
  load       = load.spikes
}
