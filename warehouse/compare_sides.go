package warehouse

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// compared is a trial as far as a comparison needs it.
type compared struct {
	TrialKey
	run, status, validity string
	runtime, promptSet    string
	// modelDigest and answersSHA256 are "" where they are not known.
	modelDigest, answersSHA256 string
	answers                    answers
	cell                       map[string]string
	fingerprint                map[string]any
	figures                    map[Figure]float64
	units                      map[Figure]string
}

// group are the repetitions of one cell of one side.
type group struct {
	name   string
	trials []compared
	units  map[Figure]string
}

// pair is what is held against each other.
type pair struct {
	cell     string
	rest     string // what the sides share, where they are compared by a key
	old, new group
}

// outputLength is the figure by which sides are seen to answer at different length.
var outputLength = Figure{"output_tokens", "p50"}

// unlikeLength is the relative difference of median output lengths from which on sides are not called the same model.
const unlikeLength = 0.05

// pairs reads the trials and matches the sides.
func (c *Comparison) pairs(ctx context.Context, db *sql.DB, q Question) ([]pair, error) {
	old, err := c.read(ctx, db, q.Old, q.Figures)
	if err != nil {
		return nil, err
	}
	if q.By != "" {
		return c.byKey(old, q)
	}
	young, err := c.read(ctx, db, q.New, q.Figures)
	if err != nil {
		return nil, err
	}
	return c.bySide(old, young, q)
}

// bySide matches the cells of two selections by what they chose; a single cell on each side matches whatever it chose.
func (c *Comparison) bySide(old, young []compared, q Question) ([]pair, error) {
	a, aNames := grouped(old, q.Old.Name, cellText)
	b, bNames := grouped(young, q.New.Name, cellText)
	if len(aNames) == 1 && len(bNames) == 1 {
		p := pair{cell: aNames[0], old: a[aNames[0]], new: b[bNames[0]]}
		if aNames[0] != bNames[0] {
			p.cell = aNames[0] + " → " + bNames[0]
		}
		return []pair{p}, nil
	}
	var pairs []pair
	for _, name := range aNames {
		if _, ok := b[name]; ok {
			pairs = append(pairs, pair{cell: name, old: a[name], new: b[name]})
		} else {
			c.warn("%s has no cell %s", q.New.Name, name)
		}
	}
	for _, name := range bNames {
		if _, ok := a[name]; !ok {
			c.warn("%s has no cell %s", q.Old.Name, name)
		}
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("%w: %s and %s have no cell in common", ErrNothingToCompare, q.Old.Name, q.New.Name)
	}
	return pairs, nil
}

// byKey compares the values of a matrix key, each with the first: numbers by size, others in the order of their trials,
// which is that of the scenario.
func (c *Comparison) byKey(trials []compared, q Question) ([]pair, error) {
	var values []string
	for _, t := range trials {
		if v, ok := t.cell[q.By]; ok && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	if len(values) < 2 {
		return nil, fmt.Errorf("%w: the trials of %s have fewer than two values of %s", ErrNothingToCompare, q.Old.Name, q.By)
	}
	slices.SortStableFunc(values, bySize)
	rest := func(t compared) string {
		others := maps.Clone(t.cell)
		delete(others, q.By)
		t.cell = others
		return cellText(t)
	}
	of := func(value string) (map[string]group, []string) {
		var own []compared
		for _, t := range trials {
			if v, ok := t.cell[q.By]; ok && v == value {
				own = append(own, t)
			}
		}
		return grouped(own, q.By+"="+value, rest)
	}
	base, names := of(values[0])
	var pairs []pair
	for _, v := range values[1:] {
		other, _ := of(v)
		for _, name := range names {
			if g, ok := other[name]; ok {
				cell := name
				if len(values) > 2 { // the sides' names, in the table's head, differ from row to row
					cell = fmt.Sprintf("%s %s: %s → %s", name, q.By, values[0], v)
				}
				pairs = append(pairs, pair{cell: cell, rest: name, old: base[name], new: g})
			} else {
				c.warn("there is no trial of %s with %s=%s", name, q.By, v)
			}
		}
	}
	return pairs, nil
}

// bySize orders numbers, and leaves other values as they are.
func bySize(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil {
		return 0
	}
	return cmp.Compare(x, y)
}

// grouped puts the repetitions of a cell together; the names are in the order of their first trial.
func grouped(trials []compared, side string, name func(compared) string) (map[string]group, []string) {
	groups := map[string]group{}
	var names []string
	for _, t := range trials {
		n := name(t)
		g, ok := groups[n]
		if !ok {
			names = append(names, n)
			g = group{name: side, units: map[Figure]string{}}
		}
		g.trials = append(g.trials, t)
		maps.Copy(g.units, t.units)
		groups[n] = g
	}
	return groups, names
}

// cellText is a run and what its cell chose, as in capacity[model=8b].
func cellText(t compared) string {
	if len(t.cell) == 0 {
		return t.run
	}
	var chosen []string
	for _, k := range slices.Sorted(maps.Keys(t.cell)) {
		chosen = append(chosen, k+"="+t.cell[k])
	}
	return t.run + "[" + strings.Join(chosen, ",") + "]"
}

// side is a figure of each repetition, and their median.
func (g group) side(f Figure) Side {
	s := Side{Name: g.name}
	for _, t := range g.trials {
		if v, ok := t.figures[f]; ok {
			s.Values = append(s.Values, v)
		}
	}
	if len(s.Values) == 0 {
		return s
	}
	s.Median = tables.Some(stats.Median(s.Values))
	sorted := slices.Clone(s.Values)
	slices.Sort(sorted)
	// Repetitions are independent of each other, so their ranks bound the median.
	if i, _, ok := stats.RankInterval(sorted, 0.5, Confidence, 1); ok {
		s.CILow, s.CIHigh = tables.Some(i.Low), tables.Some(i.High)
	}
	return s
}

// unlike says in which respects the sides are not alike but for what is compared.
func (p pair) unlike() []string {
	var out []string
	if a, b, far := p.lengths(); far && p.promptsDiffer() { // else it is no likeness of models
		out = append(out, fmt.Sprintf("%s: the median answer has %.0f tokens in %s and %.0f in %s, so that whole answers are not alike",
			p.cell, a, p.old.name, b, p.new.name))
	}
	if facts := differing(p.old.trials[0].fingerprint, p.new.trials[0].fingerprint, ""); len(facts) > 0 {
		const most = 8
		if len(facts) > most {
			facts = append(facts[:most], fmt.Sprintf("%d more", len(facts)-most))
		}
		out = append(out, fmt.Sprintf("the environments of %s and %s differ: %s", p.old.name, p.new.name, strings.Join(facts, ", ")))
	}
	return out
}

// differing lists the facts that two fingerprints tell differently, by their path.
func differing(a, b map[string]any, path string) []string {
	keys := slices.Sorted(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out []string
	for _, k := range keys {
		x, xIsMap := a[k].(map[string]any)
		y, yIsMap := b[k].(map[string]any)
		if xIsMap && yIsMap {
			out = append(out, differing(x, y, path+k+".")...)
			continue
		}
		if s, t := fmt.Sprint(a[k]), fmt.Sprint(b[k]); s != t {
			out = append(out, fmt.Sprintf("%s%s (%s → %s)", path, k, short(s), short(t)))
		}
	}
	return out
}

func short(s string) string {
	const most = 24
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func (c *Comparison) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// read gets the trials of a selection with their figures, and leaves out those that may not be compared.
func (c *Comparison) read(ctx context.Context, db *sql.DB, s Candidates, figures []Figure) ([]compared, error) {
	if len(s.Trials) == 0 {
		return nil, fmt.Errorf("%w: %s has no trials", ErrNothingToCompare, s.Name)
	}
	wanted := map[TrialKey]*compared{}
	var applies []string
	for _, k := range s.Trials {
		wanted[k] = nil
		if a := quote(k.Apply); !slices.Contains(applies, a) {
			applies = append(applies, a)
		}
	}
	in := "apply in (" + strings.Join(applies, ", ") + ")"
	order, err := readTrials(ctx, db, in, wanted)
	if err != nil {
		return nil, fmt.Errorf("reading the trials of %s: %w", s.Name, err)
	}
	if err := readFigures(ctx, db, in, wanted, append(slices.Clone(figures), outputLength)); err != nil {
		return nil, fmt.Errorf("reading the figures of %s: %w", s.Name, err)
	}
	if err := readAnswers(ctx, db, in, wanted); err != nil {
		return nil, fmt.Errorf("reading the answers of %s: %w", s.Name, err)
	}
	var out []compared
	var invalid, flagged []string
	for _, k := range order {
		t := wanted[k]
		switch {
		case t.status != string(tables.StatusCompleted):
			c.warn("%s: %s is left out, for it did not complete: it is %s", s.Name, k.TrialID, t.status)
			continue
		case t.validity == string(tables.Invalid):
			invalid = append(invalid, k.TrialID)
			continue
		case t.validity == string(tables.Flagged):
			flagged = append(flagged, k.TrialID)
		}
		out = append(out, *t)
	}
	if n := len(invalid); n > 0 {
		c.warn("%s: %d of %d trials are invalid and left out: %s", s.Name, n, len(order), strings.Join(invalid, ", "))
	}
	if n := len(flagged); n > 0 {
		c.warn("%s: %d of %d trials are flagged: %s", s.Name, n, len(order), strings.Join(flagged, ", "))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no trial of %s is complete and valid", ErrNothingToCompare, s.Name)
	}
	return out, nil
}

func readTrials(ctx context.Context, db *sql.DB, in string, wanted map[TrialKey]*compared) ([]TrialKey, error) {
	rows, err := db.QueryContext(ctx, `select apply, trial_id, run, status, coalesce(validity, ''), coalesce(to_json(cell)::varchar, '{}'), coalesce(fingerprint::varchar, '{}'),
		runtime, prompt_set, coalesce(model_digest, ''), coalesce(answers_sha256, '')
		from trials where `+in+` order by apply, started_at, run, repetition, trial_id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var order []TrialKey
	for rows.Next() {
		t := &compared{figures: map[Figure]float64{}, units: map[Figure]string{}}
		var cell, fingerprint string
		if err := rows.Scan(&t.Apply, &t.TrialID, &t.run, &t.status, &t.validity, &cell, &fingerprint,
			&t.runtime, &t.promptSet, &t.modelDigest, &t.answersSHA256); err != nil {
			return nil, err
		}
		if _, ok := wanted[t.TrialKey]; !ok {
			continue
		}
		if err := json.Unmarshal([]byte(cell), &t.cell); err != nil {
			return nil, fmt.Errorf("the cell of %s: %w", t.TrialID, err)
		}
		if err := json.Unmarshal([]byte(fingerprint), &t.fingerprint); err != nil {
			return nil, fmt.Errorf("the fingerprint of %s: %w", t.TrialID, err)
		}
		wanted[t.TrialKey] = t
		order = append(order, t.TrialKey)
	}
	return order, rows.Err()
}

func readFigures(ctx context.Context, db *sql.DB, in string, wanted map[TrialKey]*compared, figures []Figure) error {
	rows, err := db.QueryContext(ctx, `select apply, trial_id, metric, stat, unit, value from summaries where stage is null and value is not null and `+in)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k TrialKey
		var f Figure
		var unit string
		var v float64
		if err := rows.Scan(&k.Apply, &k.TrialID, &f.Metric, &f.Stat, &unit, &v); err != nil {
			return err
		}
		if t := wanted[k]; t != nil && slices.Contains(figures, f) {
			t.figures[f], t.units[f] = v, unit
		}
	}
	return rows.Err()
}
