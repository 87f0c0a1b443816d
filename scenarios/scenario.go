// Package scenarios is what a scenario is, as plain values: what is asked of which runtime, how, and what is promised.
//
// The language that people write is in scenarios/lang, which turns files into a Scenario.
package scenarios

import (
	"time"

	"github.com/llmscen/llmscen/scenarios/diag"
)

// Scenario is everything that one file, or one folder of files, declares; all references are resolved.
type Scenario struct {
	Name        string
	Description string
	Tags        []string
	Runs        []Run
	Warehouse   Warehouse
	// Dir is the scenario's folder: files that it names lie below it.
	Dir string
	// Sources are the texts that it was read from, by file name, in the order of reading.
	Sources []Source
	// SHA256 is the digest, in hex, of the sources, of the values of variables that are not sensitive, and of what file()
	// and env() read.
	SHA256 string
	// EnvRead lists the names of the environment variables that were read.
	EnvRead []string
	// Variables are the values that were used, as HCL text; sensitive ones say (sensitive).
	Variables map[string]string
}

// Source is one file of a scenario.
type Source struct {
	Name string
	Text string
}

// Block is what every declared block has.
type Block struct {
	// Addr is the reference without its kind, as in `runtime.llama["8b"]`.
	Addr string
	// Decl is where it was declared.
	Decl diag.Range `json:"-"`
}

// Warehouse says where results go.
type Warehouse struct {
	Block
	// Path is a folder, absolute or relative to the scenario's folder, or an object store's URL; "" means results.
	Path string
}

// Order says in which order the trials of a run are made.
type Order string

// The orders of trials.
const (
	OrderListed      Order = "listed"      // cell by cell, repetitions together
	OrderShuffled    Order = "shuffled"    // shuffled within a deployment
	OrderInterleaved Order = "interleaved" // repetition by repetition over all cells: the default
)

// Reset says what is made fresh before each trial.
type Reset string

// What is made fresh before each trial.
const (
	ResetNone    Reset = "none"
	ResetCache   Reset = "cache"
	ResetRuntime Reset = "runtime"
)

// KeepBodies says whose prompts and outputs are stored.
type KeepBodies string

// Whose prompts and outputs are stored.
const (
	KeepNone   KeepBodies = "none"
	KeepErrors KeepBodies = "errors"
	KeepAll    KeepBodies = "all"
)

// Run joins a runtime, a prompt set, a load and objectives; its matrix multiplies it into cells.
type Run struct {
	Block
	Name   string
	Cells  []Cell
	Trials int // repetitions of each cell, at least 1
	Order  Order
	Seed   int64
}

// Cell is one choice of everything in a run.
type Cell struct {
	// Values are the matrix keys and what they are here; references as addresses.
	Values map[string]string
	// Numbers are those of Values that are numbers.
	Numbers  map[string]float64
	Replicas int

	Runtime        Runtime
	NodePool       *NodePool // nil: this machine
	ClientNodePool *NodePool // nil: this machine
	ClientWorkers  int       // at least 1
	PromptSet      PromptSet
	Load           Load
	SLO            *SLO
	Collects       []Collect

	WarmUp     time.Duration // before the shape, at its first rate or users: stored and marked, never measured
	CoolDown   time.Duration // after it, at its last
	Rest       time.Duration // idle before the next trial
	Reset      Reset
	KeepBodies KeepBodies
	Sampling   Sampling
}

// NodePool is a place where processes run.
type NodePool struct {
	Block
	Kind string // local or kubernetes

	// Local: limits on what runs here; zero is no limit.
	CPUs   float64
	Memory Bytes

	// Kubernetes.
	Context       string
	Namespace     string // "" means llm-bench
	NodeSelector  map[string]string
	Tolerations   []Toleration
	Affinity      map[string][]string // required node labels: any of the values
	PriorityClass string
	GPUResource   string // "" means nvidia.com/gpu

	PricePerHour  float64 // of one node; 0: not known
	PriceCurrency string
}

// Toleration lets pods onto tainted nodes.
type Toleration struct {
	Key      string
	Operator string
	Value    string
	Effect   string
}
