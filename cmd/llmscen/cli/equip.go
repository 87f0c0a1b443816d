package cli

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/llmscen/llmscen/collectors/procfs"
	"github.com/llmscen/llmscen/collectors/scrape"
	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
)

// equip gives what a trial on this machine is measured with: a worker in this process, procfs, and the
// runtime's own metrics.
func equip(l *live) func(runner.Trial, runner.Endpoint, benchclient.Assignment, func(string)) (runner.Equipment, error) {
	return func(t runner.Trial, endpoint runner.Endpoint, a benchclient.Assignment, note func(string)) (runner.Equipment, error) {
		o := protocol.Options{Runtime: a.Runtime, TrialID: t.ID, Targets: targets(a.Targets)}
		client, err := protocol.New(o)
		if err != nil {
			return runner.Equipment{}, err
		}
		figures := &load.Live{}
		l.follow(figures)
		w := &worker{client: client, live: figures}
		bytes := client.Bytes
		if a.Identity {
			o.Runtime = protocol.Greedy(a.Runtime)
			if w.identity, err = protocol.New(o); err != nil {
				return runner.Equipment{}, err
			}
			bytes = both(bytes, w.identity.Bytes)
		}
		e := runner.Equipment{Worker: w}
		for i, c := range t.Cell.Collects {
			if c.Source != "scrape" {
				continue
			}
			o, scraped, err := scraping(t, endpoint, c, note)
			if err != nil {
				return runner.Equipment{}, err
			}
			o.FirstSeriesID = int32(i+1) * seriesApart
			e.Collectors = append(e.Collectors, scraper{scrape.New(o)})
			bytes = both(bytes, scraped)
		}
		if i := slices.IndexFunc(t.Cell.Collects, func(c scenarios.Collect) bool { return c.Source == "procfs" }); i >= 0 { // a second one would sample the same
			o := sampling(t, endpoint, bytes, t.Cell.Collects[i].Every, note)
			e.Collectors = append(e.Collectors, sampler{procfs.New(o)})
		}
		return e, nil
	}
}

func targets(of []benchclient.Target) []protocol.Target {
	out := make([]protocol.Target, len(of))
	for i, t := range of {
		out[i] = protocol.Target(t)
	}
	return out
}

// seriesApart keeps the IDs of one collector's series from those of the next.
const seriesApart = 1 << 20

// scraping says what is scraped: the targets' own metrics, those that the engine is known by unless others are named.
// Its bytes pass through the sockets of the runtime, and so they count as the client's.
func scraping(t runner.Trial, endpoint runner.Endpoint, c scenarios.Collect, note func(string)) (scrape.Options, byteCount, error) {
	transport, bytes, err := protocol.CountedTransport(t.Cell.Runtime)
	if err != nil {
		return scrape.Options{}, nil, err
	}
	o := scrape.Options{TrialID: t.ID, Every: c.Every, Keep: c.Keep, Transport: transport, Note: note}
	if engine, known := engines.Find(t.Cell.Runtime.Engine); known && len(o.Keep) == 0 {
		o.Keep = engine.Keep
	}
	for _, target := range endpoint.Targets {
		o.Targets = append(o.Targets, scrape.Target{ID: target.ID, URL: target.MetricsURL, Pod: target.Pod, Node: target.Node})
	}
	return o, bytes, nil
}

// byteCount are the bytes that connections have received and sent so far.
type byteCount = func() (received, sent int64)

func both(a, b byteCount) byteCount {
	return func() (received, sent int64) {
		r1, s1 := a()
		r2, s2 := b()
		return r1 + r2, s1 + s2
	}
}

// scraper lets a scrape collector write into a trial's recorder.
type scraper struct{ *scrape.Collector }

func (s scraper) Collect(ctx context.Context, sink runner.SampleSink) error {
	return s.Collector.Collect(ctx, sink)
}

// sampling says what procfs looks at: the runtime where it runs here, this process, and the machine.
func sampling(t runner.Trial, endpoint runner.Endpoint, bytes byteCount, every time.Duration, note func(string)) procfs.Options {
	o := procfs.Options{TrialID: t.ID, Every: every, Node: true, ClientBytes: bytes, Note: note}
	for _, target := range endpoint.Targets {
		if target.PID == 0 {
			continue
		}
		o.Processes = append(o.Processes, procfs.Process{
			Target: procfs.TargetRuntime, TargetID: target.ID, PID: target.PID, Cgroup: target.Cgroup, ListenPort: portOf(target.URL),
		})
	}
	o.Processes = append(o.Processes, procfs.Process{Target: procfs.TargetClient, TargetID: "client", PID: os.Getpid()})
	return o
}

// sampler lets a procfs collector write into a trial's recorder.
type sampler struct{ *procfs.Collector }

func (s sampler) Collect(ctx context.Context, sink runner.SampleSink) error {
	return s.Collector.Collect(ctx, sink)
}

// worker makes the load in this process.
type worker struct {
	client *protocol.Client
	// identity asks the identity prompts; nil: they are not asked.
	identity *protocol.Client
	live     *load.Live
}

func (w *worker) Open(ctx context.Context, a benchclient.Assignment, sink load.Sink) (runner.Maker, error) {
	d := benchclient.Deps{
		Client: w.client, Tokenizer: w.client, Sink: sink, Live: w.live,
		Aim:         func(at []benchclient.Target) error { return w.client.Aim(targets(at)) },
		OpenParquet: func(path, column string) (prompts.Texts, error) { return warehouse.OpenTexts(path, column) },
	}
	if w.identity != nil {
		defer w.identity.Close() // the prompts are asked while the worker opens
		d.Identity = w.identity
	}
	made, err := benchclient.Open(ctx, a, d)
	if err != nil {
		w.client.Close()
		return nil, err
	}
	return maker{made, w.client}, nil
}

// maker makes a trial's windows, and closes the client after the last.
type maker struct {
	*benchclient.Worker
	client *protocol.Client
}

func (m maker) Close() error {
	m.client.Close()
	return m.Worker.Close()
}
