package wasm

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
)

// fakeModel takes a millisecond for a pass, and answers each token with the one after it.
type fakeModel struct {
	tokens  int
	batches [][]entry
	err     error
}

const fakeVocabulary = 100

func (m *fakeModel) batchTokens() int { return m.tokens }

func (m *fakeModel) forward(_ context.Context, batch []entry) ([]float32, error) {
	time.Sleep(time.Millisecond)
	m.batches = append(m.batches, slices.Clone(batch))
	var logits []float32
	for _, e := range batch {
		if e.wanted {
			row := make([]float32, fakeVocabulary)
			row[(e.token+1)%fakeVocabulary] = 1
			logits = append(logits, row...)
		}
	}
	return logits, m.err
}

// ask submits a prompt that begins with `first` and counts up.
func ask(ctx context.Context, s *scheduler, first int32, promptTokens, limit int) *request {
	prompt := make([]int32, promptTokens)
	for i := range prompt {
		prompt[i] = first + int32(i)
	}
	r := newRequest(ctx, prompt, limit, newSampler(embedded.Prompt{}))
	s.submit(r)
	return r
}

func read(r *request) (ids []int32) {
	for id := range r.tokens {
		ids = append(ids, id)
	}
	return ids
}

func TestRequestsBeyondTheSlotsWaitInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler(&fakeModel{tokens: 8}, 2)
		defer s.stop()
		ask(t.Context(), s, 0, 1, 1)
		synctest.Wait() // the others come while the first one's pass lasts
		var all []*request
		for i := range 5 {
			all = append(all, ask(t.Context(), s, int32(10*i), 1, 10))
		}
		var queued []time.Duration
		for i, r := range all {
			if got := read(r); len(got) != 10 || got[0] != int32(10*i+1) {
				t.Errorf("request %d: %v", i, got)
			}
			queued = append(queued, r.result().Queue)
		}
		const ms = time.Millisecond
		if want := []time.Duration{1 * ms, 1 * ms, 11 * ms, 11 * ms, 21 * ms}; !slices.Equal(queued, want) {
			t.Errorf("they waited for %v, want %v", queued, want)
		}
	})
}

func TestTheResultTellsWhereTheTimeWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler(&fakeModel{tokens: 4}, 1)
		defer s.stop()
		first, second := ask(t.Context(), s, 0, 1, 5), ask(t.Context(), s, 0, 9, 3)
		read(first)
		read(second)
		want := embedded.Result{
			PromptTokens: 9, OutputTokens: 3, Finish: "length",
			Queue: 5 * time.Millisecond, Prefill: 3 * time.Millisecond, Decode: 2 * time.Millisecond,
		}
		if got := second.result(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestAPassTakesATokenOfEachAnswerAndFillsUpWithPrompts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeModel{tokens: 6}
		s := startScheduler(m, 3)
		defer s.stop()
		answering := ask(t.Context(), s, 0, 1, 6)
		<-answering.tokens
		synctest.Wait() // the others come while the second pass lasts
		older, newer := ask(t.Context(), s, 20, 7, 1), ask(t.Context(), s, 40, 4, 1)
		for _, r := range []*request{answering, older, newer} {
			read(r)
		}
		count := func(batch []entry) (n [3]int) {
			for _, e := range batch {
				n[slices.Index([]int{answering.slot, older.slot, newer.slot}, e.slot)]++
			}
			return n
		}
		// One of each is sure; the oldest prompt takes the rest.
		var got [][3]int
		for _, b := range m.batches[2:5] {
			got = append(got, count(b))
		}
		if want := [][3]int{{1, 4, 1}, {1, 3, 2}, {1, 0, 1}}; !slices.Equal(got, want) {
			t.Errorf("passes of %v tokens, want %v", got, want)
		}
		for _, b := range m.batches {
			if len(b) > 6 {
				t.Errorf("a pass of %d tokens", len(b))
			}
		}
	})
}

func TestAClientThatIsGoneFreesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler(&fakeModel{tokens: 4}, 1)
		defer s.stop()
		ctx, cancel := context.WithCancel(t.Context())
		gone, waiting := ask(ctx, s, 0, 1, 1000), ask(ctx, s, 0, 1, 1000)
		next := ask(t.Context(), s, 50, 1, 2)
		<-gone.tokens
		cancel()
		if got := read(next); !slices.Equal(got, []int32{51, 52}) {
			t.Errorf("the next request's answer is %v", got)
		}
		read(gone)
		read(waiting)
		if !errors.Is(gone.err, context.Canceled) || gone.answered >= 10 {
			t.Errorf("the request that is gone made %d tokens: %v", gone.answered, gone.err)
		}
		if !errors.Is(waiting.err, context.Canceled) || waiting.answered != 0 {
			t.Errorf("the waiting request that is gone made %d tokens: %v", waiting.answered, waiting.err)
		}
	})
}

func TestStoppingEndsAllRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler(&fakeModel{tokens: 4}, 1)
		running, waiting := ask(t.Context(), s, 0, 1, 1000), ask(t.Context(), s, 0, 1, 1000)
		<-running.tokens
		s.stop()
		late := ask(t.Context(), s, 0, 1, 1000)
		for _, r := range []*request{running, waiting, late} {
			read(r)
			if !errors.Is(r.err, ErrClosed) {
				t.Errorf("ended with %v", r.err)
			}
		}
	})
}

func TestAModelThatFailsFailsTheRequestsOfThePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeModel{tokens: 4, err: errors.New("out of bounds")}
		s := startScheduler(m, 2)
		defer s.stop()
		a, b := ask(t.Context(), s, 0, 1, 5), ask(t.Context(), s, 0, 9, 5)
		read(a)
		read(b)
		if a.err != m.err || b.err != m.err {
			t.Errorf("ended with %v and %v", a.err, b.err)
		}
		m.err = nil
		if c := ask(t.Context(), s, 0, 1, 5); len(read(c)) != 5 || c.err != nil {
			t.Errorf("the request after ended with %v", c.err)
		}
	})
}

func TestTokensThatEndAnAnswerEndItUnlessTheyAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startScheduler(&fakeModel{tokens: 4}, 1)
		defer s.stop()
		for _, c := range []struct {
			ignore bool
			want   []int32
			finish string
			tokens int
		}{
			{false, []int32{11, 12}, "stop", 3},
			{true, []int32{11, 12, 0, 1}, "length", 4}, // without 13 all are equally likely, and the first is taken
		} {
			r := newRequest(t.Context(), []int32{10}, 4, newSampler(embedded.Prompt{}))
			r.ends, r.ignoreEnds = []int32{13, -1}, c.ignore
			s.submit(r)
			if got := read(r); !slices.Equal(got, c.want) || r.finish != c.finish || r.answered != c.tokens {
				t.Errorf("ignore %t: %v, %s, %d tokens", c.ignore, got, r.finish, r.answered)
			}
		}
	})
}
