//go:build engines

package check

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/llmscen/llmscen/deploy/binary"
	"github.com/llmscen/llmscen/scenarios/examples"
)

// exampleApplied applies an example in a home from which engines and their models are found.
func exampleApplied(t *testing.T, name string, args ...string) *sql.DB {
	t.Helper()
	e, ok := examples.Find(name)
	if !ok {
		t.Fatalf("there is no example %s", name)
	}
	home := binary.Home(t.TempDir())
	if err := os.Symlink(dir, filepath.Join(string(home), ".engines")); err != nil {
		t.Fatal(err)
	}
	a, err := program.Apply(t.Context(), home, e.Files[0].Text, args...)
	if err != nil {
		t.Fatal(err)
	}
	db := ended(t, home, a)
	if n := number(t, db, `select count(*) from trials where status <> 'completed'`); n > 0 {
		t.Errorf("%d trials did not complete", n)
	}
	return db
}

func TestTheThreeBackendsAreComparedAsOneModelAndStressed(t *testing.T) {
	db := exampleApplied(t, "three-backends", "--var", "trials=1", "--var", "seconds=1")
	for query, want := range map[string]int64{
		`select count(*) from trials`:                                                                                                      8,
		`select count(distinct answers_sha256) from trials`:                                                                                1,
		`select count(distinct model_digest) from trials`:                                                                                  1,
		`select count(*) from requests where error_kind is not null and trial_id like 'steady%'`:                                           0,
		`select count(distinct trial_id) from stages where kind = 'probe'`:                                                                 4,
		`select count(distinct trial_id) from summaries where metric = 'runtime_cpu_cores' and stage is null and stat = 'mean'`:            8,
		`select count(distinct trial_id) from series where collector = 'scrape' and name = 'llamacpp:tokens_predicted_total'`:              2,
		`select count(*) from requests r where seq >= 0 and not exists (from schedules s where s.trial_id = r.trial_id and s.seq = r.seq)`: 0,
	} {
		if got := number(t, db, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

func TestTwoModelsOnThreeRuntimesAreOneTable(t *testing.T) {
	db := exampleApplied(t, "models-by-runtimes", "--var", "trials=1")
	for query, want := range map[string]int64{
		`select count(*) from trials`:                                6,
		`select count(distinct model_digest) from trials`:            2,
		`select count(*) from requests where error_kind is not null`: 0,
		`select count(distinct answers_sha256) from trials`:          2,
		`select count(*) from requests where phase = 'measure'`:      6 * 30,
	} {
		if got := number(t, db, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

func TestLongPromptsAndMoreUsersAreAGrid(t *testing.T) {
	db := exampleApplied(t, "context-grid", "--var", "requests=8")
	for query, want := range map[string]int64{
		`select count(*) from trials`:                                                                    9,
		`select count(*) from requests where error_kind is not null`:                                     0,
		`select count(distinct cell_numbers['prompt_tokens'] * 100 + cell_numbers['users']) from trials`: 9,
	} {
		if got := number(t, db, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
