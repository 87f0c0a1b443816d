package cli

import (
	"context"
	"os"
	"time"

	"github.com/llmscen/llmscen/collectors/procfs"
	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/warehouse"
)

// equip gives what a trial on this machine is measured with: a worker in this process, and procfs.
func equip(l *live) func(runner.Trial, runner.Endpoint, benchclient.Assignment, func(string)) (runner.Equipment, error) {
	return func(t runner.Trial, endpoint runner.Endpoint, a benchclient.Assignment, note func(string)) (runner.Equipment, error) {
		o := protocol.Options{Runtime: a.Runtime, TrialID: t.ID}
		for _, target := range a.Targets {
			o.Targets = append(o.Targets, protocol.Target{ID: target.ID, URL: target.URL})
		}
		client, err := protocol.New(o)
		if err != nil {
			return runner.Equipment{}, err
		}
		figures := &load.Live{}
		l.follow(figures)
		w := &worker{client: client, live: figures}
		if a.Identity {
			o.Runtime = protocol.Greedy(a.Runtime)
			if w.identity, err = protocol.New(o); err != nil {
				return runner.Equipment{}, err
			}
		}
		e := runner.Equipment{Worker: w}
		for _, c := range t.Cell.Collects {
			if c.Source == "procfs" {
				e.Collectors = append(e.Collectors, sampler{procfs.New(sampling(t, endpoint, w, c.Every, note))})
				break // a second one would sample the same
			}
		}
		return e, nil
	}
}

// sampling says what procfs looks at: the runtime where it runs here, this process, and the machine.
func sampling(t runner.Trial, endpoint runner.Endpoint, w *worker, every time.Duration, note func(string)) procfs.Options {
	o := procfs.Options{TrialID: t.ID, Every: every, Node: true, ClientBytes: w.bytes, Note: note}
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

// bytes are what all its clients received and sent.
func (w *worker) bytes() (received, sent int64) {
	received, sent = w.client.Bytes()
	if w.identity != nil {
		r, s := w.identity.Bytes()
		received, sent = received+r, sent+s
	}
	return received, sent
}

func (w *worker) Open(ctx context.Context, a benchclient.Assignment, sink load.Sink) (runner.Maker, error) {
	d := benchclient.Deps{
		Client: w.client, Tokenizer: w.client, Sink: sink, Live: w.live,
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
