# A server that a command starts: llama.cpp's, on a free port, stopped after the run.
scenario "command" {}

variable "model" {
  type        = string
  default     = "model.gguf"
  description = "The GGUF file that the server reads."
}

runtime "command" "llama" {
  command = ["llama-server", "--model", var.model, "--host", "127.0.0.1", "--port", "${port}", "--metrics"]

  metrics_path = "/metrics"

  resources {
    memory = "8GiB"
  }

  ready {
    path    = "/health"
    timeout = "2m"
  }
}

prompt_set "synthetic" "chat" {
  prompt_tokens = 200
  output_tokens = 60
}

load "closed_loop" "one_user" {
  users = 1
  over  = "20s"
}

run "command" {
  warm_up    = "2s"
  runtime    = runtime.llama
  prompt_set = prompt_set.chat
  load       = load.one_user
}
