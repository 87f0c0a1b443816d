# Two runtimes side by side: is the second one really faster? `llmscen compare --by runtime` tells, or says that it can't.
scenario "compare_two" {
  description = "Is the candidate faster than what we have?"
}

runtime "simulated" "current" {
  time_to_first_token = lognormal("40ms", "8ms")
  inter_token_latency = lognormal("5ms", "1ms")
}

runtime "simulated" "candidate" {
  time_to_first_token = lognormal("30ms", "8ms")
  inter_token_latency = lognormal("5ms", "1ms")
}

prompt_set "synthetic" "short" {
  prompts       = 100
  prompt_tokens = 64
  output_tokens = 16
}

load "constant_rate" "steady" {
  rate_per_second = 20
  over            = "2s"
  arrivals        = "poisson"
}

# Interleaved trials meet the same drift of the machine, and each repetition sends both the same load.
run "side_by_side" {
  matrix = { runtime = [runtime.current, runtime.candidate] }

  trials     = 6
  order      = "interleaved"
  runtime    = matrix.runtime
  prompt_set = prompt_set.short
  load       = load.steady
}
