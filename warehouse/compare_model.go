package warehouse

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Likeness says whether both sides of a pair answered as the same model does.
type Likeness struct {
	Cell string `json:"cell"` // what both sides share
	Old  string `json:"old"`
	New  string `json:"new"`
	// SameModel: the greedy answers to the identity prompts are equal, and the median answers about as long; null where
	// it can't be told.
	SameModel tables.Null[bool] `json:"same_model"`
	// Reason is why, in a sentence.
	Reason string `json:"reason"`
	// matters: there is something to be told, because the sides have different runtimes or models.
	matters bool
}

// answers is what a runtime answered to the identity prompts; the message of an event.
type answers struct {
	Answers []struct {
		Prompt string `json:"prompt"`
		Text   string `json:"text"`
		SHA256 string `json:"sha256"`
	} `json:"answers"`
	Failure string `json:"failure"`
}

func readAnswers(ctx context.Context, db *sql.DB, in string, wanted map[TrialKey]*compared) error {
	rows, err := db.QueryContext(ctx, `select apply, trial_id, message from events where trial_id is not null and kind = ? and `+in, tables.EventIdentity)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k TrialKey
		var message string
		if err := rows.Scan(&k.Apply, &k.TrialID, &message); err != nil {
			return err
		}
		t := wanted[k]
		if t == nil {
			continue
		}
		if err := json.Unmarshal([]byte(message), &t.answers); err != nil {
			return fmt.Errorf("the answers of %s: %w", k.TrialID, err)
		}
	}
	return rows.Err()
}

// likeness tells whether both sides are the same model.
func (p pair) likeness() Likeness {
	l := Likeness{Cell: p.cell, Old: p.old.name, New: p.new.name}
	p.old.name, p.new.name = plainName(l.Old), plainName(l.New)
	sides := p.old.name + " and " + p.new.name
	no := func(format string, args ...any) Likeness {
		l.SameModel, l.matters = tables.Some(false), true
		l.Reason = "not the same model: " + fmt.Sprintf(format, args...)
		return l
	}
	a, b := p.old.digests(answered), p.new.digests(answered)
	for _, g := range []struct {
		name  string
		found []string
	}{{p.old.name, a}, {p.new.name, b}} {
		if len(g.found) > 1 {
			return no("%s does not always answer the same to the same prompt, though it was asked greedily", g.name)
		}
	}
	weights := p.weights()
	if len(a) == 1 && len(b) == 1 && a[0] != b[0] {
		reason := "the answers of " + sides + " differ: " + p.parting()
		if weights == equalWeights {
			reason += "; the digests of their weights are equal, so that it is the chat template, the settings or the arithmetic that differ"
		}
		return no("%s", reason)
	}
	if x, y, far := p.lengths(); far && !p.promptsDiffer() {
		return no("median output lengths of %s differ by %.0f %% (%.0f and %.0f tokens)", sides, 100*math.Abs(y-x)/x, x, y)
	}
	l.matters = p.runtimesDiffer()
	if len(a) == 1 && len(b) == 1 {
		l.SameModel, l.matters = tables.Some(true), true
		n := len(p.old.trialThat(answered).answers.Answers)
		l.Reason = fmt.Sprintf("the same model: the answers of %s to %d prompts are equal", sides, n)
		if weights == otherWeights {
			l.Reason += ", though the digests of their weights differ"
		}
		return l
	}
	l.Reason = "can't tell whether " + sides + " are the same model: " + p.unanswered()
	switch weights {
	case equalWeights:
		l.Reason += "; the digests of their weights are equal"
	case otherWeights:
		l.Reason += "; the digests of their weights differ"
		l.matters = true
	}
	return l
}

// plainName is a side's name without a key that its value tells as well, as in runtime=runtime.a.
func plainName(name string) string {
	if key, value, ok := strings.Cut(name, "="); ok && strings.HasPrefix(value, key+".") {
		return value
	}
	return name
}

// unanswered says why there are no answers to hold against each other.
func (p pair) unanswered() string {
	for _, g := range []group{p.old, p.new} {
		for _, t := range g.trials {
			if t.answers.Failure != "" {
				return fmt.Sprintf("%s did not answer an identity prompt (%s)", g.name, short(t.answers.Failure))
			}
		}
	}
	return "the identity prompts were not asked, which is done in a run that has several runtimes"
}

// What is known of the weights of both sides.
const (
	unknownWeights = iota
	equalWeights
	otherWeights
)

func (p pair) weights() int {
	of := func(t compared) string { return t.modelDigest }
	a, b := p.old.digests(of), p.new.digests(of)
	switch {
	case len(a) != 1 || len(b) != 1:
		return unknownWeights
	case a[0] == b[0]:
		return equalWeights
	}
	return otherWeights
}

func answered(t compared) string { return t.answersSHA256 }

// digests are the different ones of a group, of those that are known.
func (g group) digests(of func(compared) string) []string {
	var out []string
	for _, t := range g.trials {
		if d := of(t); d != "" && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// trialThat is the first trial of which something is known.
func (g group) trialThat(knows func(compared) string) compared {
	i := slices.IndexFunc(g.trials, func(t compared) bool { return knows(t) != "" })
	if i < 0 {
		return compared{}
	}
	return g.trials[i]
}

// lengths are the median output lengths, and whether they are further apart than those of one model may be.
func (p pair) lengths() (a, b float64, far bool) {
	x, y := p.old.side(outputLength).Median, p.new.side(outputLength).Median
	return x.V, y.V, x.Valid && y.Valid && math.Abs(y.V-x.V) > unlikeLength*x.V
}

// promptsDiffer: the sides were asked different things, so that answers of another length are no wonder.
func (p pair) promptsDiffer() bool {
	of := func(t compared) string { return t.promptSet }
	return !slices.Equal(p.old.digests(of), p.new.digests(of))
}

func (p pair) runtimesDiffer() bool {
	of := func(t compared) string { return t.runtime }
	return !slices.Equal(p.old.digests(of), p.new.digests(of))
}

// parting shows the first answers that differ, from a little before where they part.
func (p pair) parting() string {
	a, b := p.old.trialThat(answered).answers.Answers, p.new.trialThat(answered).answers.Answers
	for i := range min(len(a), len(b)) {
		if a[i].SHA256 == b[i].SHA256 {
			continue
		}
		x, y := []rune(a[i].Text), []rune(b[i].Text)
		part := 0
		for part < min(len(x), len(y)) && x[part] == y[part] {
			part++
		}
		if a[i].Text == b[i].Text {
			return fmt.Sprintf("to «%s» both begin alike, and part later", a[i].Prompt)
		}
		return fmt.Sprintf("to «%s» %s said «%s», %s said «%s»", a[i].Prompt, p.old.name, excerpt(x, part), p.new.name, excerpt(y, part))
	}
	return "their prompts are not the same ones"
}

// excerpt is what stands around a place of a text.
func excerpt(text []rune, at int) string {
	const before, after = 24, 40
	from, until := max(at-before, 0), min(at+after, len(text))
	out := strings.Join(strings.Fields(string(text[from:until])), " ")
	if from > 0 {
		out = "…" + out
	}
	if until < len(text) {
		out += "…"
	}
	return out
}

// sameModel is whether all sides are the same model: false where one pair is not, unknown where one can't be told.
func sameModel(all []Likeness) (same tables.Null[bool], reason string) {
	same = tables.Some(true)
	for _, l := range all {
		switch {
		case l.SameModel.Valid && !l.SameModel.V:
			return l.SameModel, l.Reason
		case !l.SameModel.Valid && same.Valid:
			same, reason = l.SameModel, l.Reason
		case reason == "":
			reason = l.Reason
		}
	}
	return same, reason
}

// ModelSentences are what a person should know of the models before reading the rows; refused: they must not be called
// the same model.
func (c Comparison) ModelSentences() (sentences []string, refused bool) {
	for _, l := range c.Models {
		if l.matters && !slices.Contains(sentences, l.Reason) {
			sentences = append(sentences, l.Reason)
		}
		refused = refused || l.SameModel.Valid && !l.SameModel.V
	}
	return sentences, refused
}
