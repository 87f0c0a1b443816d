package wasm

import (
	"math"
	"slices"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
)

func TestTokensAreDrawnAsOftenAsTheirProbabilitiesSay(t *testing.T) {
	logits := []float32{float32(math.Log(0.1)), float32(math.Log(0.4)), float32(math.Inf(-1)), float32(math.Log(0.2)), float32(math.Log(0.3))}
	for _, c := range []struct {
		name   string
		prompt embedded.Prompt
		want   []float64
	}{
		{"at temperature 0", embedded.Prompt{}, []float64{0, 1, 0, 0, 0}},
		{"at temperature 1", embedded.Prompt{Temperature: 1}, []float64{0.1, 0.4, 0, 0.2, 0.3}},
		{"colder", embedded.Prompt{Temperature: 0.5}, []float64{1. / 30, 16. / 30, 0, 4. / 30, 9. / 30}},
		{"the best 70 %", embedded.Prompt{Temperature: 1, TopP: 0.699}, []float64{0, 4. / 7, 0, 0, 3. / 7}},
		{"the best 71 %", embedded.Prompt{Temperature: 1, TopP: 0.71}, []float64{0, 4. / 9, 0, 2. / 9, 3. / 9}},
		{"the best", embedded.Prompt{Temperature: 1, TopP: 1e-9}, []float64{0, 1, 0, 0, 0}},
		{"all", embedded.Prompt{Temperature: 1, TopP: 1}, []float64{0.1, 0.4, 0, 0.2, 0.3}},
	} {
		const draws = 20_000
		s, counts := newSampler(c.prompt), make([]float64, len(logits))
		for range draws {
			counts[s.next(slices.Clone(logits))]++
		}
		for id, p := range c.want {
			// Five standard deviations; the draws are the same in every run.
			if got := counts[id] / draws; math.Abs(got-p) > 5*math.Sqrt(p*(1-p)/draws) {
				t.Errorf("%s: token %d was drawn with %.4f, want %.4f", c.name, id, got, p)
			}
		}
	}
}

func TestTheFirstOfSeveralLikeliestIsTaken(t *testing.T) {
	if got := newSampler(embedded.Prompt{}).next([]float32{1, 3, 3, 2}); got != 1 {
		t.Errorf("took %d", got)
	}
}
