# Kubernetes: how many chat requests a second does each model hold on GPUs? It plans anywhere and needs a cluster to apply.
scenario "chat_capacity" {
  description = "How many chat requests a second does each model hold within the interactive SLO?"
  tags        = ["capacity", "chat"]
}

variable "prometheus_url" {
  type        = string
  default     = "http://127.0.0.1:9090"
  description = "The Prometheus that scrapes the GPU nodes."
}

variable "peak_rate_per_second" {
  type    = number
  default = 24

  validation {
    condition     = var.peak_rate_per_second > 0
    error_message = "The peak rate must be above zero."
  }
}

locals {
  models = {
    "8b"  = { repo = "meta-llama/Llama-3.1-8B-Instruct", gpus = 1 }
    "70b" = { repo = "meta-llama/Llama-3.1-70B-Instruct", gpus = 4 }
  }

  rates_per_second = linspace(4, var.peak_rate_per_second, 6)
}

# Where runtimes run. Leave node_pool out of a run and it runs on this machine.
node_pool "kubernetes" "gpu" {
  context   = env("LLMSCEN_KUBE_CONTEXT", "")
  namespace = "llm-bench"

  node_selector = {
    "nvidia.com/gpu.product" = "NVIDIA-H100-80GB-HBM3"
  }

  toleration {
    key    = "nvidia.com/gpu"
    effect = "NoSchedule"
  }
}

# Where the load comes from: never on the nodes that it measures.
node_pool "kubernetes" "tools" {
  context   = env("LLMSCEN_KUBE_CONTEXT", "")
  namespace = "llm-bench"

  node_selector = {
    "cloud.google.com/gke-nodepool" = "tools"
  }
}

# What serves the model. One block makes runtime.llama["8b"] and runtime.llama["70b"].
runtime "vllm" "llama" {
  for_each = local.models

  model = each.value.repo
  image = "vllm/vllm-openai:v0.32.0"
  args  = ["--tensor-parallel-size=${each.value.gpus}", "--max-model-len=8192"]

  resources {
    gpus   = each.value.gpus
    memory = "64GiB"
  }

  ready {
    path    = "/health"
    timeout = "15m"
  }
}

# What is asked.
prompt_set "synthetic" "chat" {
  prompts       = 2000
  seed          = 7
  prompt_tokens = lognormal(512, 256)
  output_tokens = lognormal(180, 90)

  shared_prefix {
    tokens = 128
    ratio  = 0.5
  }
}

prompt_set "jsonl" "sharegpt" {
  path   = "prompts/sharegpt.jsonl"
  sample = 500
}

# How it is asked: open shapes keep their schedule whatever the server does ...
load "ramping_rate" "climb" {
  arrivals      = "poisson"
  max_in_flight = 512
  timeout       = "120s"

  stages = [for r in local.rates_per_second : { over = "60s", rate_per_second = r }]
}

# ... closed shapes wait for an answer before they ask again.
load "closed_loop" "saturate" {
  users      = 64
  think_time = "0s"
  over       = "3m"
}

slo "interactive" {
  objective "ttft" { p99 = "500ms" }
  objective "inter_token" { p95 = "40ms" }
  objective "end_to_end" { p99 = "20s" }
  objective "errors" { max_ratio = 0.01 }
}

collect "prometheus" "gpu" {
  url   = var.prometheus_url
  every = "1s"

  series "gpu_utilization" {
    unit  = "percent"
    query = <<-PROMQL
      avg by (gpu) (
        DCGM_FI_DEV_GPU_UTIL{namespace="${target.namespace}", pod=~"${target.pod_pattern}"}
      )
    PROMQL
  }

  series "gpu_memory_used" {
    unit  = "bytes"
    query = "sum(DCGM_FI_DEV_FB_USED{pod=~\"${target.pod_pattern}\"}) * 1024 * 1024"
  }
}

collect "scrape" "engine" {
  every = "500ms"
  keep  = ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"]
}

# A run joins them; its matrix multiplies it; trials repeat each cell for statistics.
run "capacity" {
  matrix = {
    model    = keys(local.models)
    replicas = [1, 2]
  }
  exclude = [{ model = "70b", replicas = 2 }]

  trials    = 5
  order     = "shuffled"
  warm_up   = "30s"
  cool_down = "10s"

  runtime    = runtime.llama[matrix.model]
  replicas   = matrix.replicas
  node_pool  = node_pool.gpu
  prompt_set = prompt_set.chat
  load       = load.climb
  slo        = slo.interactive
  collect    = [collect.gpu, collect.engine]

  client_node_pool = node_pool.tools
  client_workers   = 4
}

run "saturation" {
  trials     = 3
  runtime    = runtime.llama["8b"]
  node_pool  = node_pool.gpu
  prompt_set = prompt_set.sharegpt
  load       = load.saturate
}

warehouse {
  path = "results"
}
