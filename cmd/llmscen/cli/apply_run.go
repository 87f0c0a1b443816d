package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/exporter"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// applying is one apply under way.
type applying struct {
	env     *Env
	options *applyOptions
	format  string
	planned planned
	id      string
	tell    func(runner.Event)
	live    *live
	labels  map[string]string
	open    atomic.Pointer[trialRecorder]
}

// applyOne applies one scenario and gives the exit code that it asks for.
func applyOne(ctx context.Context, e *Env, o *applyOptions, format string, p planned, labels map[string]string) (int, error) {
	a := &applying{env: e, options: o, format: format, planned: p, id: newApplyID(time.Now()), live: &live{}, labels: labels}
	a.live.begin(a.id, p.plan)
	return a.run(ctx)
}

func (a *applying) run(ctx context.Context) (int, error) {
	e, plan := a.env, a.planned.plan
	w, err := warehouse.Open(plan.Warehouse)
	if err != nil {
		return exitFailed, err
	}
	exports := exporter.New(exporter.Options{Version: runner.Version(), Live: a.live.exported})
	server, err := serveLive(a.options.listen, a.live, exports.Handler())
	if err != nil {
		return exitFailed, err
	}
	defer server.Close()
	journal, err := a.openJournal(server.URL)
	if err != nil {
		return exitFailed, err
	}
	defer journal.Close() //nolint:errcheck // each entry was written when Write returned
	fingerprint := runner.TakeFingerprint().JSON()
	writer, err := w.Begin(warehouse.Apply{
		ID: a.id, Scenario: plan.ScenarioName, SHA256: plan.ScenarioSHA256, Sources: a.planned.scenario.Sources,
		Fingerprint: json.RawMessage(fingerprint), Labels: a.labels, BegunAt: tables.Instant(time.Now().UnixNano()),
	})
	if err != nil {
		return exitFailed, err
	}
	defer writer.Close() //nolint:errcheck // after Finish it does nothing, before it the spool stays

	stopDisplay := a.display()
	ctx, signalled, stopSignals := interruptible(ctx, a.leave)
	defer stopSignals()
	stopNote := context.AfterFunc(ctx, func() {
		a.note("Stopping: no new requests; waiting for those on their way. Ctrl-C again leaves at once.")
	})
	defer stopNote()
	a.event(runner.Event{At: time.Now().UTC(), Type: runner.ApplyStarted, Apply: a.id, Of: len(plan.Trials), Detail: server.URL + "/metrics"})
	driver, err := a.driver(journal, writer)
	if err != nil {
		stopDisplay()
		return exitFailed, err
	}
	outcome, err := runner.Apply(ctx, plan, runner.Deps{
		ApplyID: a.id, Driver: driver, Equip: equip(a.live), Recorder: recorder{writer, plan.ScenarioName, exports, &a.open}, Journal: journal,
		Events: a.event, Labels: a.labels, Fingerprint: fingerprint, GitCommit: gitCommit(ctx, a.planned.scenario.Dir),
	})
	if err == nil {
		err = writer.Finish()
	}
	code := exitOf(outcome.Verdicts, a.options.strict)
	if outcome.Interrupted {
		code = worst(code, signalled())
	}
	if err != nil {
		code = worst(code, exitFailed)
	}
	a.event(runner.Event{At: time.Now().UTC(), Type: runner.ApplyFinished, Apply: a.id, Exit: &code})
	stopDisplay()
	if err != nil {
		fmt.Fprintf(e.Stderr, "The rows so far are kept: `%s recover --warehouse %s %s` seals them.\n", invoked(), w.Path(), a.id)
		return code, err
	}
	if jerr := journal.Write(runner.Entry{Kind: runner.ApplyEnded, Message: strconv.Itoa(code)}); jerr != nil {
		return code, jerr
	}
	return code, a.conclude(context.WithoutCancel(ctx), w)
}

func (a *applying) openJournal(address string) (*runner.Journal, error) {
	dir, err := runner.StateDir()
	if err != nil {
		return nil, err
	}
	journal, err := runner.OpenJournal(dir, a.id)
	if err != nil {
		return nil, err
	}
	return journal, journal.Write(runner.Entry{
		Kind: runner.ApplyBegun, Scenario: a.planned.plan.ScenarioName, Warehouse: a.planned.plan.Warehouse,
		Trials: len(a.planned.plan.Trials), Address: address, PID: os.Getpid(),
	})
}

// driver starts runtimes on this machine, and journals each process before and after.
func (a *applying) driver(journal *runner.Journal, writer *warehouse.ApplyWriter) (runner.Driver, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this binary, which runs the embedded runtimes: %w", err)
	}
	return local.New(local.Options{
		Executable: executable, Dir: a.planned.scenario.Dir, Journal: journal.Write,
		Note: func(sentence string) {
			a.note(sentence)
			e := tables.Event{At: tables.Instant(time.Now().UnixNano()), Kind: "driver", Message: sentence}
			if err := writer.WriteEvents([]tables.Event{e}); err != nil {
				a.note(err.Error())
			}
		},
		Transport: protocol.Transport,
	}), nil
}

func (a *applying) note(sentence string) {
	a.event(runner.Event{At: time.Now().UTC(), Type: runner.Note, Detail: sentence})
}

func (a *applying) event(ev runner.Event) {
	a.live.event(ev)
	a.tell(ev)
}

// display chooses how events are told; stop ends it.
func (a *applying) display() (stop func()) {
	e := a.env
	switch {
	case a.format == "jsonl":
		a.tell = eventLines(e)
		return func() {}
	case e.quiet:
		a.tell = func(runner.Event) {}
		return func() {}
	}
	d := newDisplay(e.Stderr, a.live, isTerminal(e.Stderr), e.colored(e.Stderr))
	a.tell = d.event
	return d.Close
}

// leave is the second Ctrl-C: the rows so far are flushed and stay in the spool, children end with this process.
func (a *applying) leave(code int) {
	if t := a.open.Load(); t != nil {
		flushed := make(chan struct{})
		go func() {
			defer close(flushed)
			_ = t.Flush() // what it could not write is told by recover
		}()
		select {
		case <-flushed:
		case <-time.After(500 * time.Millisecond):
		}
	}
	fmt.Fprintf(a.env.Stderr, "\nLeft at once. The rows so far: %s recover --warehouse %s %s. Processes, if any: %s down %s\n",
		invoked(), a.planned.plan.Warehouse, a.id, invoked(), a.id)
	os.Exit(code)
}

// portOf is the port of a URL; 0 where it has none.
func portOf(base string) int {
	u, err := url.Parse(base)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0
	}
	return port
}
