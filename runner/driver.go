package runner

import (
	"context"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Driver starts and stops what a trial measures, on one kind of node pool.
type Driver interface {
	// Start brings the deployment up and returns when it can serve; a deployment that is up already is returned as it is.
	Start(ctx context.Context, d Deployment) (Endpoint, error)
	// Stop takes it down and waits until nothing of it runs; stopping what is not up is no error.
	Stop(ctx context.Context, d Deployment) error
}

// CacheResetter is a driver that can make the caches of what is up cold; without it, or where it fails, a deployment
// whose trials ask for that is started anew.
type CacheResetter interface {
	// ResetCache returns when nothing is left of what earlier requests put into the deployment's caches.
	ResetCache(ctx context.Context, d Deployment) error
}

// Deployment is a runtime on a node pool; trials that need the same one share it.
type Deployment struct {
	// Name is unique within an apply: the runtime's address and eight hex digits of the deployment's digest.
	Name     string
	Runtime  scenarios.Runtime
	NodePool *scenarios.NodePool // nil: this machine
	Replicas int
	// ResetsCache: its trials ask for cold caches, which some engines must be started for.
	ResetsCache bool `json:",omitempty"`
}

// Endpoint is where a deployment answers.
type Endpoint struct {
	Targets []Target
	// Via is service, or round_robin by the client.
	Via string
	// Facts of the server as it really is, where they are known.
	EngineVersion string
	Model         string
	ModelDigest   string
	Quantization  string
	ContextTokens int
	// ServedAs is how requests call the model; "": as the scenario does.
	ServedAs string
	// LoadTook is how long of its start passed between the first sign of life of its server, be it that it is not ready, and
	// its readiness: the load of the model, where servers live before. 0: not told.
	LoadTook time.Duration
	// Findings hears, in a sentence each, what befell a deployment that lives on, as a child that was killed for memory.
	// nil: nothing can be told.
	Findings <-chan string
	// Died is closed when a process of the deployment ends unasked; Death then says how, in one sentence. nil where the
	// driver can't tell (an endpoint that runs elsewhere).
	Died  <-chan struct{}
	Death func() string
}

// Target is one process or pod that answers.
type Target struct {
	ID         string
	URL        string // base, without a path
	MetricsURL string
	Pod        string
	Node       string
	PID        int    // 0: not on this machine
	Cgroup     string // folder of its own cgroup; "" where it has none
}

// Collector samples resources of one trial until ctx ends; then it writes what it holds and returns nil.
type Collector interface {
	Collect(ctx context.Context, sink SampleSink) error
}

// SampleSink takes resource series and their samples; a series is written before its first sample.
type SampleSink interface {
	WriteSeries([]tables.Series) error
	WriteSamples([]tables.Sample) error
}
