# A server that runs already: give its address with --var url=http://HOST:PORT and its model with --var model=NAME.
scenario "endpoint" {}

variable "url" {
  type        = string
  default     = "http://127.0.0.1:8000"
  description = "The server's base, without /v1."
}

variable "model" {
  type        = string
  default     = "default"
  description = "The model's name, as the server knows it."
}

runtime "endpoint" "server" {
  url   = var.url
  model = var.model

  # Where the server wants a key, it is taken from the environment and never stored:
  # api_key = secret("env:OPENAI_API_KEY")
}

prompt_set "synthetic" "chat" {
  prompts       = 200
  prompt_tokens = lognormal(200, 100, 16, 1000)
  output_tokens = lognormal(60, 30, 8, 256)
}

load "constant_rate" "gentle" {
  rate_per_second = 2
  over            = "20s"
  arrivals        = "poisson"
}

run "endpoint" {
  warm_up    = "2s"
  runtime    = runtime.server
  prompt_set = prompt_set.chat
  load       = load.gentle
}
