# Your own prompts: a JSON object a line, with a prompt or messages, and maybe the wanted length of the answer.
scenario "prompts_from_file" {}

runtime "simulated" "toy" {
  time_to_first_token = "40ms"
  tokens_per_second   = 200
}

# The file lies below the scenario's folder, and is never read whole: it may be large.
prompt_set "jsonl" "questions" {
  path = "prompts/questions.jsonl"
}

load "constant_rate" "gentle" {
  rate_per_second = 10
  requests        = 50
}

run "questions" {
  keep_bodies = "all"
  runtime     = runtime.toy
  prompt_set  = prompt_set.questions
  load        = load.gentle
}
