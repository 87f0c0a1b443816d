package warehouse

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// repeat writes an apply with one repetition a value of TTFT, of a cell.
func repeat(t *testing.T, db *sql.DB, apply string, cell map[string]string, edit func(*tables.Trial), ttfts ...float64) Candidates {
	t.Helper()
	s := Candidates{Name: apply}
	for i, v := range ttfts {
		id := fmt.Sprintf("r%v#%d", cell, i+1)
		trial := tables.Trial{TrialID: id, Run: "r", Cell: cell, CellNumbers: map[string]float64{}, Labels: map[string]string{}, Repetition: int32(i + 1),
			Status: tables.StatusCompleted, Validity: tables.Valid, Fingerprint: `{"cpu":"x","go":{"version":"1.26"}}`}
		if edit != nil {
			edit(&trial)
		}
		insert(t, db, apply, trial)
		insert(t, db, apply,
			tables.Summary{TrialID: id, Metric: "ttft", Stat: "p50", Value: tables.Some(v), Unit: "seconds"},
			tables.Summary{TrialID: id, Metric: "output_tokens_per_second", Stat: "system", Value: tables.Some(10 / v), Unit: "tokens_per_second"},
			tables.Summary{TrialID: id, Metric: "output_tokens", Stat: "p50", Value: tables.Some(100.0), Unit: "tokens"},
			tables.Summary{TrialID: id, Stage: tables.Some(int32(0)), Metric: "ttft", Stat: "p50", Value: tables.Some(99.0), Unit: "seconds"})
		s.Trials = append(s.Trials, TrialKey{apply, id})
	}
	return s
}

func compare(t *testing.T, db *sql.DB, q Question) Comparison {
	t.Helper()
	c, err := Compare(t.Context(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var (
	quick = []float64{0.100, 0.101, 0.102, 0.103, 0.104, 0.105}
	slow  = []float64{0.120, 0.121, 0.122, 0.123, 0.124, 0.125}
	mixed = []float64{0.099, 0.101, 0.1025, 0.103, 0.1045, 0.106}
)

func TestADifferenceIsFoundWithItsSizeAndDirection(t *testing.T) {
	db := trialDB(t)
	old, young := repeat(t, db, "old", nil, nil, quick...), repeat(t, db, "new", nil, nil, slow...)
	c := compare(t, db, Question{Old: old, New: young})
	if len(c.Rows) != 2 || len(c.Warnings) != 0 {
		t.Fatalf("got %+v", c)
	}
	ttft, rate := c.Rows[0], c.Rows[1]
	if ttft.Verdict != Worse || rate.Verdict != Worse {
		t.Errorf("ttft is %s, the rate %s", ttft.Verdict, rate.Verdict)
	}
	wantNear(t, "change", ttft.Change, 0.195, 0.005)
	if !ttft.ChangeLow.Valid || ttft.ChangeLow.V < 0.14 || ttft.ChangeHigh.V > 0.25 || ttft.P > 0.01 || ttft.PHolm < ttft.P {
		t.Errorf("got %+v", ttft)
	}
	if !ttft.Old.CILow.Valid {
		t.Error("six repetitions give the median no interval")
	}
	if back := compare(t, db, Question{Old: young, New: old}); back.Rows[0].Verdict != Better || back.Gate != "" {
		t.Errorf("the other way round it is %+v", back.Rows[0])
	}
}

func TestNothingIsClaimedThatIsNotProven(t *testing.T) {
	db := trialDB(t)
	old := repeat(t, db, "old", nil, nil, quick...)
	if c := compare(t, db, Question{Old: old, New: repeat(t, db, "same", nil, nil, mixed...)}); c.Rows[0].Verdict != NoDifference || c.Rows[0].Note != "" {
		t.Errorf("got %+v", c.Rows[0])
	}
	few := compare(t, db, Question{Old: Candidates{Name: "old", Trials: old.Trials[:3]}, New: repeat(t, db, "few", nil, nil, slow[:3]...), MaxRegression: tables.Some(0.5)})
	if few.Rows[0].Verdict != NoDifference || !strings.Contains(few.Rows[0].Note, "4 of each are needed") || few.Gate != GateInconclusive {
		t.Errorf("three against three give %+v", few)
	}
}

func TestAGatePassesFailsOrCannotTell(t *testing.T) {
	db := trialDB(t)
	old, worse, same := repeat(t, db, "old", nil, nil, quick...), repeat(t, db, "worse", nil, nil, slow...), repeat(t, db, "same", nil, nil, mixed...)
	rate := []Figure{{"output_tokens_per_second", "system"}}
	for _, c := range []struct {
		what     string
		old, new Candidates
		figures  []Figure
		most     float64
		want     string
	}{
		{"a fifth slower, a twentieth allowed", old, worse, nil, 0.05, GateFail},
		{"a fifth slower, a quarter allowed", old, worse, nil, 0.30, GatePass},
		{"a fifth slower, as much allowed", old, worse, nil, 0.195, GateInconclusive},
		{"the same, a twentieth allowed", old, same, nil, 0.05, GatePass},
		{"the same, nothing allowed", old, same, nil, 0, GateInconclusive},
		{"faster never fails", worse, old, nil, 0, GatePass},
		{"a lower rate", old, worse, rate, 0.05, GateFail},
		{"a higher rate", worse, old, rate, 0, GatePass},
	} {
		if got := compare(t, db, Question{Old: c.old, New: c.new, Figures: c.figures, MaxRegression: tables.Some(c.most)}); got.Gate != c.want {
			t.Errorf("%s: %s, want %s (%+v)", c.what, got.Gate, c.want, got.Rows[0])
		}
	}
}

func TestCellsAreMatchedByWhatTheyChose(t *testing.T) {
	db := trialDB(t)
	small, large := map[string]string{"model": "s"}, map[string]string{"model": "l"}
	old, young := repeat(t, db, "old", small, nil, quick...), repeat(t, db, "new", small, nil, slow...)
	old.Trials = append(old.Trials, repeat(t, db, "old", large, nil, slow...).Trials...)
	young.Trials = append(young.Trials, repeat(t, db, "new", large, nil, slow...).Trials...)
	young.Trials = append(young.Trials, repeat(t, db, "new", map[string]string{"model": "xl"}, nil, slow...).Trials...)
	c := compare(t, db, Question{Old: old, New: young, Figures: []Figure{{"ttft", "p50"}}})
	if len(c.Rows) != 2 || c.Rows[1].Cell != "r[model=s]" || c.Rows[1].Verdict != Worse || c.Rows[0].Verdict != NoDifference {
		t.Errorf("got %+v", c.Rows)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "old has no cell r[model=xl]") {
		t.Errorf("the warnings are %q", c.Warnings)
	}
}

func TestValuesOfAKeyAreHeldAgainstTheFirst(t *testing.T) {
	db := trialDB(t)
	var all Candidates
	for _, c := range []struct {
		users  string
		values []float64
	}{{"10", slow}, {"2", quick}} {
		all.Trials = append(all.Trials, repeat(t, db, "a", map[string]string{"users": c.users, "model": "m"}, nil, c.values...).Trials...)
	}
	c := compare(t, db, Question{Old: all, By: "users", Figures: []Figure{{"ttft", "p50"}}})
	if len(c.Rows) != 1 || c.Rows[0].Old.Name != "users=2" || c.Rows[0].New.Name != "users=10" || c.Rows[0].Verdict != Worse || c.Rows[0].Cell != "r[model=m]" {
		t.Errorf("got %+v", c.Rows)
	}
	all.Trials = append(all.Trials, repeat(t, db, "a", map[string]string{"users": "20", "model": "m"}, nil, slow...).Trials...)
	c = compare(t, db, Question{Old: all, By: "users", Figures: []Figure{{"ttft", "p50"}}})
	if len(c.Rows) != 2 || c.Rows[0].Cell != "r[model=m] users: 2 → 10" || c.Rows[1].Cell != "r[model=m] users: 2 → 20" {
		t.Errorf("three values: got %+v", c.Rows)
	}
	if _, err := Compare(t.Context(), db, Question{Old: all, By: "model"}); !errors.Is(err, ErrNothingToCompare) {
		t.Errorf("one model: %v", err)
	}
}

func TestTrialsThatMayNotBeBelievedAreRefused(t *testing.T) {
	db := trialDB(t)
	old := repeat(t, db, "old", nil, nil, quick...)
	invalid := repeat(t, db, "bad", nil, func(tr *tables.Trial) { tr.Validity = tables.Invalid }, slow...)
	if _, err := Compare(t.Context(), db, Question{Old: old, New: invalid}); !errors.Is(err, ErrNothingToCompare) {
		t.Errorf("invalid trials give %v", err)
	}
	some := repeat(t, db, "some", nil, func(tr *tables.Trial) {
		switch tr.Repetition {
		case 1:
			tr.Status = tables.StatusInterrupted
		case 2:
			tr.Validity = tables.Flagged
		}
	}, slow...)
	c := compare(t, db, Question{Old: old, New: some})
	if len(c.Rows[0].New.Values) != 5 || len(c.Warnings) != 2 {
		t.Errorf("got %+v", c)
	}
	if _, err := Compare(t.Context(), db, Question{Old: old, New: Candidates{Name: "none"}}); !errors.Is(err, ErrNothingToCompare) {
		t.Errorf("no trials give %v", err)
	}
}

func TestUnlikeSidesAreWarnedOf(t *testing.T) {
	db := trialDB(t)
	old := repeat(t, db, "old", nil, nil, quick...)
	young := repeat(t, db, "new", nil, func(tr *tables.Trial) {
		tr.PromptSet, tr.Fingerprint = "prompt_set.other", `{"cpu":"y","go":{"version":"1.27"}}`
	}, slow...)
	if _, err := db.Exec(`update summaries set value = 120 where apply = 'new' and metric = 'output_tokens'`); err != nil {
		t.Fatal(err)
	}
	c := compare(t, db, Question{Old: old, New: young})
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[0], "100 tokens in old and 120 in new") || !strings.Contains(c.Warnings[1], "cpu (x → y), go.version (1.26 → 1.27)") {
		t.Errorf("the warnings are %q", c.Warnings)
	}
}

func TestAFigureIsNamedByItsMetricAndStatistic(t *testing.T) {
	for text, want := range map[string]Figure{
		"ttft": {"ttft", "p50"}, "ttft.p99": {"ttft", "p99"}, "end_to_end p90": {"end_to_end", "p90"}, "errors": {"errors", "ratio"},
		"output_tokens_per_second": {"output_tokens_per_second", "system"}, "runtime_cpu_cores": {"runtime_cpu_cores", "mean"},
		"runtime_memory_working_set_bytes": {"runtime_memory_working_set_bytes", "max"}, "recovery": {"recovery", "seconds"},
		"runtime_network_transmit_bytes": {"runtime_network_transmit_bytes", "sum"}, "capacity": {"capacity", "per_second"},
	} {
		if got, err := ParseFigure(text); got != want || err != nil {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if _, err := ParseFigure("a.b.c"); err == nil {
		t.Error("three words are a figure")
	}
}

func TestAComparisonReadsLikeBenchstat(t *testing.T) {
	db := trialDB(t)
	c := compare(t, db, Question{Old: repeat(t, db, "before", nil, nil, quick...), New: repeat(t, db, "after", nil, nil, slow...), MaxRegression: tables.Some(0.05)})
	var b bytes.Buffer
	if err := c.Table().Write(&b, report.Narrow, report.Options{}); err != nil {
		t.Fatal(err)
	}
	want := `cell  figure                           before     after      change                     verdict        p  n    gate
r     ttft p50                         102ms ±2%  122ms ±2%  +19.5% (+16.5% to +22.5%)  worse    0.00216  6+6  fail
r     output_tokens_per_second system  97.6 ±2%   81.6 ±2%   -16.3% (-18.4% to -14.2%)  worse    0.00216  6+6
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

// says writes what the trials of an apply answered to the identity prompts.
func says(t *testing.T, db *sql.DB, apply, digest string, texts ...string) {
	t.Helper()
	if _, err := db.Exec("update trials set answers_sha256 = nullif(?, '') where apply = ?", digest, apply); err != nil {
		t.Fatal(err)
	}
	var answers []map[string]string
	for i, text := range texts {
		answers = append(answers, map[string]string{"prompt": fmt.Sprintf("question %d", i), "text": text, "sha256": text})
	}
	message, err := json.Marshal(map[string]any{"answers": answers})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		insert(t, db, apply, tables.Event{TrialID: fmt.Sprintf("rmap[]#%d", i+1), Kind: tables.EventIdentity, Message: string(message)})
	}
}

func TestSidesThatAnswerOtherwiseAreNotCalledTheSameModel(t *testing.T) {
	of := func(runtime, weights string) func(*tables.Trial) {
		return func(tr *tables.Trial) { tr.Runtime, tr.ModelDigest = runtime, weights }
	}
	yes, no, unknown := tables.Some(true), tables.Some(false), tables.Null[bool]{}
	for _, c := range []struct {
		what             string
		weights          string
		digest           string // of the new side
		texts            []string
		tokens           float64
		same             tables.Null[bool]
		reason           string
		told             bool
		gate             string
		unlikePrompts    bool
		oldSideAnswers   bool
		changesItsAnswer bool
	}{
		{what: "equal answers", weights: "w1", digest: "d1", texts: []string{"a b", "c"}, tokens: 100, oldSideAnswers: true,
			same: yes, reason: "the same model: the answers of old and new to 2 prompts are equal", told: true, gate: GatePass},
		{what: "equal answers of other weights", weights: "w2", digest: "d1", texts: []string{"a b", "c"}, tokens: 100, oldSideAnswers: true,
			same: yes, reason: "though the digests of their weights differ", told: true, gate: GatePass},
		{what: "other answers", weights: "w2", digest: "d2", texts: []string{"a b", "d"}, tokens: 100, oldSideAnswers: true,
			same: no, reason: "not the same model: the answers of old and new differ: to «question 1» old said «c», new said «d»", told: true, gate: GateInconclusive},
		{what: "other answers of the same weights", weights: "w1", digest: "d2", texts: []string{"a x", "c"}, tokens: 100, oldSideAnswers: true,
			same: no, reason: "old said «a b», new said «a x»; the digests of their weights are equal, so that", told: true, gate: GateInconclusive},
		{what: "answers of another length", weights: "w1", digest: "d1", texts: []string{"a b", "c"}, tokens: 112, oldSideAnswers: true,
			same: no, reason: "median output lengths of old and new differ by 12 % (100 and 112 tokens)", told: true, gate: GateInconclusive},
		{what: "answers nearly as long", weights: "w1", digest: "d1", texts: []string{"a b", "c"}, tokens: 105, oldSideAnswers: true,
			same: yes, reason: "are equal", told: true, gate: GatePass},
		{what: "other prompts", weights: "w1", digest: "d1", texts: []string{"a b", "c"}, tokens: 112, oldSideAnswers: true, unlikePrompts: true,
			same: yes, reason: "are equal", told: true, gate: GatePass},
		{what: "nobody asked", weights: "w1", tokens: 100,
			same: unknown, reason: "were not asked, which is done in a run that has several runtimes; the digests of their weights are equal", told: true, gate: GatePass},
		{what: "an answer that changes", weights: "w1", digest: "d1", texts: []string{"a b", "c"}, tokens: 100, oldSideAnswers: true, changesItsAnswer: true,
			same: no, reason: "new does not always answer the same", told: true, gate: GateInconclusive},
	} {
		t.Run(c.what, func(t *testing.T) {
			db := trialDB(t)
			old, young := repeat(t, db, "old", nil, of("runtime.a", "w1"), quick...), repeat(t, db, "new", nil, of("runtime.b", c.weights), mixed...)
			if c.oldSideAnswers {
				says(t, db, "old", "d1", "a b", "c")
				says(t, db, "new", c.digest, c.texts...)
			}
			for _, change := range []struct {
				asked bool
				sql   string
			}{
				{true, fmt.Sprintf("update summaries set value = %v where apply = 'new' and metric = 'output_tokens'", c.tokens)},
				{c.unlikePrompts, "update trials set prompt_set = 'prompt_set.long' where apply = 'new'"},
				{c.changesItsAnswer, "update trials set answers_sha256 = 'd9' where apply = 'new' and repetition = 3"},
			} {
				if !change.asked {
					continue
				}
				if _, err := db.Exec(change.sql); err != nil {
					t.Fatal(err)
				}
			}
			got := compare(t, db, Question{Old: old, New: young, MaxRegression: tables.Some(0.05)})
			if got.SameModel != c.same || !strings.Contains(got.SameModelReason, c.reason) || got.Gate != c.gate {
				t.Errorf("same model %v, gate %s: %s", got.SameModel, got.Gate, got.SameModelReason)
			}
			if sentences, refused := got.ModelSentences(); len(sentences) > 0 != c.told || refused != (c.same == no) {
				t.Errorf("it says %q, refused %v", sentences, refused)
			}
		})
	}
}

func TestThreeRuntimesStandSideBySide(t *testing.T) {
	db := trialDB(t)
	var all Candidates
	for _, c := range []struct {
		runtime string
		values  []float64
	}{{"runtime.a", quick}, {"runtime.b", slow}, {"runtime.c", mixed}} {
		all.Trials = append(all.Trials, repeat(t, db, "x", map[string]string{"runtime": c.runtime}, nil, c.values...).Trials...)
	}
	insert(t, db, "x", tables.Summary{TrialID: "rmap[runtime:runtime.a]#1", Metric: "capacity", Stat: "per_second", Value: tables.Some(9.0), Unit: "per_second"})
	c := compare(t, db, Question{Old: all, By: "runtime"})
	var b bytes.Buffer
	if err := c.Table().Write(&b, report.Narrow, report.Options{}); err != nil {
		t.Fatal(err)
	}
	want := `figure                           runtime    median     against the first          verdict                     p  n
ttft p50                         runtime.a  102ms ±2%  the first                                                 6
                                 runtime.b  122ms ±2%  +19.5% (+16.5% to +22.5%)  worse                 0.00216  6
                                 runtime.c  103ms ±4%  +0.2% (-2.9% to +3.0%)     no difference proven    0.909  6
output_tokens_per_second system  runtime.a  97.6 ±2%   the first                                                 6
                                 runtime.b  81.6 ±2%   -16.3% (-18.4% to -14.2%)  worse                 0.00216  6
                                 runtime.c  97.3 ±4%   -0.2% (-2.9% to +3.0%)     no difference proven    0.909  6
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s", got)
	}
	if got, err := ParseFigure("capacity"); err != nil || !got.MoreIsBetter() || got.Stat != "per_second" {
		t.Errorf("capacity is %v, %v", got, err)
	}
}
