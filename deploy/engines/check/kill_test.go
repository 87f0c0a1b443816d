//go:build engines

package check

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llmscen/llmscen/deploy/binary"
	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// killed has a short load a trial; a runtime that died in one is started anew for the next. The rate is more than the
// engines do with one slot, so that some requests stream, some wait, and some are still to come when the server is killed.
const killed = `scenario "killed" {}

runtime %q "server" {
  context_tokens = 256
  parallel       = 1
  %s
}

prompt_set "inline" "p" {
  prompts       = ["Tell me a story.", "hello world, what is the time"]
  output_tokens = 128
}

load "constant_rate" "l" {
  rate_per_second = 50
  over            = "400ms"
  arrivals        = "poisson"
}

run "r" {
  trials     = %d
  reset      = "runtime"
  runtime    = runtime.server
  prompt_set = prompt_set.p
  load       = load.l
  collect    = []
}
`

// latestKill is when the last kill comes, after a trial's start. A busy machine may make it later: one that comes so late
// that the death may not be seen within the trial proves nothing about what the trial says.
const (
	latestKill = 200 * time.Millisecond
	seenWithin = 150 * time.Millisecond
)

func TestKilledAtAnyMomentAServerLeavesARowForEachRequestAndNoProcess(t *testing.T) {
	for _, engine := range []string{"wasm", "llamacpp", "wllama", "ollama"} {
		t.Run(engine, func(t *testing.T) {
			t.Logf("-seed %d repeats the moments", *seed)
			model := ""
			if engine != "wasm" {
				model = `model = "tiny-austen-gemma3"`
			}
			if engine == "llamacpp" || engine == "ollama" {
				model += "\n  threads = 1"
			}
			home := binary.Home(t.TempDir())
			a := begun(t, home, fmt.Sprintf(killed, engine, model, *kills))
			processes, moments := killEach(t, home, a)
			db := ended(t, home, a)
			if left := local.Leftovers(processes); len(left) > 0 {
				t.Errorf("left over: %+v", left)
			}
			account(t, rows(t, db, ""))
			trials, err := warehouse.Rows[tables.Trial](t.Context(), db, "from trials order by repetition")
			if err != nil || len(trials) != *kills {
				t.Fatalf("%d trials, %v", len(trials), err)
			}
			inTime := 0
			for i, trial := range trials {
				if moments[i].IsZero() || time.Unix(0, int64(trial.MeasureUntil)).Sub(moments[i]) < seenWithin {
					continue
				}
				inTime++
				if trial.Status != tables.StatusCompleted || !strings.Contains(strings.Join(trial.ValidityReasons, "\n"), "runtime_died: the runtime ended") {
					t.Errorf("%s is %s: %q", trial.TrialID, trial.Status, trial.ValidityReasons)
				}
				if number(t, db, fmt.Sprintf("select count(*) from requests where error_kind is not null and trial_id = '%s'", trial.TrialID)) == 0 {
					t.Errorf("no request of %s suffered", trial.TrialID)
				}
			}
			if t.Logf("%d of %d kills came within the load", inTime, *kills); inTime == 0 {
				t.Error("no kill came within a load")
			}
			for what, query := range map[string]string{
				"arrivals without just one final row": `select count(*) from (select trial_id, seq, count(r.seq) filter (r.final) as n from schedules left join requests r using (trial_id, seq) group by all) where n <> 1`,
				"rows that no arrival scheduled":      `select count(*) from requests anti join schedules using (trial_id, seq)`,
				"trials without an arrival":           `select count(*) from trials anti join schedules using (trial_id)`,
			} {
				if n := number(t, db, query); n != 0 {
					t.Errorf("%d %s", n, what)
				}
			}
		})
	}
}

// killEach kills the server of each trial at a moment of its load. It returns all processes that were journalled, and when
// each trial's was killed; zero: the trial was over before.
func killEach(t *testing.T, home binary.Home, a *binary.Apply) (all []runner.Entry, at []time.Time) {
	t.Helper()
	at = make([]time.Time, *kills)
	moments := rand.New(rand.NewPCG(*seed, 0))
	for range *kills {
		e, err := a.Await(func(e binary.Event) bool { return e.Type == string(runner.TrialStarted) })
		if err != nil {
			t.Fatal(err)
		}
		moment := time.After(time.Duration(moments.Int64N(int64(latestKill))))
		states, err := runner.ReadApplies(state(home))
		if err != nil || len(states) != 1 {
			t.Fatalf("%d journals, %v", len(states), err)
		}
		started := states[0].Processes
		all = append(all, started...)
		<-moment
		if n := len(started); n > 0 && len(local.Leftovers(started[n-1:])) > 0 { // the supervisor comes before it
			at[e.Index] = time.Now()
			if err := syscall.Kill(started[n-1].PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
	}
	return all, at
}

// account holds each row against what a server that was killed can have left.
func account(t *testing.T, all []tables.Request) {
	t.Helper()
	kinds := map[tables.ErrorKind]int{}
	cut := 0
	for _, r := range all {
		kinds[r.ErrorKind]++
		whole := r.FirstTokenAt != 0 && r.FinishReason != "" && r.TokenSource == tables.TokensFromUsage
		switch r.ErrorKind {
		case "":
			if !whole || r.HTTPStatus != 200 {
				t.Errorf("a success that is not whole: %+v", r)
			}
		case tables.ErrRefused, tables.ErrReset, tables.ErrEOFMidstream:
			if r.ErrorText == "" || r.DoneAt < r.DispatchedAt || r.ErrorKind == tables.ErrRefused && r.HTTPStatus != 0 {
				t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
			}
			if len(r.TokenDeltaUS) > 0 {
				cut++
			}
		default:
			t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
		}
	}
	t.Logf("rows by kind: %v; %d were cut after their first token", kinds, cut)
}
