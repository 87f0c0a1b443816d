// Package local runs deployments on this machine, each in processes and, where that is possible, in a cgroup of its own:
// the embedded runtimes as children of the same binary; the engines of the table in runner/engines, and commands, under a
// supervisor, or in a container where they have an image; and endpoints, which run already.
//
// No process outlives the one that started it: a child is killed by the kernel when its parent's thread ends, ends by
// itself when its standard input does, and a command's supervisor kills all that came from the command, and removes its
// container.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/scenarios"
)

// The hidden commands of the binary that a driver starts as its children.
const (
	ServeRuntimeCommand = "serve-runtime" // calls ServeRuntime
	SuperviseCommand    = "supervise"     // calls Supervise
)

// Options are the settings of a driver; the zero value works.
type Options struct {
	// Executable has the hidden commands; "" means the program that runs.
	Executable string
	// Dir is where processes run, and what relative paths in commands are relative to; "" means the current folder.
	Dir string
	// Journal hears of each process before it is waited for, and of its end; nil: nobody does. An error stops the start.
	Journal func(runner.Entry) error
	// Note hears one sentence each of what a start goes through and what could not be had; nil: nobody does.
	Note func(string)
	// Transport is how a runtime is asked whether it is ready; nil means plain HTTP, without a proxy.
	Transport func(scenarios.Runtime) (http.RoundTripper, error)
	// SearchDir is where the search for the programs of engines begins; "" means the current folder.
	SearchDir string
	// CacheDir keeps what a second start need not make again; "" means llmscen in the user's cache folder.
	CacheDir string
	// StopGrace is how long a process may take to end by itself; 0 means 5 s.
	StopGrace time.Duration
}

// Driver starts and stops deployments on this machine, one call at a time.
type Driver struct {
	o Options

	mu     sync.Mutex
	up     map[string]*unit
	models map[string]*model // whose files were read, by path
}

var (
	_ runner.Driver        = (*Driver)(nil)
	_ runner.CacheResetter = (*Driver)(nil)
)

// unit is one deployment that was started.
type unit struct {
	endpoint runner.Endpoint
	process  *process // nil: an endpoint, which is not ours
	cgroup   *cgroup  // nil: none
	// container is what its process runs; nil: none.
	container *container
	entries   []runner.Entry
	cpus      []int // that it has for itself
	death     func() string
	grace     time.Duration               // to end by itself
	alive     time.Time                   // when its server first answered, ready or not; zero: not known
	reset     func(context.Context) error // nil: what it caches stays
	workers   *workers                    // nil: it has none, or is all that there is of it
}

// New makes a driver with nothing up.
func New(o Options) *Driver {
	if o.Journal == nil {
		o.Journal = func(runner.Entry) error { return nil }
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Transport == nil {
		o.Transport = func(scenarios.Runtime) (http.RoundTripper, error) { return &http.Transport{}, nil }
	}
	if o.StopGrace == 0 {
		o.StopGrace = 5 * time.Second
	}
	return &Driver{o: o, up: map[string]*unit{}, models: map[string]*model{}}
}

// Start starts the deployment's process and returns when it can serve. A process that ends before is an error with its
// last lines. When ctx ends first, nothing of it is left; after Start has returned, ctx has no part in it.
func (d *Driver) Start(ctx context.Context, dep runner.Deployment) (runner.Endpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.up[dep.Name]; u != nil {
		if u.process == nil || !u.process.ended() {
			return u.endpoint, nil
		}
		if err := d.takeDown(u); err != nil {
			return runner.Endpoint{}, fmt.Errorf("clearing away %s: %w", dep.Name, err)
		}
		delete(d.up, dep.Name)
	}
	if dep.Replicas > 1 {
		return runner.Endpoint{}, fmt.Errorf("starting %s: %d replicas were asked for, and on this machine there is one of each", dep.Runtime.Addr, dep.Replicas)
	}
	u, err := d.start(ctx, dep)
	if err != nil {
		return runner.Endpoint{}, fmt.Errorf("starting %s: %w", dep.Runtime.Addr, err)
	}
	d.up[dep.Name] = u
	return u.endpoint, nil
}

func (d *Driver) start(ctx context.Context, dep runner.Deployment) (*unit, error) {
	dep.Runtime = d.named(dep.Runtime)
	r := dep.Runtime
	if r.Engine == "endpoint" {
		return d.reach(ctx, dep)
	}
	e, known := engines.Find(r.Engine)
	if !known {
		return nil, fmt.Errorf("engine %s is not one that this version knows", r.Engine)
	}
	u := &unit{grace: d.o.StopGrace}
	if r.Image == "" {
		d.house(u, dep)
	}
	var err error
	switch {
	case e.Carried:
		err = d.startEmbedded(ctx, u, dep)
	case e.Starts():
		err = d.startEngine(ctx, u, dep, e)
	default:
		err = d.startCommand(ctx, u, dep, e)
	}
	if err != nil {
		return nil, errors.Join(err, d.takeDown(u))
	}
	return u, nil
}

// ResetCache makes what the deployment has cached cold.
func (d *Driver) ResetCache(ctx context.Context, dep runner.Deployment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.up[dep.Name]
	if u == nil {
		return fmt.Errorf("resetting the cache of %s: it is not up", dep.Runtime.Addr)
	}
	if u.reset == nil {
		return fmt.Errorf("resetting the cache of %s: engine %s has no way", dep.Runtime.Addr, dep.Runtime.Engine)
	}
	reset := func() error { return u.reset(ctx) }
	if u.workers != nil { // which a reset may end
		reset = func() error { return u.workers.around(func() error { return u.reset(ctx) }) }
	}
	if err := reset(); err != nil {
		return fmt.Errorf("resetting the cache of %s: %w", dep.Runtime.Addr, err)
	}
	return nil
}

// house gives the unit a cgroup with the limits of its runtime and its pool; without one it says what is lost.
func (d *Driver) house(u *unit, dep runner.Deployment) {
	l := limitsOf(dep)
	taken := []int{}
	for _, other := range d.up {
		taken = append(taken, other.cpus...)
	}
	l.pin(taken)
	cg, err := newCgroup(cgroupName(dep.Name), l)
	if err != nil {
		d.o.Note(fmt.Sprintf("%s has no cgroup of its own (%v): %sits resources are counted over its processes, and a kill for lack of memory can't be told from another.", dep.Runtime.Addr, err, l.lost()))
		return
	}
	for _, lost := range cg.lost {
		d.o.Note(fmt.Sprintf("The cgroup of %s is not complete: %s.", dep.Runtime.Addr, lost))
	}
	u.cgroup, u.cpus = cg, l.pinned
}

// cgroupName is a name that is safe as a folder, and no other apply's, also not that of one that had our PID: a journal
// names its cgroups, and what is in them is killed.
func cgroupName(deployment string) string {
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(deployment))
	return fmt.Sprintf("llmscen-%d-%d-%s", os.Getpid(), startTime(os.Getpid()), slug[:min(len(slug), 100)])
}

// Stop ends the deployment's processes, politely first, and waits until nothing of it is left.
func (d *Driver) Stop(_ context.Context, dep runner.Deployment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.up[dep.Name]
	if u == nil {
		return nil
	}
	delete(d.up, dep.Name)
	if err := d.takeDown(u); err != nil {
		return fmt.Errorf("stopping %s: %w", dep.Runtime.Addr, err)
	}
	return nil
}

// takeDown ends what a unit has, as far as it came.
func (d *Driver) takeDown(u *unit) error {
	var failed error
	if u.process != nil {
		failed = u.process.stop(u.grace)
	}
	if u.container != nil { // its supervisor has, unless that was killed
		failed = errors.Join(failed, u.container.remove())
	}
	if u.cgroup != nil {
		failed = errors.Join(failed, u.cgroup.remove())
	}
	for _, e := range u.entries {
		e.Kind, e.Message = runner.ProcessEnded, ""
		failed = errors.Join(failed, d.o.Journal(e))
	}
	return failed
}

// record writes a process into the journal.
func (d *Driver) record(u *unit, dep runner.Deployment, pid int) error {
	e := runner.Entry{Kind: runner.ProcessStarted, PID: pid, StartTime: startTime(pid), Object: dep.Name}
	if u.cgroup != nil {
		e.Cgroup = u.cgroup.journalled()
	}
	if u.container != nil {
		e.Container = u.container.journalled()
	}
	if err := d.o.Journal(e); err != nil {
		return err
	}
	u.entries = append(u.entries, e)
	return nil
}

func (d *Driver) executable() (string, error) {
	if d.o.Executable != "" {
		return d.o.Executable, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding our own program: %w", err)
	}
	return path, nil
}

// announce makes the endpoint of a unit that serves.
func (u *unit) announce(r scenarios.Runtime, name, url string, pid int) {
	target := runner.Target{ID: name + "-0", URL: url, PID: pid}
	if r.MetricsPath != "" {
		target.MetricsURL = url + r.MetricsPath
	}
	switch {
	case u.cgroup != nil:
		target.Cgroup = u.cgroup.folder()
	case u.container != nil:
		target.Cgroup = cgroupOf(pid)
	}
	if host, err := os.Hostname(); err == nil && pid != 0 {
		target.Node = host
	}
	u.endpoint.Targets = []runner.Target{target}
	u.endpoint.Via = "round_robin"
	if !u.alive.IsZero() {
		u.endpoint.LoadTook = time.Since(u.alive)
	}
	if u.endpoint.ContextTokens == 0 {
		u.endpoint.ContextTokens = r.ContextTokens
	}
	if u.endpoint.Model == "" {
		u.endpoint.Model = r.Model
	}
	if u.process == nil {
		return
	}
	findings := make(chan string, 8)
	u.endpoint.Findings = findings
	go u.watchMemory(findings)
	if u.workers != nil {
		go u.watchWorkers(findings)
	}
	died := make(chan struct{})
	u.endpoint.Died, u.endpoint.Death = died, u.death
	go func() { // ends with the process
		<-u.process.done
		if !u.process.asked.Load() {
			close(died)
		}
	}()
}
