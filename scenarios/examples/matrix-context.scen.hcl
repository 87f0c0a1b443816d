# A grid: how does the time to the first token grow with the length of the prompt, and with users at once?
scenario "matrix_context" {}

locals {
  lengths = [64, 256, 1024]
}

runtime "simulated" "toy" {
  time_to_first_token       = "20ms"
  tokens_per_second         = 400
  prefill_tokens_per_second = 20000
  parallel                  = 4
}

# One block makes prompt_set.of["64"], prompt_set.of["256"] and so on.
prompt_set "synthetic" "of" {
  for_each = toset([for n in local.lengths : tostring(n)])

  prompts       = 50
  prompt_tokens = each.key
  output_tokens = 8
}

load "closed_loop" "users" {
  for_each = { one = 1, eight = 8 }

  users = each.value
  over  = "2s"
}

run "grid" {
  matrix = {
    prompt_tokens = local.lengths
    users         = ["one", "eight"]
  }
  # The longest prompts with many users are left out.
  exclude = [{ prompt_tokens = 1024, users = "eight" }]

  runtime    = runtime.toy
  prompt_set = prompt_set.of[matrix.prompt_tokens]
  load       = load.users[matrix.users]
}
