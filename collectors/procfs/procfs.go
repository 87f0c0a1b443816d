// Package procfs samples what processes, their cgroups and this machine use, from /proc, cgroups (v1 and v2) and the
// kernel's socket statistics: the resources of a trial where no Prometheus watches it.
//
// The series that it writes are the list Definitions.
package procfs

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// The targets of series.
const (
	TargetRuntime = "runtime" // the server that is measured
	TargetClient  = "client"  // the load generator
	TargetNode    = "node"    // this machine
)

// Options say what is sampled, and how often.
type Options struct {
	// TrialID is written into every row.
	TrialID string
	// FirstSeriesID is the ID of the first series; the others follow it. It keeps IDs apart where a trial has several
	// collectors.
	FirstSeriesID int32
	Processes     []Process
	// Node samples the machine as well.
	Node bool
	// NodeName is written into the rows as their node; "" writes NULL.
	NodeName string
	// Every is the time between two samples; 0 means 100 ms.
	Every time.Duration
	// ClientBytes are the bytes that the client's connections to the runtimes have received and sent so far, counted
	// where the connections are read and written. They are the client's network series and the proof of the runtimes':
	// without them the runtimes' network series are not written.
	ClientBytes func() (received, sent int64)
	// Note is told, in a sentence, why a series is not written; nil drops the sentences. It is called by the goroutine
	// that runs Collect.
	Note func(string)
}

// clientID is the ID of the client among the processes.
func (o Options) clientID() string {
	for _, p := range o.Processes {
		if p.Target == TargetClient {
			return p.TargetID
		}
	}
	return ""
}

// Process is a process with all its descendants, but for those that are a Process of their own.
type Process struct {
	// Target is TargetRuntime or TargetClient.
	Target   string
	TargetID string
	PID      int
	// Cgroup is the folder of the cgroup that holds the process and nothing else, in any hierarchy; "": it has none, and
	// CPU and memory are summed over the processes.
	Cgroup string
	// ListenPort is the TCP port at which the process serves; 0: its network bytes are not known.
	ListenPort int
}

// Sink takes the rows; a series is written before its first sample. A Sink keeps no slice after it returns.
type Sink interface {
	WriteSeries([]tables.Series) error
	WriteSamples([]tables.Sample) error
}

// Collector samples the resources of one trial.
type Collector struct {
	o    Options
	root string // where proc and the mounted cgroups are; "/" but in tests
}

// New returns a collector; nothing is opened before Collect.
func New(o Options) *Collector {
	if o.Every <= 0 {
		o.Every = 100 * time.Millisecond
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	return &Collector{o: o, root: "/"}
}

// Collect samples until ctx ends, takes one last sample, writes the network series that it held back, and returns nil.
// What can't be read is no error: its series is not written, and Note says why. An error is the sink's.
func (c *Collector) Collect(ctx context.Context, sink Sink) error {
	rec := &recorder{o: c.o, next: c.o.FirstSeriesID}
	s := c.newSampler(rec)
	defer s.close()
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	for {
		s.sample(false)
		if err := rec.flush(sink); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			s.sample(true)
			s.network.finish()
			return rec.flush(sink)
		case <-tick.C:
		}
	}
}

// source is one thing that is read at every sample.
type source interface {
	sample()
	close()
}

// sampler reads all sources of a trial.
type sampler struct {
	sources []source
	network *networkProof
	cost    *series
	rec     *recorder
	spent   time.Duration
}

func (c *Collector) newSampler(rec *recorder) *sampler {
	s := &sampler{
		rec:     rec,
		network: newNetworkProof(c.o, rec),
		cost:    rec.series(SeriesCollectorCPU, TargetClient, c.o.clientID(), "thread_clock"),
	}
	host, err := openHost(c.root)
	if err != nil {
		c.o.Note(fmt.Sprintf("No resources are sampled: %v.", err))
		return s
	}
	s.sources = append(s.sources, host)
	for _, p := range c.o.Processes {
		s.sources = append(s.sources, newProcessSource(host, p, c.o, rec, s.network))
		if p.Target == TargetClient && p.PID == ownPID(c.root) {
			s.sources = append(s.sources, newGoHealth(rec, p))
		}
	}
	if c.o.ClientBytes != nil {
		s.sources = append(s.sources, newClientNetwork(c.o, rec))
	}
	if c.o.Node {
		s.sources = append(s.sources, newNodeSource(host, c.o, rec))
	}
	return s
}

// sample reads every source once. It stays on one thread meanwhile, so that the thread's clock tells what it cost.
func (s *sampler) sample(last bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	from, ok := threadCPU()
	for _, src := range s.sources {
		src.sample()
	}
	s.network.sample(last)
	if until, _ := threadCPU(); ok {
		s.spent += until - from
		s.rec.add(s.cost, time.Now(), s.spent.Seconds())
	}
}

func (s *sampler) close() {
	for _, src := range s.sources {
		src.close()
	}
	s.network.close()
}
