package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// sleeper is a ledger whose runtime takes five seconds to answer at all, three more to load, one to its first token, and
// moves to another port each time.
type sleeper struct {
	*ledger
	starts, stops int
	up            bool
	fails         int // the start that fails, from 1; 0: none
	dies          int // the start whose runtime dies while it is asked
	died          chan struct{}
	reached       func(asking bool)
	aimed         []string
	sampled       []Target
}

func (s *sleeper) Start(ctx context.Context, _ Deployment) (Endpoint, error) {
	if s.up {
		return Endpoint{}, errors.New("it is up already")
	}
	s.starts++
	if s.reached != nil {
		s.reached(false)
	}
	if s.starts == s.fails {
		return Endpoint{}, errors.New("no memory")
	}
	select {
	case <-ctx.Done():
		return Endpoint{}, ctx.Err()
	case <-time.After(8 * time.Second):
	}
	s.up, s.died = true, make(chan struct{})
	return Endpoint{
		Targets:  []Target{{ID: "t", URL: fmt.Sprintf("http://127.0.0.1:%d", s.starts), PID: s.starts}},
		LoadTook: 3 * time.Second, Died: s.died, Death: func() string { return "killed by signal 9" },
	}, nil
}

func (s *sleeper) Stop(context.Context, Deployment) error {
	s.up = false
	s.stops++
	<-time.After(30 * time.Second) // nobody waits for that
	return nil
}

func (s *sleeper) Generate(ctx context.Context, _ load.Request, t *load.Timeline) (load.Answer, error) {
	if s.reached != nil {
		s.reached(true)
	}
	if s.starts == s.dies {
		close(s.died)
		return load.Answer{ErrorKind: tables.ErrReset}, nil
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return load.Answer{ErrorKind: tables.ErrCancelledByRun}, nil
	}
	t.Token(tables.Instant(time.Now().UnixNano()), 1, tables.ChunkAnswer)
	return load.Answer{PromptTokens: tables.Some[int32](8), OutputTokens: tables.Some[int32](1), TokenSource: tables.TokensFromUsage}, nil
}

func (s *sleeper) Open(ctx context.Context, a benchclient.Assignment, sink load.Sink) (Maker, error) {
	s.aimed = append(s.aimed, a.Targets[0].URL)
	return benchclient.Open(ctx, a, benchclient.Deps{Client: s, Sink: sink, Aim: func(at []benchclient.Target) error {
		s.aimed = append(s.aimed, at[0].URL)
		return nil
	}})
}

// startCold applies cold starts on a sleeper.
func startCold(t *testing.T, ctx context.Context, s *sleeper, requests int) {
	t.Helper()
	s.ledger = &ledger{}
	cell := gentle(1, nil)
	cell.Load, cell.WarmUp = scenarios.Load{Shape: "cold_start", Requests: requests}, 0
	cell.PromptSet.PromptTokens, cell.PromptSet.Tokenizer = scenarios.Constant(8), "calibrate"
	p, err := NewPlan(&scenarios.Scenario{Name: "s", Runs: []scenarios.Run{{Name: "r", Trials: 1, Seed: 1, Cells: []scenarios.Cell{cell}}}}, "/results")
	if err != nil || len(p.NotExecutable) > 0 || p.EstimatedRequests != int64(requests) {
		t.Fatalf("%v %+v", err, p)
	}
	j, err := OpenJournal(t.TempDir(), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	_, err = Apply(ctx, p, Deps{ApplyID: "id", Driver: s, Recorder: s, Journal: j,
		Equip: func(_ Trial, e Endpoint, _ benchclient.Assignment, _ func(string)) (Equipment, error) {
			s.sampled = e.Targets
			return Equipment{Worker: s}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// asked are the rows of the cold starts.
func (s *sleeper) asked() []tables.Request {
	return slices.DeleteFunc(slices.Clone(s.requests), func(r tables.Request) bool { return r.Seq < 0 })
}

func TestEachColdStartIsARestartAndOneRequestWhoseWaitBeginsWithTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sleeper{}
		startCold(t, t.Context(), s, 3)
		if s.starts != 4 || s.stops != 4 {
			t.Errorf("started %d and stopped %d times for three cold starts", s.starts, s.stops)
		}
		if want := []string{"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4"}; !slices.Equal(s.aimed, want) {
			t.Errorf("it asked %v", s.aimed)
		}
		if s.sampled[0].PID != 0 {
			t.Error("a process that ends at once is sampled")
		}
		rows, stages, notes := s.asked(), s.sealed.Report.Stages, s.said(tables.EventColdStart)
		if len(rows) != 3 || len(stages) != 3 || len(notes) != 3 {
			t.Fatalf("%d rows, %d stages, %d events", len(rows), len(stages), len(notes))
		}
		for i, r := range rows {
			if r.Stage != int32(i) || r.Seq != int64(i) || r.Phase != tables.PhaseMeasure {
				t.Errorf("row %d: %+v", i, r)
			}
			if total, sent := r.FirstTokenAt-r.IntendedAt, r.FirstTokenAt-r.DispatchedAt; total != 9e9 || sent != 1e9 {
				t.Errorf("it took %d ns in all and %d from the request on", total, sent)
			}
			if st := stages[i]; st.Kind != tables.KindColdStart || st.FromAt != r.IntendedAt || st.UntilAt != r.DoneAt {
				t.Errorf("stage %d: %+v", i, st)
			}
			var c tables.ColdStart
			if err := json.Unmarshal([]byte(notes[i]), &c); err != nil || c != (tables.ColdStart{Stage: int32(i), StartNS: 5e9, LoadNS: tables.Some[int64](3e9)}) {
				t.Errorf("%v %+v", err, c)
			}
		}
		if s.sealed.Trial.Status != tables.StatusCompleted || s.sealed.RuntimeDied != "" {
			t.Errorf("%s %q", s.sealed.Trial.Status, s.sealed.RuntimeDied)
		}
	})
}

func TestARuntimeThatDoesNotComeUpAgainFailsTheTrialAndKeepsTheColdStartsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sleeper{fails: 3}
		startCold(t, t.Context(), s, 3)
		if len(s.asked()) != 1 || s.sealed.Trial.Status != tables.StatusFailed || !s.sealed.Begun || !strings.Contains(s.sealed.Failure, "no memory") {
			t.Errorf("%d rows, %s: %s", len(s.asked()), s.sealed.Trial.Status, s.sealed.Failure)
		}
	})
}

func TestARuntimeThatDiesOfItsFirstRequestIsAFindingAndTheNextColdStartIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sleeper{dies: 3}
		startCold(t, t.Context(), s, 3)
		rows := s.asked()
		if len(rows) != 3 || rows[1].ErrorKind != tables.ErrReset || rows[2].ErrorKind != "" || !strings.Contains(s.sealed.RuntimeDied, "killed by signal 9") {
			t.Errorf("%+v, %q", rows, s.sealed.RuntimeDied)
		}
	})
}

func TestColdStartsThatAreInterruptedKeepThoseThatWereMade(t *testing.T) {
	for name, c := range map[string]struct {
		asking bool // and else starting
		rows   int
	}{"while it starts": {false, 1}, "while it is asked": {true, 2}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &sleeper{}
			s.reached = func(asking bool) {
				if s.starts == 3 && asking == c.asking {
					cancel()
				}
			}
			startCold(t, ctx, s, 3)
			if len(s.asked()) != c.rows || s.sealed.Trial.Status != tables.StatusInterrupted || !s.sealed.Report.Interrupted || s.up {
				t.Errorf("%s: %d rows, %s, %+v", name, len(s.asked()), s.sealed.Trial.Status, s.sealed.Report)
			}
		})
	}
}
