package load

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// What the zero value of a scenarios.Load means.
const (
	DefaultMaxInFlight  = 512
	DefaultTimeout      = 120 * time.Second
	DefaultDrainTimeout = 30 * time.Second
)

// Options say what load is made, and with what.
type Options struct {
	TrialID string
	Share   Share
	Load    scenarios.Load
	Plan    *Plan // of Load
	// Prompts is how many different prompts the source has; 0 means 1.
	Prompts int64
	// Retry says when a failed request is tried again; nil: never.
	Retry      *scenarios.Retry
	KeepBodies scenarios.KeepBodies

	Client Client
	Source Source
	Sink   Sink
	// Live is told what happens; nil: nobody watches.
	Live *Live
	// Pacer waits for the instants of an open loop; nil means FinePacer.
	Pacer Pacer
	// Now, when it is closed, ends the load and cancels what is on its way, all at once; nil never is.
	Now <-chan struct{}
}

// Report is what is known when a load has ended.
type Report struct {
	StartedAt tables.Instant `json:"started_at"` // offset 0 of the schedule
	// MeasureFrom and MeasureUntil bound what is measured; 0 where the load was interrupted before.
	MeasureFrom  tables.Instant `json:"measure_from"`
	MeasureUntil tables.Instant `json:"measure_until"`
	// EndedAt is when the last answer was there or given up.
	EndedAt tables.Instant `json:"ended_at"`
	// Stages are those of the plan; From and until are NULL for what an interrupted load did not reach.
	Stages []tables.Stage `json:"stages"`
	Pacer  string         `json:"pacer"`

	Due     int64 `json:"due"`
	Sent    int64 `json:"sent"`
	NotSent int64 `json:"not_sent"`
	Failed  int64 `json:"failed"` // those not sent included
	// NextSeq is the number from which on a later window may number its requests; 0 where the load is a trial's only one.
	NextSeq int64 `json:"next_seq,omitempty"`
	// MaxLag is the longest from an intended to its real dispatch, SinkBlocked how long requests waited, all together, for
	// the sink.
	MaxLag      time.Duration `json:"max_lag_ns"`
	SinkBlocked time.Duration `json:"sink_blocked_ns"`
	Interrupted bool          `json:"interrupted"`
}

// generator makes one load.
type generator struct {
	Options
	*clock
	rows *rows
	live *Live

	// arriving ends when no request may begin any more; requests is the parent of all and lives on through the drain.
	arriving context.Context
	stop     context.CancelFunc
	requests context.Context
	cancel   context.CancelCauseFunc

	busy      sync.WaitGroup // sessions and users
	inFlight  atomic.Int64
	seq       atomic.Int64   // of requests that no schedule numbers
	scheduled func() int64   // how many it does, over all workers
	stageSent []atomic.Int64 // measured ones

	failOnce sync.Once
	failure  error
}

// startLead is from the call to offset 0: enough to have the first prompts ready.
const startLead = 20 * time.Millisecond

// Run makes a load and returns when all of its rows are with the sink.
//
// When ctx ends no request begins any more, what is on its way has DrainTimeout to end, and the report says that the
// load was interrupted; that is no error. An error, beside the report of what was done, is for a load that could not go
// on: the source or the sink failed, or the client says that asking is pointless.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Plan.Executable(); err != nil {
		return Report{}, err
	}
	if o.Pacer == nil {
		o.Pacer = FinePacer()
	}
	o.Prompts = max(o.Prompts, 1)
	began := o.Plan.window.Began
	if began.IsZero() {
		began = time.Now().Add(startLead)
	}
	g := &generator{Options: o, clock: newClock(o.Plan, began), live: o.Live}
	if g.live == nil {
		g.live = new(Live)
	}
	g.stageSent = make([]atomic.Int64, len(o.Plan.Stages))
	g.scheduled = sync.OnceValue(o.Plan.count)
	g.live.begin(g.clock)
	g.arriving, g.stop = context.WithCancel(ctx)
	defer g.stop()
	g.requests, g.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	defer g.cancel(nil)
	g.rows = newRows(o.Sink, g.live, g.fail)

	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-o.Now:
			g.stop()
			g.cancel(ErrRunEnded)
		case <-over:
		}
	})
	switch {
	case o.Load.Open():
		g.openLoop()
	case o.Load.Shape == "cold_start":
		g.coldStart()
	default:
		g.closedLoop()
	}
	interrupted := g.arriving.Err() != nil
	ended := time.Since(g.began)
	g.stop()
	g.drain()
	close(over)
	watching.Wait()
	g.rows.close()

	report := g.report(ended, interrupted)
	return report, g.failure
}

// fail ends the load for a cause that is not the server's.
func (g *generator) fail(err error) {
	g.failOnce.Do(func() {
		g.failure = err
		g.stop()
		g.cancel(ErrRunEnded)
	})
}

// drain waits for what is on its way, and cancels it after DrainTimeout.
func (g *generator) drain() {
	limit := g.Load.DrainTimeout
	if limit <= 0 {
		limit = DefaultDrainTimeout
	}
	timer := time.AfterFunc(limit, func() { g.cancel(ErrRunEnded) })
	defer timer.Stop()
	g.busy.Wait()
}

func (g *generator) report(ended time.Duration, interrupted bool) Report {
	l := g.live
	r := Report{
		StartedAt: g.wall, EndedAt: g.now(), Pacer: g.Pacer.Name(), Interrupted: interrupted,
		Due: l.due.Load(), Sent: l.sent.Load(), NotSent: l.notSent.Load(), Failed: l.failed.Load(),
		MaxLag: time.Duration(l.maxLag.Load()), SinkBlocked: time.Duration(l.blocked.Load()),
	}
	if !g.Load.Open() {
		r.Pacer = "" // it has no schedule to keep
	}
	if g.Plan.window != (Window{}) { // else nothing follows, and counting the arrivals of a day takes a while
		r.NextSeq = g.unscheduled() + g.seq.Load()*g.Share.workers()
	}
	until := g.measureUntil()
	if until == 0 || until > ended {
		until = ended
	}
	if g.Plan.MeasureFrom < ended {
		r.MeasureFrom, r.MeasureUntil = g.instant(g.Plan.MeasureFrom), g.instant(until)
	}
	for i, s := range g.Plan.Stages {
		row := tables.Stage{
			TrialID: g.TrialID, Stage: g.Plan.window.Stage + int32(i), Kind: cmp.Or(g.Plan.window.Kind, s.Kind),
			TargetRatePerSecond: s.RatePerSecond, TargetUsers: s.Users,
		}
		stageUntil := s.Until
		if stageUntil == s.From || stageUntil > until {
			stageUntil = until
		}
		if s.From < stageUntil {
			row.FromAt, row.UntilAt = g.instant(s.From), g.instant(stageUntil)
			row.AchievedRatePerSecond = tables.Some(float64(g.stageSent[i].Load()) / (stageUntil - s.From).Seconds())
		}
		r.Stages = append(r.Stages, row)
	}
	return r
}

// due is a request that is to be made.
type due struct {
	Turn
	phase    tables.Phase
	prompt   Prompt
	intended time.Duration
}

// prepare asks the source for the prompt of d. false: there is no such turn, or the load has failed.
func (g *generator) prepare(d *due) bool {
	prompt, ok, err := g.Source.Prompt(d.Turn)
	if err != nil {
		g.fail(fmt.Errorf("making prompt %d: %w", d.PromptID, err))
		return false
	}
	if !ok && d.Turn.Turn == 0 {
		g.fail(fmt.Errorf("the prompt set has no prompt %d", d.PromptID))
	}
	d.prompt = prompt
	if prompt.HasNext && d.Session == "" {
		d.Session = strconv.FormatInt(d.Seq, 10)
	}
	return ok
}

// row begins the row of d.
func (g *generator) row(rec *record, d *due) {
	rec.row = tables.Request{
		TrialID: g.TrialID, Stage: d.Stage, Seq: d.Seq, Final: true, Worker: int32(g.Share.Worker),
		PromptID: d.PromptID, SessionID: d.Session, Turn: d.Turn.Turn, Phase: d.phase,
		IntendedAt:            g.instant(d.intended),
		RequestedPromptTokens: d.prompt.PromptTokens, RequestedOutputTokens: d.prompt.OutputTokens,
		PromptSHA256: d.prompt.SHA256,
	}
}

// notSent leaves the row of a request that could not begin: every slot was taken, by the server, or by requests that
// wait for the sink.
func (g *generator) notSent(d *due) {
	rec := g.rows.record()
	g.row(rec, d)
	rec.row.ErrorKind = tables.ErrNotSentCap
	if g.rows.heldUp(g.began.Add(d.intended)) {
		rec.row.ErrorKind, rec.row.ErrorText = tables.ErrClientSaturated, "the results are not written fast enough"
	}
	g.live.notSent.Add(1)
	g.rows.put(rec)
}

// ask makes the request d with its attempts, leaves their rows, and returns the last answer. Its slot must have been
// taken, and is free again when ask returns.
func (g *generator) ask(d *due) Answer {
	timeout := g.Load.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(g.requests, timeout, ErrTotalTimeout)
	defer cancel()
	g.live.sent.Add(1)
	g.live.inFlight.Add(1)
	if i, ok := g.Plan.stageAt(d.Stage); ok && d.phase == tables.PhaseMeasure {
		g.stageSent[i].Add(1)
	}
	defer g.live.inFlight.Add(-1)
	for attempt := int32(0); ; attempt++ {
		rec := g.rows.record()
		g.row(rec, d)
		rec.row.Attempt = attempt
		answer, err := g.attempt(ctx, rec, d)
		rec.row.Final = err != nil || !g.retries(ctx, attempt, &answer)
		final := rec.row.Final
		g.rows.put(rec)
		if err != nil {
			g.fail(fmt.Errorf("asking: %w", err))
		}
		if final {
			return answer
		}
	}
}

func (g *generator) attempt(ctx context.Context, rec *record, d *due) (Answer, error) {
	t := &rec.timeline
	request := Request{
		Seq: d.Seq, Attempt: rec.row.Attempt, Prompt: d.prompt,
		KeepOutput:        d.prompt.HasNext || g.KeepBodies == scenarios.KeepAll || g.KeepBodies == scenarios.KeepErrors,
		FirstTokenTimeout: g.Load.FirstTokenTimeout, StallTimeout: g.Load.StallTimeout,
	}
	dispatched := g.now()
	t.DispatchedAt = dispatched
	if rec.row.Attempt == 0 && g.Load.Open() {
		g.live.noteLag(time.Duration(dispatched - rec.row.IntendedAt))
	}
	answer, err := g.Client.Generate(ctx, request, t)
	if t.DoneAt == 0 {
		t.DoneAt = g.now()
	}
	if err != nil && answer.ErrorKind == "" {
		answer.ErrorKind, answer.ErrorText = tables.ErrCancelledByRun, err.Error()
	}
	rec.row.DispatchedAt = dispatched
	Fill(&rec.row, t, &answer)
	if g.KeepBodies == scenarios.KeepAll || g.KeepBodies == scenarios.KeepErrors && answer.ErrorKind != "" {
		rec.body = &tables.Body{
			TrialID: g.TrialID, Seq: d.Seq, Attempt: rec.row.Attempt,
			Prompt: promptText(d.prompt.Messages), Output: answer.Output,
		}
	}
	return answer, err
}

// promptText is a prompt as one text: that of its only message, or each message under its role.
func promptText(messages []Message) string {
	if len(messages) == 1 {
		return messages[0].Content
	}
	var b strings.Builder
	for i, m := range messages {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(m.Role + ": " + m.Content)
	}
	return b.String()
}

// followUp is the next turn of a session, due once its think time is over. false: there is none.
func (g *generator) followUp(d *due, answer Answer) (due, bool) {
	if !d.prompt.HasNext || answer.ErrorKind != "" {
		return due{}, false
	}
	next := due{Turn: Turn{
		PromptID: d.PromptID, Session: d.Session, Turn: d.Turn.Turn + 1,
		Before: d.prompt.Messages, Answer: answer.Output,
	}}
	next.intended = time.Since(g.began) + d.prompt.ThinkTime
	next.phase, next.Stage = g.phase(next.intended)
	if until := g.until(); until > 0 && next.intended >= until {
		return due{}, false
	}
	next.Seq = g.nextSeq()
	return next, g.prepare(&next)
}

// nextSeq numbers a request that no schedule numbers, after all that it does.
func (g *generator) nextSeq() int64 {
	n := g.Share.workers()
	return g.unscheduled() + (g.seq.Add(1)-1)*n + int64(g.Share.Worker)
}

// unscheduled is the number from which on no schedule numbers a request.
func (g *generator) unscheduled() int64 {
	n := g.Share.workers()
	return g.Plan.window.Seq + (g.scheduled()+n-1)/n*n
}
