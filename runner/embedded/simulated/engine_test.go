package simulated

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/scenarios"
)

// sent is what came of one request.
type sent struct {
	after  []time.Duration // of each chunk, since the call
	chunks []embedded.Chunk
	result embedded.Result
	err    error
}

func ask(ctx context.Context, e *Engine, maxTokens int) sent {
	var s sent
	began := time.Now()
	s.result, s.err = e.Generate(ctx, embedded.Prompt{Text: "one two three four", MaxTokens: maxTokens}, func(c embedded.Chunk) error {
		if c.Kind != embedded.Begun {
			s.after = append(s.after, time.Since(began))
			s.chunks = append(s.chunks, c)
		}
		return nil
	})
	return s
}

const ms = time.Millisecond

func constant(d time.Duration) scenarios.Distribution { return scenarios.Constant(d.Seconds()) }

// steady is 100 ms to the first token and 10 ms between two.
func steady() scenarios.Simulated {
	return scenarios.Simulated{TimeToFirstToken: constant(100 * ms), InterTokenLatency: constant(10 * ms)}
}

func TestTokensLeaveWhenTheyAreDueToTheNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.PrefillTokensPerSecond = 100 // four tokens: 40 ms
		got := ask(t.Context(), New(s, Options{}), 5)
		if want := []time.Duration{140 * ms, 150 * ms, 160 * ms, 170 * ms, 180 * ms}; !slices.Equal(got.after, want) {
			t.Errorf("%v, want %v", got.after, want)
		}
		want := embedded.Result{PromptTokens: 4, OutputTokens: 5, Finish: "length", Prefill: 140 * ms, Decode: 40 * ms}
		if got.result != want {
			t.Errorf("%+v, want %+v", got.result, want)
		}
	})
}

func TestASlowReaderDoesNotMakeTheLaterTokensDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, last := time.Now(), time.Time{}
		_, err := New(steady(), Options{}).Generate(t.Context(), embedded.Prompt{MaxTokens: 1000}, func(embedded.Chunk) error {
			last = time.Now()
			<-time.After(3 * ms)
			return nil
		})
		if want := began.Add(100*ms + 999*10*ms); err != nil || !last.Equal(want) {
			t.Errorf("the last token left %s late (%v)", last.Sub(want), err)
		}
	})
}

func TestSeveralTokensToAChunkLeaveWhenTheFirstIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.TokensPerChunk, s.ReasoningTokens = 4, 2
		got := ask(t.Context(), New(s, Options{}), 9)
		var tokens []int
		var kinds []embedded.Kind
		for _, c := range got.chunks {
			tokens, kinds = append(tokens, c.Tokens), append(kinds, c.Kind)
		}
		if !slices.Equal(tokens, []int{2, 4, 3}) || !slices.Equal(kinds, []embedded.Kind{embedded.Reasoning, embedded.Answer, embedded.Answer}) {
			t.Errorf("%v %v", tokens, kinds)
		}
		if want := []time.Duration{100 * ms, 120 * ms, 160 * ms}; !slices.Equal(got.after, want) {
			t.Errorf("%v, want %v", got.after, want)
		}
		if countTokens(got.chunks[1].Text) != 4 || got.result.ReasoningTokens != 2 {
			t.Errorf("%q %+v", got.chunks[1].Text, got.result)
		}
	})
}

func TestRequestsBeyondTheSlotsWaitInOrderAndBeyondTheQueueAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.Parallel, s.QueueLimit = 2, 3
		e := New(s, Options{})
		results := make([]sent, 6)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() { results[i] = ask(t.Context(), e, 1) })
			synctest.Wait() // they arrive one after the other
		}
		all.Wait()
		for i, queue := range []time.Duration{0, 0, 100 * ms, 100 * ms, 200 * ms} {
			if r := results[i]; r.err != nil || r.result.Queue != queue || r.result.Prefill != 100*ms {
				t.Errorf("request %d: %+v, want a queue of %s", i, r, queue)
			}
		}
		var r *embedded.Refusal
		if !errors.As(results[5].err, &r) || r.Status != 503 || r.RetryAfter != time.Second {
			t.Errorf("%+v", results[5])
		}
	})
}

func TestAClientThatGoesAwayGivesItsPlaceToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.Parallel = 1
		e := New(s, Options{})
		gone, leave := context.WithCancel(t.Context())
		waiting, giveUp := context.WithCancel(t.Context())
		results := make([]sent, 3)
		var all sync.WaitGroup
		for i, ctx := range []context.Context{gone, waiting, t.Context()} {
			all.Go(func() { results[i] = ask(ctx, e, 100) })
			synctest.Wait()
		}
		giveUp()
		<-time.After(115 * ms) // two tokens
		leave()
		all.Wait()
		if !errors.Is(results[0].err, context.Canceled) || results[0].result.OutputTokens != 2 {
			t.Errorf("%+v", results[0])
		}
		if !errors.Is(results[1].err, context.Canceled) || len(results[1].chunks) != 0 {
			t.Errorf("%+v", results[1])
		}
		if results[2].err != nil || results[2].result.Queue != 115*ms {
			t.Errorf("%+v", results[2].result)
		}
	})
}

func TestTheSameSeedGivesTheSameAnswers(t *testing.T) {
	run := func(seed int64) (all []sent) {
		synctest.Test(t, func(t *testing.T) {
			e := New(scenarios.Simulated{
				TimeToFirstToken:  scenarios.Distribution{Kind: "lognormal", Mean: 0.2, StdDev: 0.1},
				InterTokenLatency: scenarios.Distribution{Kind: "gamma", Mean: 0.02, StdDev: 0.01},
				Jitter:            &scenarios.Distribution{Kind: "normal", StdDev: 0.005},
			}, Options{Seed: seed})
			for range 20 {
				all = append(all, ask(t.Context(), e, 0))
			}
		})
		return all
	}
	text := func(all []sent) string { return fmt.Sprintf("%+v", all) }
	first := run(7)
	if text(first) != text(run(7)) {
		t.Error("the same seed gave other answers")
	}
	if text(first) == text(run(8)) {
		t.Error("another seed gave the same answers")
	}
	for _, s := range first {
		if n := s.result.OutputTokens; n < 16 || n > 128 || s.result.Finish != "stop" {
			t.Errorf("%+v", s.result)
		}
		if !slices.IsSorted(s.after) {
			t.Errorf("jitter turned tokens round: %v", s.after)
		}
	}
}

func TestAPromptThatDoesNotFitIsRefusedAndAnAnswerIsCut(t *testing.T) {
	e := New(scenarios.Simulated{}, Options{ContextTokens: 6})
	if got := ask(t.Context(), e, 100); got.result.OutputTokens != 2 || got.result.Finish != "length" {
		t.Errorf("%+v", got.result)
	}
	_, err := e.Generate(t.Context(), embedded.Prompt{Messages: []embedded.Message{{Content: "a b"}, {Content: "c"}}}, nil)
	var r *embedded.Refusal
	if !errors.As(err, &r) || r.Type != "exceed_context_size_error" || r.Status != 400 {
		t.Error(err)
	}
}

func TestTokensOfATextAreItsPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		ids, err := New(scenarios.Simulated{}, Options{}).Tokenize(t.Context(), text)
		if err != nil || len(ids) != countTokens(text) {
			t.Fatalf("%d ids of %d pieces (%v)", len(ids), countTokens(text), err)
		}
	})
}
