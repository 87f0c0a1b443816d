package load

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Live is what a load does at this moment, for those who watch. The zero Live is ready; it may be watched before the
// load starts, and serves one load at a time; of a trial that makes several it tells the last that began.
type Live struct {
	clock atomic.Pointer[clock]

	due, sent, notSent, finished, failed atomic.Int64
	inFlight                             atomic.Int64
	promptTokens, outputTokens           atomic.Int64
	blocked                              atomic.Int64 // ns
	maxLag                               atomic.Int64 // ns

	mu     sync.Mutex
	errors map[tables.ErrorKind]int64
	recent ring
}

// Snapshot is a load at one moment. Counts are of requests since the load began, over all phases.
type Snapshot struct {
	At    time.Time
	Begun bool
	Phase tables.Phase
	Stage int32
	// Window is the name of the window that is made; "" where the load is a trial's only one.
	Window string
	// Elapsed is since the start of the load, Left until its end without the drain; 0: not known.
	Elapsed, Left time.Duration
	// TargetPerSecond is the stage's mean rate, TargetUsers its users; NULL for what the shape has not.
	TargetPerSecond, TargetUsers tables.Null[float64]

	Due      int64 // by the schedule; in a closed loop, those sent
	Sent     int64 // begun by the client
	NotSent  int64 // could not be begun
	InFlight int64
	Finished int64 // final answers and failures
	Failed   int64 // of those finished, with the errors below
	Errors   map[tables.ErrorKind]int64

	PromptTokens, OutputTokens int64

	// Of the last RecentWindow:
	RequestsPerSecond     float64 // finished
	OutputTokensPerSecond float64
	TTFTp50, TTFTp99      time.Duration // from the intended time; 0: no success
	// SinkBlocked is how long requests waited for the sink to take their rows; MaxLag is the longest from an intended
	// to its real dispatch.
	SinkBlocked, MaxLag time.Duration
}

// RecentWindow is how far the recent figures of a Snapshot reach back.
const RecentWindow = 10 * time.Second

// Snapshot is the load as it is now; it may be called at any time by anybody.
func (l *Live) Snapshot() Snapshot {
	now := time.Now()
	s := Snapshot{
		At: now, Due: l.due.Load(), Sent: l.sent.Load(), NotSent: l.notSent.Load(), InFlight: l.inFlight.Load(),
		Finished: l.finished.Load(), Failed: l.failed.Load(),
		PromptTokens: l.promptTokens.Load(), OutputTokens: l.outputTokens.Load(),
		SinkBlocked: time.Duration(l.blocked.Load()), MaxLag: time.Duration(l.maxLag.Load()),
		Errors: map[tables.ErrorKind]int64{},
	}
	l.mu.Lock()
	for k, n := range l.errors {
		s.Errors[k] = n
	}
	recent := l.recent.since(now.Add(-RecentWindow))
	l.mu.Unlock()

	c := l.clock.Load()
	if c == nil {
		return s
	}
	s.Begun = true
	s.Elapsed = max(now.Sub(c.began), 0)
	s.Phase, s.Stage = c.phase(s.Elapsed)
	if until := c.until(); until > 0 {
		s.Left = max(until-s.Elapsed, 0)
	}
	s.Window = c.plan.window.Name
	if i, ok := c.plan.stageAt(s.Stage); ok {
		stage := c.plan.Stages[i]
		s.TargetPerSecond, s.TargetUsers = stage.RatePerSecond, stage.Users
	}
	s.fillRecent(recent, min(RecentWindow, s.Elapsed))
	return s
}

// OnTheirWay is how many requests were due since the load began, and how many are on their way now.
func (l *Live) OnTheirWay() (due, inFlight int64) { return l.due.Load(), l.inFlight.Load() }

func (s *Snapshot) fillRecent(recent []finish, window time.Duration) {
	if window <= 0 {
		return
	}
	var tokens int64
	var ttft []time.Duration
	for _, f := range recent {
		tokens += int64(f.tokens)
		if f.ttft > 0 {
			ttft = append(ttft, f.ttft)
		}
	}
	s.RequestsPerSecond = float64(len(recent)) / window.Seconds()
	s.OutputTokensPerSecond = float64(tokens) / window.Seconds()
	if len(ttft) > 0 {
		slices.Sort(ttft)
		s.TTFTp50 = ttft[(len(ttft)-1)/2]
		s.TTFTp99 = ttft[(len(ttft)-1)*99/100]
	}
}

// begin readies a Live for a load.
func (l *Live) begin(c *clock) {
	for _, n := range []*atomic.Int64{
		&l.due, &l.sent, &l.notSent, &l.finished, &l.failed, &l.inFlight,
		&l.promptTokens, &l.outputTokens, &l.blocked, &l.maxLag,
	} {
		n.Store(0)
	}
	l.mu.Lock()
	l.errors = map[tables.ErrorKind]int64{}
	l.recent = ring{}
	l.mu.Unlock()
	l.clock.Store(c)
}

// observe counts a row. It runs on the sink's goroutine, off the measured path.
func (l *Live) observe(r *tables.Request, now time.Time) {
	if !r.Final {
		return
	}
	l.finished.Add(1)
	l.promptTokens.Add(int64(r.PromptTokens.V))
	l.outputTokens.Add(int64(r.OutputTokens.V))
	f := finish{at: now, tokens: r.OutputTokens.V}
	if r.ErrorKind == "" && r.FirstTokenAt != 0 {
		f.ttft = time.Duration(r.FirstTokenAt - r.IntendedAt)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.ErrorKind != "" {
		l.failed.Add(1)
		l.errors[r.ErrorKind]++
	}
	if r.DispatchedAt != 0 {
		l.recent.add(f)
	}
}

func (l *Live) noteLag(lag time.Duration) {
	for {
		old := l.maxLag.Load()
		if int64(lag) <= old || l.maxLag.CompareAndSwap(old, int64(lag)) {
			return
		}
	}
}

// finish is what the recent figures need of a request.
type finish struct {
	at     time.Time
	ttft   time.Duration
	tokens int32
}

// ring holds the last requests that finished, oldest first from next on.
type ring struct {
	all  []finish
	next int
}

// ringSize bounds what a Live remembers: at higher rates the recent figures reach back less far.
const ringSize = 1 << 14

func (r *ring) add(f finish) {
	if len(r.all) < ringSize {
		r.all = append(r.all, f)
		return
	}
	r.all[r.next] = f
	r.next = (r.next + 1) % ringSize
}

func (r *ring) since(t time.Time) []finish {
	var recent []finish
	for _, f := range r.all {
		if f.at.After(t) {
			recent = append(recent, f)
		}
	}
	return recent
}
