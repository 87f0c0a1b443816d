package scenarios

import "time"

// Runtime is a server under test: which engine serves which model, and how it is reached.
type Runtime struct {
	Block
	Engine   string // the kind: wasm, simulated, endpoint, command, ollama, llamacpp, …
	Protocol string // openai, openai_completions, ollama, ollama_generate, tgi
	Model    string
	// ModelFile is the absolute path of the GGUF that Model names, below the scenario's folder; "": Model is a name that
	// the engine knows, or a path in its image.
	ModelFile string `json:",omitempty"`
	Image     string
	Command   []string
	Args      []string
	Env       map[string]string

	URL  string // endpoint: the base, as in http://127.0.0.1:8000
	Port int    // command: where it listens; 0: a free one takes the place of ${port} in the arguments

	ContextTokens int
	Parallel      int
	Threads       int

	Resources   Resources
	Ready       Ready
	TLS         TLS
	MetricsPath string
	APIKey      Secret
	Headers     map[string]string
	Proxy       string
	ExtraBody   map[string]any // JSON values merged into each request
	Retry       *Retry         // nil: no request is tried again
	Sampling    Sampling

	AllowMetadata bool // let it be at a cloud's metadata address
	AllowPublic   bool // let it be at a public address

	Simulated *Simulated // engine simulated only
}

// Resources are what a runtime may use; zero is no limit.
type Resources struct {
	CPUs   float64
	Memory Bytes
	GPUs   float64
}

// Ready says how it is known that a runtime can serve.
type Ready struct {
	Path    string        // "" means what the engine has
	Timeout time.Duration // 0 means what the engine has
}

// TLS says how a server's certificate is judged.
type TLS struct {
	CAFile             string // absolute
	InsecureSkipVerify bool
}

// Retry says when a failed request is tried again.
type Retry struct {
	Attempts   int // at most, the first included
	Backoff    time.Duration
	MaxBackoff time.Duration
	Statuses   []int // HTTP statuses; empty means 429 and 503
}

// Sampling says how tokens are chosen.
type Sampling struct {
	Temperature float64
	TopP        float64 // 0: not sent
	Seed        *int64
	IgnoreEOS   *bool // nil: where the engine can
}

// Secret is a reference to a text that is never rendered: `env:NAME` or `file:PATH`.
type Secret string

// String hides even the reference's value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(sensitive)"
}

// Simulated is a server of known latencies: the ground truth.
type Simulated struct {
	TimeToFirstToken       Distribution  // seconds
	InterTokenLatency      Distribution  // seconds
	Jitter                 *Distribution // seconds, added to each token's time
	PrefillTokensPerSecond float64       // 0: prompts cost nothing
	Parallel               int           // slots; 0: as many as there are requests
	QueueLimit             int           // requests that may wait for a slot; 0: no limit; beyond: 503
	TokensPerChunk         int           // at least 1
	RoleChunk              string        // none, early, first
	ReasoningTokens        int
	Faults                 []Fault
}

// Fault is a misbehaviour of the simulated server.
type Fault struct {
	Kind   string        // error, in_stream_error, truncate, garble, stall, reset, slow_accept
	Ratio  float64       // share of the requests that suffer it, chosen by the seed; 0 when At is used
	At     time.Duration // since the server's start
	For    time.Duration // with At: how long; with Ratio: a stall's or a slow accept's length
	Status int           // error: the HTTP status; 0 means 500
	After  int           // in-stream faults: after so many tokens; 0 means half of them
	Seed   int64
}
