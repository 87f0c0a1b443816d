package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// measuring is one trial under way.
type measuring struct {
	*applying
	rec     TrialRecorder
	trial   Trial
	row     tables.Trial
	report  benchclient.Report
	begun   bool
	failure string
	died    string

	losses losses

	mu     sync.Mutex
	warned error // what a warning told last, without who suffered it
}

// warn tells what went wrong, but for what was told already: a full disk fails everybody who writes.
func (m *measuring) warn(err error) {
	cause := err
	for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
		cause = next
	}
	m.mu.Lock()
	known := m.warned != nil && errors.Is(cause, m.warned)
	m.warned = cause
	m.mu.Unlock()
	if !known {
		m.tell(Event{Type: Warning, Trial: m.trial.ID, Detail: err.Error()})
	}
}

// failed notes why the trial could not be run.
func (m *measuring) failed(cause error) {
	m.row.Status = tables.StatusFailed
	m.failure = cause.Error()
	m.warn(cause)
	m.note("trial_failed", m.failure)
}

func (m *measuring) note(kind, message string) {
	e := tables.Event{At: tables.Instant(time.Now().UnixNano()), TrialID: m.trial.ID, Kind: kind, Object: m.trial.Deployment, Message: message}
	if err := m.rec.Note([]tables.Event{e}, nil); err != nil {
		m.warn(err)
	}
}

// noteJSON keeps plain values among the trial's events.
func (m *measuring) noteJSON(kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T is plain values, but: %v", v, err))
	}
	m.note(kind, string(text))
}

// say keeps a sentence among the trial's events, and tells it to who watches.
func (m *measuring) say(kind, sentence string) {
	m.note(kind, sentence)
	m.tell(Event{Type: Note, Trial: m.trial.ID, Detail: sentence})
}

// measure makes the load while the collectors sample, and leaves the facts in the row.
func (m *measuring) measure(ctx context.Context) {
	t := m.trial
	assignment := benchclient.Assignment{
		TrialID: t.ID, Workers: 1, Seed: t.Seed, Nonce: nonce(m.ApplyID, t),
		Runtime: t.Cell.Runtime, PromptSet: t.Cell.PromptSet, Load: t.Cell.Load,
		WarmUp: t.Cell.WarmUp, CoolDown: t.Cell.CoolDown, KeepBodies: t.Cell.KeepBodies,
		Identity: t.Identity,
	}
	assignment.Runtime.Sampling = t.Cell.Sampling
	asServed(&assignment.Runtime, m.endpoint)
	assignment.Targets = targetsOf(m.endpoint)
	var targets []tables.Target
	for _, target := range m.endpoint.Targets {
		targets = append(targets, tables.Target{
			TrialID: t.ID, TargetID: target.ID, URL: target.URL, MetricsURL: target.MetricsURL, Pod: target.Pod, Node: target.Node,
		})
	}
	if err := m.rec.Note(nil, targets); err != nil {
		m.failed(err)
		return
	}
	equipment, err := m.Equip(t, sampled(m.endpoint, t.Cell.Load), assignment, func(sentence string) { m.say("note", sentence) })
	if err != nil {
		m.failed(err)
		return
	}
	m.begun = true
	err = m.run(ctx, equipment, assignment)
	m.row.MeasureFrom, m.row.MeasureUntil = m.report.MeasureFrom, m.report.MeasureUntil
	m.row.AnswersSHA256 = m.report.Identity.SHA256()
	m.noteReport()
	if err != nil {
		m.failed(err)
		return
	}
	m.row.Status = tables.StatusCompleted
}

// asServed makes requests name the model as the server does, with the headers that its engine needs.
func asServed(r *scenarios.Runtime, e Endpoint) {
	if e.ServedAs != "" {
		r.Model = e.ServedAs
	}
	engine, known := engines.Find(r.Engine)
	if !known || len(engine.Headers) == 0 {
		return
	}
	headers := maps.Clone(engine.Headers)
	for name, value := range r.Headers {
		delete(headers, http.CanonicalHeaderKey(name))
		headers[name] = value
	}
	r.Headers = headers
}

// noteReport keeps what the worker found out: how prompts got their lengths, and how the schedule was paced.
func (m *measuring) noteReport() {
	facts := struct {
		Prompts any    `json:"prompts"`
		Pacer   string `json:"pacer,omitempty"`
		MaxLag  int64  `json:"max_lag_ns"`
		Blocked int64  `json:"sink_blocked_ns"`
	}{m.report.Prompts, m.report.Pacer, int64(m.report.MaxLag), int64(m.report.SinkBlocked)}
	m.noteJSON("worker_report", facts)
	if m.trial.Identity {
		m.noteIdentity()
	}
	if n := m.report.Prompts.Lengths.Note; n != "" {
		m.tell(Event{Type: Note, Trial: m.trial.ID, Detail: n})
	}
}

// noteIdentity keeps what was answered to the identity prompts, so that a person can see in what answers differ.
func (m *measuring) noteIdentity() {
	m.noteJSON(tables.EventIdentity, m.report.Identity)
	if why := m.report.Identity.Failure; why != "" {
		m.tell(Event{Type: Note, Trial: m.trial.ID, Detail: "it can't be told whether this is the same model as the others: an identity prompt was not answered: " + why})
	}
}

// run lets the worker and the collectors run side by side: the collectors until the worker is done.
func (m *measuring) run(ctx context.Context, e Equipment, a benchclient.Assignment) error {
	collecting, stopCollecting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCollecting()
	var collectors errgroup.Group
	for _, c := range e.Collectors {
		collectors.Go(func() error { return c.Collect(collecting, m.rec) })
	}
	err := m.load(ctx, e.Worker, a)
	stopCollecting()
	if cerr := collectors.Wait(); cerr != nil {
		m.warn(cerr)
		m.note("collector_failed", cerr.Error())
	}
	return err
}

// load makes the trial's load: one window, those of a search, or cold starts, whose runtimes are watched one by one.
func (m *measuring) load(ctx context.Context, w Worker, a benchclient.Assignment) error {
	if a.Load.Shape != "cold_start" {
		defer m.watching()()
	}
	m.losses.Sink = m.rec
	maker, err := w.Open(ctx, a, &m.losses)
	if err != nil {
		return err
	}
	defer maker.Close() //nolint:errcheck // it was only read
	switch a.Load.Shape {
	case "search":
		s := &searching{measuring: m, maker: maker, assignment: a, search: search.New(a.Load)}
		err = s.run(ctx)
		m.report = s.report()
	case "cold_start":
		err = m.coldStarts(ctx, maker, a)
	default:
		_, err = maker.Make(ctx, a.Whole())
		m.report = maker.Report()
	}
	return err
}

// watching watches the runtime that is up until stop is called, which returns when all that befell it is noted.
func (m *measuring) watching() (stop func()) {
	m.losses.any.Store(false)
	over, noted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(noted)
		m.watch(over)
	}()
	return func() {
		close(over)
		<-noted
	}
}

// watch notes what befalls the runtime, until its end or until over is closed.
func (m *measuring) watch(over <-chan struct{}) {
	since := func() time.Duration {
		return time.Since(time.Unix(0, int64(m.row.StartedAt))).Round(100 * time.Millisecond)
	}
	for {
		select {
		case text := <-m.endpoint.Findings: // nil where there are none
			m.found("runtime_finding", fmt.Sprintf("%s into the trial: %s", since(), text))
			continue
		case <-m.endpoint.Died: // nil where it can't be told
		case <-over:
			m.awaitDeath()
		}
		if m.applying.died() {
			m.found("runtime_died", fmt.Sprintf("the runtime ended %s into the trial: %s", since(), m.endpoint.Death()))
		}
		return
	}
}

// deathGrace is how long after a load that lost connections the death of its runtime is waited for.
const deathGrace = 2 * time.Second

// awaitDeath waits for a death whose news may be on their way: connections break at once, while a busy machine takes its
// time to clear a process away, and a load that nobody answers any more may end before.
func (m *measuring) awaitDeath() {
	if !m.losses.any.Load() || m.endpoint.Died == nil {
		return
	}
	timer := time.NewTimer(deathGrace)
	defer timer.Stop()
	select {
	case <-m.endpoint.Died:
	case <-timer.C:
	}
}

// losses passes rows on, and notes whether a connection was lost, or could not be had.
type losses struct {
	load.Sink
	any atomic.Bool
}

// WriteRequests is load.Sink's.
func (l *losses) WriteRequests(rows []tables.Request) error {
	for i := range rows {
		switch rows[i].ErrorKind {
		case tables.ErrRefused, tables.ErrReset, tables.ErrEOFMidstream:
			l.any.Store(true)
		}
	}
	return l.Sink.WriteRequests(rows)
}

// found keeps a finding about the runtime; the last one flags the trial.
func (m *measuring) found(kind, finding string) {
	m.died = finding
	m.note(kind, finding)
	m.tell(Event{Type: Warning, Trial: m.trial.ID, Detail: finding})
}

// nonce begins prompts that no cache has seen: it differs from apply to apply, run to run and repetition to
// repetition, and is equal across the cells that are compared.
func nonce(applyID string, t Trial) string {
	sum := sha256.Sum256([]byte(applyID + "\x00" + t.Run + "\x00" + strconv.Itoa(t.Repetition)))
	return hex.EncodeToString(sum[:4])
}

// trialRow is what is known of a trial before it begins, and of its runtime once it is up.
func trialRow(t Trial, a *applying) tables.Trial {
	c, r := t.Cell, t.Cell.Runtime
	row := tables.Trial{
		TrialID: t.ID, Run: t.Run, Cell: c.Values, CellNumbers: c.Numbers, Labels: a.Labels,
		Repetition: int32(t.Repetition), Seed: t.Seed,
		Runtime: r.Addr, Engine: r.Engine, Protocol: r.Protocol, Model: r.Model, Image: r.Image, RuntimeArgs: r.Args,
		ContextTokens: int32(r.ContextTokens), Parallel: int32(r.Parallel),
		CPUsAllocated: r.Resources.CPUs, Replicas: int32(max(c.Replicas, 1)), ClientWorkers: int32(max(c.ClientWorkers, 1)),
		PromptSet: c.PromptSet.Addr, Load: c.Load.Addr, LoadShape: c.Load.Shape,
		// What a process that dies leaves is found with this status.
		Status: tables.StatusInterrupted, Fingerprint: a.Fingerprint, GitCommit: a.GitCommit,
	}
	if r.Resources.GPUs > 0 {
		row.GPUsAllocated = tables.Some(r.Resources.GPUs)
	}
	if p := c.NodePool; p != nil {
		row.NodePool = p.Addr
		if row.CPUsAllocated == 0 {
			row.CPUsAllocated = p.CPUs
		}
		if p.PricePerHour > 0 {
			row.PricePerHour, row.PriceCurrency = tables.Some(p.PricePerHour), p.PriceCurrency
		}
	}
	return row
}

// describe adds what the runtime says of itself.
func describe(row *tables.Trial, e Endpoint) {
	row.Via = e.Via
	row.EngineVersion = e.EngineVersion
	row.ModelDigest = e.ModelDigest
	row.Quantization = e.Quantization
	if e.Model != "" {
		row.Model = e.Model
	}
	if e.ContextTokens > 0 {
		row.ContextTokens = int32(e.ContextTokens)
	}
	for _, t := range e.Targets {
		if t.Node != "" {
			row.NodeNames = append(row.NodeNames, t.Node)
		}
	}
}
