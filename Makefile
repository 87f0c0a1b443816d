# llmscen. `make help` lists the targets; what a target needs is installed by it, pinned, below .tools/ and .venv/.

GO          ?= go
BIN         := bin/llmscen
TOOLS       := $(CURDIR)/.tools
GOLANGCI    := $(TOOLS)/golangci-lint-2.15.0
BENCHSTAT   := $(TOOLS)/benchstat-20260908
GO_SOURCES  := $(shell find . -name '*.go' -not -path './.*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help build quickstart test test-all bench lint fmt docs check notebooks interop wasm-check prometheus-check \
	report-check report-bundle engines engines-background engines-check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

build: ## build bin/llmscen
	$(GO) build -o $(BIN) ./cmd/llmscen

quickstart: build ## build, then benchmark a small LLM on this machine
	$(BIN) apply --yes scenarios/examples/quickstart.scen.hcl

test: ## the tests that need neither root nor anything installed
	$(GO) vet ./...
	$(GO) test -parallel 8 -timeout 30m ./...

test-all: engines-background test check wasm-check notebooks interop prometheus-check report-check engines-check ## every test; installs what it needs

check: lint ## vet, lint, and the tests under the race detector
	$(GO) vet ./...
	$(GO) test -race -parallel 8 -timeout 30m ./...

lint: $(GOLANGCI) ## golangci-lint
	$(GOLANGCI) run ./...
	$(GOLANGCI) run --build-tags engines ./deploy/engines/...

fmt: ## format Go code and the example scenarios
	gofmt -w $(GO_SOURCES)
	$(GO) run ./cmd/llmscen fmt scenarios/examples

docs: build ## write the generated pages of docs/reference
	$(GO) test ./cmd/llmscen/cli -run 'TestTheReference' -update

bench: $(BENCHSTAT) build ## benchmarks: ratios within one run; wants an idle machine
	GO=$(GO) ./deploy/bench.sh $(BENCHSTAT)

notebooks: build ## execute the notebooks on a warehouse that is made here
	./notebooks/run.sh $(BIN)

interop: build ## read a warehouse with pyarrow, polars and other versions of DuckDB
	./notebooks/interop.sh $(BIN)

prometheus-check: build ## scrape an apply by a real Prometheus, and compare with the warehouse
	GO=$(GO) ./deploy/prometheus/check.sh $(BIN)

report-check: build ## rebuild the bundle of the HTML report and compare it, then open a report in Chromium
	./warehouse/report/html/bundle/build.sh --check
	GO=$(GO) ./deploy/report/check.sh $(BIN)

report-bundle: ## build the bundle that the HTML report carries from its pinned packages
	./warehouse/report/html/bundle/build.sh

wasm-check: ## rebuild the WASM guest and compare it with the one in the repository
	./runner/embedded/wasm/guest/build.sh --check

engines: ## build Ollama, llama.cpp's server and wllama below .engines; minutes, the first time
	GO=$(GO) ./deploy/engines/build.sh

engines-background: ## begin with the one that takes minutes; `make engines` waits for it
	GO=$(GO) nohup nice -n 19 ./deploy/engines/build.sh ollama >/dev/null 2>&1 </dev/null &

engines-check: engines build ## hold llmscen against each of them: answers, rows, faults, and fifty deaths
	$(GO) test -tags engines -count=1 -timeout 30m -v ./deploy/engines/check

$(GOLANGCI):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(BENCHSTAT):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
	mv $(TOOLS)/benchstat $@

clean: ## remove what was built, not results
	rm -rf bin .tools .venv .engines
