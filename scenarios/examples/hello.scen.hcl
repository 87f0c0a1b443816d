# The smallest scenario: fifty requests to a simulated server, in ten seconds.
scenario "hello" {}

runtime "simulated" "toy" {
  time_to_first_token = "40ms"
  tokens_per_second   = 80
}

prompt_set "synthetic" "short" {
  prompts = 50
}

load "constant_rate" "gentle" {
  rate_per_second = 5
  over            = "10s"
}

run "hello" {
  runtime    = runtime.toy
  prompt_set = prompt_set.short
  load       = load.gentle
}
