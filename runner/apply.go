package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Deps are what an apply works with.
type Deps struct {
	ApplyID string
	Driver  Driver
	// Equip gives what a trial is measured with, once its runtime is up; note keeps a sentence among the trial's events.
	Equip    func(t Trial, e Endpoint, a benchclient.Assignment, note func(string)) (Equipment, error)
	Recorder Recorder
	Journal  *Journal
	// Events hears what happens, in order, from one goroutine at a time; nil: nobody does.
	Events func(Event)
	// Labels, Fingerprint (JSON) and GitCommit are stored with every trial.
	Labels      map[string]string
	Fingerprint string
	GitCommit   string
}

// Equipment is what a trial is measured with.
type Equipment struct {
	Worker     Worker
	Collectors []Collector
}

// Worker makes the load of an assignment and writes its rows.
type Worker interface {
	// Open makes ready what all windows need. When ctx ends before it is, the windows report that they were interrupted.
	Open(ctx context.Context, a benchclient.Assignment, sink load.Sink) (Maker, error)
}

// Maker makes the windows of a trial, one after the other.
type Maker interface {
	// Make returns when all rows of the window are with the sink; when ctx ends it stops new arrivals, drains and returns.
	Make(ctx context.Context, w benchclient.Window) (benchclient.Made, error)
	// Report is what is known of all windows so far.
	Report() benchclient.Report
	Close() error
}

var _ Maker = (*benchclient.Worker)(nil)

// Recorder keeps what trials leave.
type Recorder interface {
	// Trial begins to keep a trial; the row is what is known of it before it starts.
	Trial(row tables.Trial) (TrialRecorder, error)
}

// TrialRecorder keeps the rows of one trial; what was written is safe against the death of this process within 2 s.
type TrialRecorder interface {
	load.Sink
	SampleSink
	// Note keeps events and targets.
	Note(events []tables.Event, targets []tables.Target) error
	// Seal makes the rows permanent and judges them; the recorder is of no use afterwards.
	Seal(ctx context.Context, s Sealing) (Verdict, error)
}

// Sealing is what a trial's judge needs beside its rows.
type Sealing struct {
	Trial   tables.Trial
	Planned Trial
	Report  benchclient.Report
	// Begun: the load was made, to its end or not; else Failure says why the trial could not be run.
	Begun   bool
	Failure string
	// RuntimeDied says how a process of the runtime ended unasked; "" where none did.
	RuntimeDied string
}

// Verdict is the judgement on one trial.
type Verdict struct {
	TrialID  string          `json:"trial_id"`
	Status   tables.Status   `json:"status"`
	Validity tables.Validity `json:"validity,omitempty"`
	Reasons  []string        `json:"reasons,omitempty"`
	SLO      tables.SLOState `json:"slo,omitempty"`
}

// Outcome is how an apply ended.
type Outcome struct {
	Verdicts    []Verdict
	Interrupted bool
}

// Apply makes the trials of a plan one after the other, with one runtime up at a time: on one machine a second one
// would share its processors.
//
// What goes wrong in a trial is in its verdict; the error is for what stops the whole. When ctx ends the trial under
// way is drained and sealed as interrupted, and the runtime is taken down.
func Apply(ctx context.Context, p *Plan, d Deps) (Outcome, error) {
	a := &applying{Deps: d, plan: p, broken: map[string]error{}}
	defer func() { a.takeDown() }()
	var out Outcome
	for i, t := range p.Trials {
		if ctx.Err() != nil {
			break
		}
		v, err := a.trial(ctx, i, t)
		if err != nil {
			return out, err
		}
		out.Verdicts = append(out.Verdicts, v)
		if i < len(p.Trials)-1 {
			pause(ctx, t.Cell.Rest)
		}
	}
	out.Interrupted = ctx.Err() != nil
	return out, nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// applying is the state of an apply: which deployment is up, and which would not start.
type applying struct {
	Deps
	plan     *Plan
	up       *Deployment
	endpoint Endpoint
	broken   map[string]error
}

func (a *applying) tell(e Event) {
	e.At = time.Now().UTC()
	if a.Events != nil {
		a.Events(e)
	}
}

// trial makes one trial. Its error is a failure of the warehouse; what the trial suffered is in the verdict.
func (a *applying) trial(ctx context.Context, index int, t Trial) (Verdict, error) {
	if err := a.Journal.Write(Entry{Kind: TrialBegun, Object: t.ID}); err != nil {
		return Verdict{}, err
	}
	row := trialRow(t, a)
	row.StartedAt = tables.Instant(time.Now().UnixNano())
	rec, err := a.Recorder.Trial(row)
	if err != nil {
		return Verdict{}, err
	}
	m := &measuring{applying: a, rec: rec, trial: t, row: row}

	if cause := a.bringUp(ctx, t); cause != nil {
		m.failed(cause)
	} else {
		describe(&m.row, a.endpoint)
		a.tell(Event{Type: TrialStarted, Trial: t.ID, Index: index, Of: len(a.plan.Trials), Detail: t.Deployment})
		m.measure(ctx)
	}
	// A load that had made its last request when the interrupt came is whole.
	if ctx.Err() != nil && (m.report.Interrupted || !m.begun) {
		m.row.Status = tables.StatusInterrupted
	}
	m.row.EndedAt = tables.Instant(time.Now().UnixNano())

	// The seal is not interrupted: finished requests are never lost to a Ctrl-C.
	v, err := rec.Seal(context.WithoutCancel(ctx), Sealing{
		Trial: m.row, Planned: t, Report: m.report, Begun: m.begun, Failure: m.failure, RuntimeDied: m.died,
	})
	if err != nil {
		return Verdict{}, err
	}
	a.tell(Event{Type: TrialJudged, Trial: t.ID, Index: index, Of: len(a.plan.Trials), Verdict: &v})
	return v, a.Journal.Write(Entry{Kind: TrialSealed, Object: t.ID})
}

// bringUp makes the trial's deployment the one that is up.
func (a *applying) bringUp(ctx context.Context, t Trial) error {
	if a.up != nil && (a.up.Name != t.Deployment || t.Cell.Reset == scenarios.ResetRuntime || a.died()) {
		a.takeDown()
	}
	if a.up != nil && t.Cell.Reset == scenarios.ResetCache {
		a.resetCache(ctx)
	}
	if a.up != nil {
		return nil
	}
	if err := a.broken[t.Deployment]; err != nil {
		return fmt.Errorf("not started again: %w", err)
	}
	d := a.deployment(t.Deployment)
	a.tell(Event{Type: DeploymentStarting, Object: d.Name, Detail: d.Runtime.Addr})
	began := time.Now()
	if err := a.start(ctx, d); err != nil {
		return err
	}
	a.tell(Event{Type: DeploymentReady, Object: d.Name, Detail: d.Runtime.Addr, Took: time.Since(began)})
	return nil
}

// start starts what is not up.
func (a *applying) start(ctx context.Context, d Deployment) error {
	endpoint, err := a.Driver.Start(ctx, d)
	if err != nil {
		if ctx.Err() == nil {
			a.broken[d.Name] = err
		}
		return fmt.Errorf("starting %s: %w", d.Runtime.Addr, err)
	}
	a.up, a.endpoint = &d, endpoint
	return nil
}

// resetCache makes the cache of what is up cold, or else takes it down: what is started anew has nothing cached.
func (a *applying) resetCache(ctx context.Context) {
	r, ok := a.Driver.(CacheResetter)
	if !ok {
		a.takeDown()
		return
	}
	if err := r.ResetCache(ctx, *a.up); err != nil && ctx.Err() == nil {
		a.tell(Event{Type: Note, Object: a.up.Name, Detail: fmt.Sprintf("The cache of %s could not be reset (%v): it is started anew.", a.up.Runtime.Addr, err)})
		a.takeDown()
	}
}

func (a *applying) deployment(name string) Deployment {
	for _, d := range a.plan.Deployments {
		if d.Name == name {
			return d
		}
	}
	panic("a trial names a deployment that the plan lacks: " + name)
}

func (a *applying) died() bool {
	select {
	case <-a.endpoint.Died: // nil never is
		return true
	default:
		return false
	}
}

// takeDown stops the deployment that is up. It has its own time: an interrupted apply cleans up too.
func (a *applying) takeDown() {
	if a.up == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.Driver.Stop(ctx, *a.up); err != nil {
		a.tell(Event{Type: Warning, Object: a.up.Name, Detail: fmt.Sprintf("stopping %s: %v; `llmscen down %s` tries again", a.up.Runtime.Addr, err, a.ApplyID)})
	}
	a.up = nil
}
