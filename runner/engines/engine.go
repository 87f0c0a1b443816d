// Package engines is the table of what each engine needs: its program and its image, their arguments, when it can serve,
// what it tells of itself, and the traps that are known.
//
// A row is data and pure functions, so that a driver that starts processes and one that deploys containers start the
// same server. What a row asks of a server that runs goes over HTTP, through the driver's own client.
package engines

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/llmscen/llmscen/scenarios"
)

// Engine is what one engine needs.
type Engine struct {
	// Name is the kind of its runtime block.
	Name  string
	Title string
	// Carried engines are in llmscen itself.
	Carried bool
	// Programs are the names that its program has, the one that is looked for first in front; none: llmscen has no
	// command for it.
	Programs []string
	// Files are what the program needs beside a model; they are looked for where programs are.
	Files []string
	// Image is the one that is deployed where a scenario names none; "": there is none to be had, a scenario names its own.
	Image string
	// ImageCommand takes the place of the image's own entry point; empty: that one is right.
	ImageCommand []string
	// ImagePort is where it listens in a container; 0: where it is told to, which a command must say itself.
	ImagePort int
	// ModelStore is the folder of a container where it keeps models that it fetched; "": it fetches none.
	ModelStore string
	// SharedMemory is what it needs at /dev/shm; 0: no more than usual.
	SharedMemory scenarios.Bytes
	// Ready is the path that is answered with a status of 2xx once it can serve; "": what its protocol has.
	Ready string
	// ReadyTimeout is how long that may take, a model's loading included, where a scenario says nothing.
	ReadyTimeout time.Duration
	// Protocols it speaks, the usual one first; empty: any.
	Protocols []string
	// Headers are sent with each request, unless the scenario says them itself.
	Headers map[string]string
	// TakesFiles: a model may be a GGUF file.
	TakesFiles bool
	// TakesNames: a model may be a name that the engine knows.
	TakesNames bool
	// Workers: it serves a model by a process of its own, with which the requests end that it works on.
	Workers bool
	// MetricsPath is where it shows Prometheus metrics; "": it shows none.
	MetricsPath string
	// Keep are the metrics worth keeping, by the names of their families; empty: all.
	Keep []string
	// Model, Identity and Reset say in a few words what a model may be, where version and digest come from, and how its
	// cache is made cold; Reset is "" where it can't be.
	Model    string
	Identity string
	Reset    string
	// Traps are what surprised those who measured it, a sentence each.
	Traps []string
	// Tried says with what it was run for real, or that it was not.
	Tried string

	arguments   func(s Start, l *line)
	environment func(Start) map[string]string
	prepare     func(context.Context, caller, Start) (Facts, error)
	reset       func(context.Context, caller, Start) error
}

// Start is one start of an engine.
type Start struct {
	// Model is what the scenario says.
	Model string
	// File is the model's GGUF as the server sees it; "": the engine knows the model by its name.
	File string
	// SHA256 (hex) and Architecture are those of File.
	SHA256       string
	Architecture string
	// HostFile is File as this process sees it, for an engine that is given its model over HTTP.
	HostFile string
	// Name is how requests call the model.
	Name string
	// Host and Port are where it is to listen.
	Host string
	Port int
	// ContextTokens, Parallel and Threads are 0 where the engine's own are right.
	ContextTokens int
	Parallel      int
	Threads       int
	// ResetsCache: the cache will be made cold between trials, so that what this needs is switched on.
	ResetsCache bool
	// Fetch lets it fetch a model that it does not have.
	Fetch bool
	// Store is the folder where it keeps the model, on this machine; "": its own.
	Store string
	// Files are where the engine's Files are, in their order.
	Files []string
	// Program are the arguments that a scenario's command has after the program, and Args those of its args.
	Program, Args []string
}

// StartOf is how a runtime is started, without what only a driver knows: where its model's file is, and where it
// listens. cpus is what it may use, 0 where that is not limited: an engine that counts the machine's processors would
// start more threads than it may run.
func StartOf(r scenarios.Runtime, cpus float64) Start {
	s := Start{
		Model: r.Model, Name: r.Model, ContextTokens: r.ContextTokens, Parallel: r.Parallel, Threads: r.Threads, Args: r.Args,
	}
	if len(r.Command) > 0 {
		s.Program = r.Command[1:]
	}
	if s.Threads == 0 && cpus > 0 {
		s.Threads = max(int(cpus), 1)
	}
	return s
}

// NameOf is how requests call the model of a file.
func NameOf(file string) string { return strings.TrimSuffix(path.Base(file), ".gguf") }

// Facts are what a server that runs tells of itself; what it does not tell is zero.
type Facts struct {
	Version       string
	ModelDigest   string
	Quantization  string
	ContextTokens int
	// Notes are sentences for those who read the results.
	Notes []string
}

// Find is the row of an engine.
func Find(name string) (*Engine, bool) {
	i := slices.IndexFunc(table, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return nil, false
	}
	return &table[i], true
}

// All are the rows of the table.
func All() []Engine { return slices.Clone(table) }

// Starts tells whether llmscen has a command line for the engine, beside one that a scenario gives.
func (e *Engine) Starts() bool { return e.arguments != nil }

// Speaks tells whether the engine has a protocol.
func (e *Engine) Speaks(protocol string) bool {
	return len(e.Protocols) == 0 || slices.Contains(e.Protocols, protocol)
}

// Arguments are what follows the program (or the entry point of the image): those of the scenario's command, those that
// the engine needs, and the scenario's args. One that a scenario says itself is not said twice.
func (e *Engine) Arguments(s Start) []string {
	l := &line{given: slices.Concat(s.Program, s.Args)}
	if e.arguments != nil {
		e.arguments(s, l)
	}
	return slices.Concat(s.Program, l.args, s.Args)
}

// Environment are the variables that the engine needs; a scenario's own go over them.
func (e *Engine) Environment(s Start) map[string]string {
	if e.environment == nil {
		return map[string]string{}
	}
	return e.environment(s)
}

// Prepare makes a server that answers ready for requests (its model made known, loaded) and asks what it is. What a
// server does not tell is no error; that it can't serve the model is.
func (e *Engine) Prepare(ctx context.Context, client *http.Client, base string, s Start) (Facts, error) {
	if e.prepare == nil {
		return Facts{}, nil
	}
	return e.prepare(ctx, caller{client, base}, s)
}

// CanResetCache tells whether the engine's cache can be made cold while it runs.
func (e *Engine) CanResetCache() bool { return e.Reset != "" }

// ResetCache makes the cache of a server that runs cold. An engine that caches nothing has nothing to do.
func (e *Engine) ResetCache(ctx context.Context, client *http.Client, base string, s Start) error {
	if e.reset == nil {
		return nil
	}
	return e.reset(ctx, caller{client, base}, s)
}
