package wasm

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/llmscen/llmscen/runner/embedded"
)

// sampler chooses tokens from logits. The same seed and logits give the same choices.
type sampler struct {
	temperature float64
	topP        float64 // 0 or 1: all tokens
	random      *rand.Rand
	candidates  []candidate
}

type candidate struct {
	id          int32
	probability float64
}

func newSampler(p embedded.Prompt) *sampler {
	s := &sampler{temperature: p.Temperature, topP: p.TopP}
	if p.Temperature > 0 {
		s.random = rand.New(rand.NewPCG(uint64(p.Seed), 0))
	}
	return s
}

// next is the likeliest token at temperature 0, the first of several; otherwise one drawn by the softmax of the logits
// over the temperature, from the fewest tokens whose probabilities reach topP.
func (s *sampler) next(logits []float32) int32 {
	best := likeliest(logits)
	if s.temperature <= 0 {
		return best
	}
	peak, sum := float64(logits[best]), 0.0
	s.candidates = s.candidates[:0]
	for id, l := range logits {
		p := math.Exp((float64(l) - peak) / s.temperature)
		sum += p
		s.candidates = append(s.candidates, candidate{int32(id), p})
	}
	if s.topP > 0 && s.topP < 1 {
		sum = s.cut(sum)
	}
	at := s.random.Float64() * sum
	for _, c := range s.candidates {
		if at -= c.probability; at < 0 {
			return c.id
		}
	}
	return best
}

// cut keeps the fewest candidates that reach topP of the sum, and returns what they sum to.
func (s *sampler) cut(sum float64) float64 {
	// Something less likely than this can't be needed, so that most of a large vocabulary is never sorted.
	least := (1 - s.topP) / float64(len(s.candidates)) * sum
	s.candidates = slices.DeleteFunc(s.candidates, func(c candidate) bool { return c.probability < least })
	slices.SortStableFunc(s.candidates, func(a, b candidate) int { return cmp.Compare(b.probability, a.probability) })
	kept := 0.0
	for i, c := range s.candidates {
		if kept += c.probability; kept >= s.topP*sum {
			s.candidates = s.candidates[:i+1]
			break
		}
	}
	return kept
}

func likeliest(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return int32(best)
}
