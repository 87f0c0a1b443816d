package simulated

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/scenarios"
)

func strikes(fs *faults, n int) map[string]int {
	counts := map[string]int{}
	for range n {
		counts[fs.next(time.Time{}).Kind]++
	}
	return counts
}

func TestAnyRowOfRequestsHasExactlyItsShareOfAFault(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMille := rapid.IntRange(0, 1000).Draw(t, "per mille")
		fs := newFaults([]scenarios.Fault{{Kind: "error", Ratio: float64(perMille) / 1000}}, time.Time{}, rapid.Int64().Draw(t, "seed"))
		if perMille == 0 {
			return // a time, and not a ratio
		}
		strikes(&fs, rapid.IntRange(0, 5000).Draw(t, "before"))
		if got := strikes(&fs, 1000)["error"]; got != perMille {
			t.Fatalf("%d of 1000, want %d", got, perMille)
		}
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		if got, want := strikes(&fs, n)["error"], float64(n*perMille)/1000; float64(got) <= want-1 || float64(got) >= want+1 {
			t.Fatalf("%d of %d, want %g up or down", got, n, want)
		}
	})
}

func TestFaultsThatMeetDoNotTakeFromEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []string{"error", "truncate", "reset"}
		var all []scenarios.Fault
		left := 100
		for _, kind := range kinds {
			share := rapid.IntRange(1, left-3).Draw(t, kind)
			left -= share
			all = append(all, scenarios.Fault{Kind: kind, Ratio: float64(share) / 100})
			if left < 6 {
				break
			}
		}
		fs := newFaults(all, time.Time{}, rapid.Int64().Draw(t, "seed"))
		const n = 20_000
		got := strikes(&fs, n)
		for _, f := range all {
			if want := f.Ratio * n; float64(got[f.Kind]) < want-2 || float64(got[f.Kind]) > want+2 {
				t.Fatalf("%d %s, want %g", got[f.Kind], f.Kind, want)
			}
		}
	})
}

func TestStreamFaultsComeAfterTheirTokens(t *testing.T) {
	for kind, want := range map[string]embedded.Fault{
		"in_stream_error": embedded.InStreamError, "truncate": embedded.Truncate, "garble": embedded.Garble, "reset": embedded.Reset,
	} {
		for after, tokens := range map[int]int{0: 5, 3: 3, 10: 10, 99: 10} { // of ten
			synctest.Test(t, func(t *testing.T) {
				s := steady()
				s.TokensPerChunk = 2
				s.Faults = []scenarios.Fault{{Kind: kind, Ratio: 1, After: after}}
				got := ask(t.Context(), New(s, Options{}), 10)
				last := got.chunks[len(got.chunks)-1]
				if last.Fault != want || got.result.OutputTokens != tokens || got.err != nil {
					t.Errorf("%s after %d: %+v", kind, after, got)
				}
				if due := 100*ms + time.Duration(min(tokens, 9))*10*ms; got.after[len(got.after)-1] != due {
					t.Errorf("%s after %d: at %s, want %s", kind, after, got.after[len(got.after)-1], due)
				}
			})
		}
	}
}

func TestErrorsAreRefusalsWithTheirStatus(t *testing.T) {
	for status, want := range map[int]int{0: 500, 429: 429, 503: 503} {
		e := New(scenarios.Simulated{Faults: []scenarios.Fault{{Kind: "error", Ratio: 1, Status: status}}}, Options{})
		var r *embedded.Refusal
		if err := ask(t.Context(), e, 1).err; !errors.As(err, &r) || r.Status != want || (r.RetryAfter > 0) != (status != 0) {
			t.Errorf("%v, want %d", err, want)
		}
	}
}

func TestAStallAndASlowAcceptTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.Faults = []scenarios.Fault{{Kind: "stall", Ratio: 1, For: time.Second, After: 2}}
		got := ask(t.Context(), New(s, Options{}), 4)
		if got.after[1] != 110*ms || got.after[2] != 1120*ms || got.after[3] != 1130*ms {
			t.Errorf("stall: %v", got.after)
		}
		s.Faults = []scenarios.Fault{{Kind: "slow_accept", Ratio: 1, For: time.Second}}
		if got := ask(t.Context(), New(s, Options{}), 1); got.after[0] != 1100*ms {
			t.Errorf("slow_accept: %v", got.after)
		}
	})
}

func TestFaultsInTimeStrikeWhatArrivesInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steady()
		s.Faults = []scenarios.Fault{
			{Kind: "error", At: time.Second, For: time.Second},
			{Kind: "slow_accept", At: 3 * time.Second, For: time.Second},
			{Kind: "stall", At: 5 * time.Second, For: time.Second},
		}
		e, began := New(s, Options{}), time.Now()
		at := func(d time.Duration) sent {
			<-time.After(d - time.Since(began))
			return ask(t.Context(), e, 3)
		}
		if got := at(999 * ms); got.err != nil {
			t.Errorf("before: %v", got.err)
		}
		if got := at(1200 * ms); got.err == nil {
			t.Error("within: no error")
		}
		if got := at(2 * time.Second); got.err != nil {
			t.Errorf("after: %v", got.err)
		}
		if got := at(3500 * ms); got.after[0] != 600*ms {
			t.Errorf("accepted slowly: %v", got.after)
		}
		if got := at(4895 * ms); got.after[0] != 100*ms || got.after[1] != 1105*ms || got.after[2] != 1105*ms {
			t.Errorf("stalled: %v", got.after)
		}
	})
}
