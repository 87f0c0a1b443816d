package search

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Tally holds the rows of a probe against the objectives, as they come. Its latencies are those of the view `latencies`.
type Tally struct {
	objectives []scenarios.Objective
	tokens     []Attainment // by objective: of gaps between tokens, which are many to a request
	requests   []tallied
	latencies  [][]float64 // by objective, of each request: seconds, NaN where it has none
	lost       int64
}

// tallied is what is kept of a request; bits are by objective.
type tallied struct {
	intended    tables.Instant
	total       time.Duration
	kept, tried uint64
}

// NewTally begins a tally for the objectives of an SLO that a search can use.
func NewTally(slo *scenarios.SLO) *Tally {
	t := &Tally{}
	for _, o := range slo.Objectives {
		if o.Searchable() {
			t.objectives = append(t.objectives, o)
		}
	}
	t.tokens = make([]Attainment, len(t.objectives))
	t.latencies = make([][]float64, len(t.objectives))
	return t
}

// Add takes a row. What is no final attempt of a measured request, or the client's own doing, is no evidence.
func (t *Tally) Add(r *tables.Request) {
	if !r.Final || r.Phase != tables.PhaseMeasure || r.ErrorKind == tables.ErrCancelledByRun || r.ErrorKind == tables.ErrClientSaturated {
		return
	}
	q := tallied{intended: r.IntendedAt}
	if r.DoneAt != 0 {
		q.total = time.Duration(r.DoneAt - r.IntendedAt)
	}
	if slices.Contains(tables.OverloadErrors, r.ErrorKind) {
		t.lost++
	}
	good := r.ErrorKind == ""
	for i := range t.latencies {
		t.latencies[i] = append(t.latencies[i], math.NaN())
	}
	for i, o := range t.objectives {
		if o.Metric == "goodput" {
			continue
		}
		kept, tried := t.keeps(i, o, r)
		if o.Metric != "errors" && tried {
			good = good && kept
		}
		q.set(i, kept, tried)
	}
	for i, o := range t.objectives {
		if o.Metric == "goodput" {
			q.set(i, good, true)
		}
	}
	t.requests = append(t.requests, q)
}

func (q *tallied) set(i int, kept, tried bool) {
	if tried {
		q.tried |= 1 << i
	}
	if kept {
		q.kept |= 1 << i
	}
}

// keeps tells whether a request keeps an objective; tried is false where it has nothing that the objective is about.
func (t *Tally) keeps(i int, o scenarios.Objective, r *tables.Request) (kept, tried bool) {
	ok := r.ErrorKind == ""
	var latency float64
	switch o.Metric {
	case "errors":
		return ok, true
	case "inter_token":
		return t.gaps(i, o, r)
	case "ttft":
		latency, tried = seconds(r.FirstTokenAt-r.IntendedAt), r.FirstTokenAt != 0
	case "end_to_end":
		latency, tried = seconds(r.DoneAt-r.IntendedAt), r.DoneAt != 0
	case "tpot":
		n := r.OutputTokens.V
		latency, tried = seconds(r.LastTokenAt-r.FirstTokenAt)/float64(n-1), n > 1
	}
	if !ok {
		return false, true
	}
	if tried {
		t.latencies[i][len(t.latencies[i])-1] = latency
	}
	return tried && latency <= o.Limit, tried
}

func seconds(d tables.Instant) float64 { return float64(d) / 1e9 }

// gaps counts the gaps between the tokens of a success; the request itself keeps the objective's percentile, or it does not.
func (t *Tally) gaps(i int, o scenarios.Objective, r *tables.Request) (kept, tried bool) {
	if r.ErrorKind != "" || len(r.TokenDeltaUS) < 2 {
		return false, false
	}
	a := &t.tokens[i]
	var within, all float64
	for k, us := range r.TokenDeltaUS[1:] {
		n := 1.0
		if r.TokenCounts != nil {
			n = max(float64(r.TokenCounts[k+1]), 1)
		}
		all += n
		if float64(us)/1e6/n <= o.Limit {
			within += n
		}
	}
	a.Kept, a.Of, a.Worth = a.Kept+within, a.Of+all, a.Worth+1
	a.Objective = o
	return within/all >= a.Needed()-almost, true
}

// lostForSure is the least number of requests lost to overload that ends a probe before its time.
const lostForSure = 10

// Overwhelmed tells whether the server lost, beyond doubt, more requests to overload than it may: it is asked while the
// probe goes on.
func (t *Tally) Overwhelmed() bool {
	allowed := stats.OverloadShare
	for _, o := range t.objectives {
		allowed = max(allowed, allowedLoss(o))
	}
	i, ok := stats.Wilson(float64(t.lost), float64(len(t.requests)), confidence)
	return ok && t.lost >= lostForSure && i.Low > allowed
}

// MedianTotal is the median time that a request took; 0: none has ended.
func (t *Tally) MedianTotal() time.Duration {
	var totals []time.Duration
	for _, q := range t.requests {
		if q.total > 0 {
			totals = append(totals, q.total)
		}
	}
	if len(totals) == 0 {
		return 0
	}
	slices.Sort(totals)
	return totals[(len(totals)-1)/2]
}

// Evidence is what the rows so far say.
func (t *Tally) Evidence() Evidence {
	order := make([]int, len(t.requests))
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(t.requests[a].intended, t.requests[b].intended) })
	e := Evidence{Requests: int64(len(t.requests)), LostToOverload: t.lost}
	taus := make([]float64, len(t.objectives))
	for i := range taus {
		taus[i] = stats.AutocorrelationTime(t.latenciesOf(i, order))
	}
	for i, o := range t.objectives {
		if o.Metric == "goodput" { // which is about all latencies
			taus[i] = slices.Max(taus)
		}
		e.Objectives = append(e.Objectives, t.attainment(i, order, taus[i]))
	}
	return e
}

// attainment counts an objective. What a request is worth comes from the latencies, not only from whether they kept the
// limit: where all keep it, that looks independent, however much each resembles the one before.
func (t *Tally) attainment(i int, order []int, tau float64) Attainment {
	if t.objectives[i].Metric == "inter_token" {
		a := t.tokens[i]
		a.Objective = t.objectives[i]
		return a
	}
	a := Attainment{Objective: t.objectives[i]}
	var kept []float64
	for _, k := range order {
		if q := t.requests[k]; q.tried&(1<<i) != 0 {
			x := float64(q.kept >> i & 1)
			kept = append(kept, x)
			a.Kept += x
		}
	}
	if a.Of = float64(len(kept)); a.Of > 0 {
		a.Worth = a.Of / min(max(tau, stats.AutocorrelationTime(kept)), a.Of)
	}
	return a
}

// nearLimit is the part of a limit up to which latencies are far from it: how much they resemble each other then says
// nothing of whether others would pass it.
const nearLimit = 0.5

// latenciesOf are the latencies that an objective is about, in the order in which their requests were due; none where all
// are far from the limit.
func (t *Tally) latenciesOf(i int, order []int) []float64 {
	var xs []float64
	for _, k := range order {
		if x := t.latencies[i][k]; !math.IsNaN(x) {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 || slices.Max(xs) <= nearLimit*t.objectives[i].Limit {
		return nil
	}
	return xs
}

// Backlog remembers how many requests were due and on their way, from look to look.
type Backlog struct{ looks []look }

type look struct {
	at            time.Duration
	due, inFlight int64
}

// Look notes what it is at a time since the start.
func (b *Backlog) Look(at time.Duration, due, inFlight int64) {
	b.looks = append(b.looks, look{at, due, inFlight})
}

// Grew tells whether the backlog grew all through the second half of the time so far. Where even the median request takes
// longer than a half, the first answers are still to come and growth says nothing; half of those that a server falls behind
// with end within twice the time that they waited, so that overload doesn't hide behind this.
func (b *Backlog) Grew(medianTotal func() time.Duration) bool { return b.grew(medianTotal, 1) }

// severeWhileItGoesOn is how much severer a backlog is looked at that is looked at again and again.
const severeWhileItGoesOn = 1.5

// RunsAway tells whether the backlog grew so much that the rest of the probe need not be made.
func (b *Backlog) RunsAway(medianTotal func() time.Duration) bool {
	return b.grew(medianTotal, severeWhileItGoesOn)
}

func (b *Backlog) grew(medianTotal func() time.Duration, severe float64) bool {
	if len(b.looks) < 2 {
		return false
	}
	first, last := b.looks[0], b.looks[len(b.looks)-1]
	half := (last.at - first.at) / 2
	i, _ := slices.BinarySearchFunc(b.looks, first.at+half, func(l look, at time.Duration) int { return cmp.Compare(l.at, at) })
	middle := b.looks[min(i, len(b.looks)-1)]
	return stats.BacklogGrew(float64(last.inFlight-middle.inFlight), float64(last.due-middle.due), severe) && medianTotal() <= half
}
