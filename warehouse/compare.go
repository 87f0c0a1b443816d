package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// TrialKey names a trial in a warehouse.
type TrialKey struct {
	Apply, TrialID string
}

// Candidates is one side of a comparison.
type Candidates struct {
	// Name is what the side is called, as in latest~1.
	Name   string
	Trials []TrialKey
}

// Figure names what is compared: one figure a trial.
type Figure struct {
	Metric string `json:"metric"`
	Stat   string `json:"stat"`
}

func (f Figure) String() string { return f.Metric + " " + f.Stat }

// MoreIsBetter tells which direction of the figure is the good one.
func (f Figure) MoreIsBetter() bool {
	return strings.HasSuffix(f.Metric, "_per_second") || slices.Contains([]string{"goodput", "overload_goodput", "capacity"}, f.Metric) || f.Metric == "output_tokens_per_cpu_second" || f.Stat == "succeeded"
}

// usualStat is the statistic of a metric that is named without one.
var usualStat = map[string]string{
	"output_tokens_per_second": "system", "prompt_tokens_per_second": "system", "output_tokens_per_cpu_second": "system",
	"requests_per_second": "succeeded", "errors": "ratio", "goodput": "ratio", "requests": "due",
	"capacity": "per_second", "overload_goodput": "per_second", "recovery": "seconds",
}

// ParseFigure reads a metric, and its statistic after a point, a colon or a space: ttft, ttft.p99. Without one it is
// the median, and of rates and shares the one that they have.
func ParseFigure(text string) (Figure, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(".: ", r) })
	switch len(words) {
	case 1:
		f := Figure{Metric: words[0], Stat: "p50"}
		stat, usual := usualStat[f.Metric]
		switch {
		case usual:
			f.Stat = stat
		case strings.HasSuffix(f.Metric, "_memory_working_set_bytes"):
			f.Stat = "max"
		case strings.Contains(f.Metric, "_network_"):
			f.Stat = "sum"
		case strings.HasPrefix(f.Metric, "runtime_"), strings.HasPrefix(f.Metric, "client_"), strings.HasPrefix(f.Metric, "node_"):
			f.Stat = "mean"
		}
		return f, nil
	case 2:
		return Figure{Metric: words[0], Stat: words[1]}, nil
	}
	return Figure{}, fmt.Errorf("%q is no figure: write a metric, or a metric and a statistic, as in ttft.p99", text)
}

// usualFigures are compared where none is named; the first decides a gate.
var usualFigures = []Figure{
	{"ttft", "p50"}, {"ttft", "p99"}, {"end_to_end", "p50"}, {"output_tokens_per_second", "p50"},
	{"output_tokens_per_second", "system"}, {"errors", "ratio"},
}

// keyFigures are compared by a matrix key where none is named, those that the trials have: what is got, and what it takes.
var keyFigures = append(slices.Clone(usualFigures),
	Figure{"capacity", "per_second"}, Figure{"overload_goodput", "per_second"}, Figure{"recovery", "seconds"},
	Figure{"runtime_cpu_cores", "mean"}, Figure{"output_tokens_per_cpu_second", "system"},
	Figure{"runtime_memory_working_set_bytes", "max"},
	Figure{"runtime_network_transmit_bytes", "sum"}, Figure{"runtime_network_receive_bytes", "sum"},
)

// Question says what to compare.
type Question struct {
	// Old and New are the sides; cells are matched by what they chose.
	Old, New Candidates
	// By is a matrix key: the trials of Old are compared by its values instead, each with the first.
	By string
	// Figures are what is compared; none means the usual ones. The first decides the gate.
	Figures []Figure
	// MaxRegression is the gate: how much worse, as a ratio, new may be; unknown: no gate.
	MaxRegression tables.Null[float64]
	// Level is how improbable a difference by chance must be; 0 means 0.05.
	Level float64
}

// What a comparison says of one figure.
const (
	Better       = "better"
	Worse        = "worse"
	NoDifference = "~" // nothing is proven
)

// The outcomes of a gate.
const (
	GatePass         = "pass"
	GateFail         = "fail"
	GateInconclusive = "inconclusive"
)

// Side is one sample: a figure of each repetition.
type Side struct {
	Name   string               `json:"name"`
	Values []float64            `json:"values"`
	Median tables.Null[float64] `json:"median"`
	// CILow and CIHigh bound the median; unknown below six repetitions.
	CILow  tables.Null[float64] `json:"ci_low"`
	CIHigh tables.Null[float64] `json:"ci_high"`
}

// Difference is one figure of one cell, old against new.
type Difference struct {
	Cell   string `json:"cell"` // what both sides share
	Figure Figure `json:"figure"`
	Unit   string `json:"unit"`
	Old    Side   `json:"old"`
	New    Side   `json:"new"`
	// Change is by how much new lies above old, as a ratio (the Hodges–Lehmann estimate of the logarithms), with its
	// exact interval; unknown where a value isn't positive, the interval also where there are too few repetitions.
	Change     tables.Null[float64] `json:"change"`
	ChangeLow  tables.Null[float64] `json:"change_low"`
	ChangeHigh tables.Null[float64] `json:"change_high"`
	// P is the exact probability of such a difference by chance, PHolm the same corrected for the number of rows.
	P       float64 `json:"p"`
	PHolm   float64 `json:"p_holm"`
	Verdict string  `json:"verdict"` // better, worse, ~
	// Gate is the gate's outcome for this row; "" where it is not asked.
	Gate string `json:"gate,omitempty"`
	// Note says why nothing could be proven.
	Note string `json:"note,omitempty"`

	rest string // the cell without the key that is compared by
}

// Comparison is the answer to a Question.
type Comparison struct {
	// By is the matrix key that is compared by; "" where two sides were named.
	By string `json:"by,omitempty"`
	// SameModel tells whether all sides are the same model: false where one pair is refused, null where one can't be told.
	SameModel       tables.Null[bool] `json:"same_model"`
	SameModelReason string            `json:"same_model_reason"`
	Models          []Likeness        `json:"models"`

	Rows []Difference `json:"rows"`
	// Gate is "" where none was asked.
	Gate string `json:"gate,omitempty"`
	// Warnings say what makes the sides unlike.
	Warnings []string `json:"warnings,omitempty"`
}

// ErrNothingToCompare says that a side has no trial that may be compared.
var ErrNothingToCompare = errors.New("nothing to compare")

// Compare holds trials against each other in benchstat's manner. The unit is the repetition: requests of one trial are
// alike, and pooling them would find differences where there are none. Trials that are invalid or did not complete are
// left out, with a warning.
func Compare(ctx context.Context, db *sql.DB, q Question) (Comparison, error) {
	if q.Level == 0 {
		q.Level = 0.05
	}
	if len(q.Figures) == 0 {
		q.Figures = usualFigures
		if q.By != "" {
			q.Figures = keyFigures
		}
	}
	c := Comparison{By: q.By}
	pairs, err := c.pairs(ctx, db, q)
	if err != nil {
		return Comparison{}, fmt.Errorf("comparing: %w", err)
	}
	refused := map[string]bool{}
	for _, p := range pairs {
		l := p.likeness()
		c.Models = append(c.Models, l)
		refused[p.cell] = l.SameModel.Valid && !l.SameModel.V
		c.Warnings = append(c.Warnings, p.unlike()...)
		for _, f := range q.Figures {
			d, ok := p.difference(f, q.Level)
			if ok {
				c.Rows = append(c.Rows, d)
			}
		}
	}
	if len(c.Rows) == 0 {
		return Comparison{}, fmt.Errorf("comparing: %w: no trial of both sides has a figure %s", ErrNothingToCompare, q.Figures[0])
	}
	c.SameModel, c.SameModelReason = sameModel(c.Models)
	c.Warnings = slices.Compact(c.Warnings)
	ps := make([]float64, len(c.Rows))
	for i, d := range c.Rows {
		ps[i] = d.P
	}
	for i, p := range stats.Holm(ps) {
		c.Rows[i].PHolm = p
	}
	if q.MaxRegression.Valid {
		c.decideGate(q.Figures[0], q.MaxRegression.V, refused)
	}
	return c, nil
}

// difference compares one figure of a pair; false where a side does not have it.
func (p pair) difference(f Figure, level float64) (Difference, bool) {
	d := Difference{Cell: p.cell, rest: p.rest, Figure: f, Old: p.old.side(f), New: p.new.side(f), P: 1, Verdict: NoDifference}
	a, b := d.Old.Values, d.New.Values
	if len(a) == 0 || len(b) == 0 {
		return d, false
	}
	d.Unit = p.old.units[f]
	d.P = stats.MannWhitney(a, b)
	d.change(a, b)
	if need := stats.EnoughFor(level); stats.LeastP(len(a), len(b)) > level {
		d.Note = fmt.Sprintf("too few repetitions (%d and %d): %d of each are needed to show a difference", len(a), len(b), need)
		return d, true
	}
	if d.P <= level && d.Old.Median.V != d.New.Median.V {
		d.Verdict = Worse
		if (d.New.Median.V > d.Old.Median.V) == f.MoreIsBetter() {
			d.Verdict = Better
		}
	}
	return d, true
}

// change estimates by how much the sides differ, as a ratio.
func (d *Difference) change(a, b []float64) {
	if !slices.ContainsFunc(slices.Concat(a, b), func(x float64) bool { return x != 0 }) {
		d.Change, d.ChangeLow, d.ChangeHigh = tables.Some(0.0), tables.Some(0.0), tables.Some(0.0)
		return
	}
	logs := func(xs []float64) []float64 {
		out := make([]float64, len(xs))
		for i, x := range xs {
			out[i] = math.Log(x)
		}
		return out
	}
	if slices.Min(a) <= 0 || slices.Min(b) <= 0 {
		return
	}
	shift, interval, ok := stats.HodgesLehmann(logs(a), logs(b), Confidence)
	d.Change = tables.Some(math.Expm1(shift))
	if ok {
		d.ChangeLow, d.ChangeHigh = tables.Some(math.Expm1(interval.Low)), tables.Some(math.Expm1(interval.High))
	}
}

// decideGate holds the rows of a figure against the largest regression that is let pass: passed where the whole
// interval of the change lies within it, failed where all of it lies beyond, undecided otherwise. The whole gate fails
// with its first row, and passes only with all. Sides that are refused as the same model decide nothing.
func (c *Comparison) decideGate(f Figure, most float64, refused map[string]bool) {
	c.Gate = GatePass
	decided := false
	for i := range c.Rows {
		d := &c.Rows[i]
		if d.Figure != f {
			continue
		}
		decided = true
		d.Gate = GateInconclusive
		if d.ChangeLow.Valid && d.ChangeHigh.Valid && !refused[d.Cell] {
			low, high := d.ChangeLow.V, d.ChangeHigh.V
			if f.MoreIsBetter() {
				low, high = -high, -low
			}
			switch {
			case high <= most:
				d.Gate = GatePass
			case low > most:
				d.Gate = GateFail
			}
		}
		switch {
		case d.Gate == GateFail:
			c.Gate = GateFail
		case d.Gate == GateInconclusive && c.Gate != GateFail:
			c.Gate = GateInconclusive
		}
	}
	if !decided {
		c.Gate = GateInconclusive
	}
}
