package cli

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner"
)

// brief has three short trials, so that most of an apply is its starts and seals.
const brief = `scenario "brief" {}

runtime "simulated" "toy" {
  time_to_first_token = "2ms"
  tokens_per_second   = 2000
}

prompt_set "inline" "p" {
  prompts       = ["one", "two"]
  output_tokens = 4
}

load "constant_rate" "l" {
  rate_per_second = 200
  over            = "250ms"
}

run "r" {
  trials     = 3
  reset      = "runtime"
  runtime    = runtime.toy
  prompt_set = prompt_set.p
  load       = load.l
}
`

// kills is how many applies are killed. A whole apply makes some hundred files and folders.
const (
	kills      = 10
	wholeApply = 100
)

// TestWhereverAnApplyIsKilledItsRowsAreRecoveredOnce kills applies when they have made so many files, at random.
func TestWhereverAnApplyIsKilledItsRowsAreRecoveredOnce(t *testing.T) {
	for range kills {
		files := 1 + rand.IntN(wholeApply)
		t.Run(fmt.Sprintf("at %d files", files), func(t *testing.T) {
			t.Parallel()
			p := startApply(t, brief)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for p.events.Scan() { // they end with the process
				}
			}()
			p.made(files, ended)
			if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
			_ = p.cmd.Wait() // that it was killed
			p.noneOfItsBinaryRuns()
			p.isRecovered()
		})
	}
}

// made waits until the apply has made so many files and folders, those that it removed again included, or has ended.
func (p *process) made(files int, ended <-chan struct{}) {
	seen := map[string]bool{}
	for tick := time.NewTicker(time.Millisecond); len(seen) < files; {
		for _, dir := range []string{"results", "state"} {
			_ = filepath.WalkDir(filepath.Join(p.dir, dir), func(path string, _ fs.DirEntry, err error) error {
				if err == nil {
					seen[path] = true
				}
				return nil // what is gone meanwhile
			})
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// noneOfItsBinaryRuns waits until no process runs this test's own copy of the binary.
func (p *process) noneOfItsBinaryRuns() {
	p.t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		left, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			p.t.Fatal(err)
		}
		alive := ""
		for _, path := range left {
			if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), p.cmd.Path+"\x00") {
				alive = path + ": " + strings.ReplaceAll(string(text), "\x00", " ")
			}
		}
		if alive == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("it still runs: %s", alive)
		}
	}
}

// isRecovered does what a user would after the apply's death, and looks at what that leaves.
func (p *process) isRecovered() {
	t := p.t
	t.Helper()
	must := func(args ...string) string {
		t.Helper()
		out, code := p.llmscen(args...)
		if code != exitDone {
			t.Fatalf("%v ended with %d: %s", args, code, out)
		}
		return out
	}
	must("status")
	if _, err := os.Stat(filepath.Join(p.dir, "results")); errors.Is(err, fs.ErrNotExist) {
		must("down")
		return // it died before it had a warehouse
	}
	must("ls")
	var recovered []struct {
		Trial    *string
		Requests *int64
	}
	if err := json.Unmarshal([]byte(must("recover", "-o", "json")), &recovered); err != nil {
		t.Fatal(err)
	}
	for _, r := range recovered {
		if r.Trial == nil {
			continue
		}
		if n := p.count(fmt.Sprintf("select count(*) from requests where trial_id = '%s'", *r.Trial)); n != *r.Requests {
			t.Errorf("%d requests of %s were recovered, and the warehouse has %d", *r.Requests, *r.Trial, n)
		}
	}
	for what, query := range map[string]string{
		"requests twice":                        "select count(*) from (select apply, trial_id, seq, attempt from requests group by all having count(*) > 1)",
		"requests without a trial":              "select count(*) from requests anti join trials using (apply, trial_id)",
		"trials twice":                          "select count(*) from (select apply, trial_id from trials group by all having count(*) > 1)",
		"completed trials that lack requests":   "select count(*) from trials where status = 'completed' and (select count(*) from requests r where r.trial_id = trials.trial_id) <> 50",
		"completed trials that lack a judgment": "select count(*) from trials where status = 'completed' and validity is null",
		"requests that no arrival scheduled":    "select count(*) from requests anti join schedules using (apply, trial_id, seq)",
	} {
		if n := p.count(query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	must("verify")
	must("query", "from trial_summary")
	before := p.digests()
	if out := must("recover"); !strings.Contains(out, "nothing to recover") {
		t.Errorf("what was recovered was recovered again: %s", out)
	}
	must("down")
	if out := must("down"); !strings.Contains(out, "Nothing is left") {
		t.Errorf("down left something: %s", out)
	}
	if out := must("status"); !strings.Contains(out, "none left anything") {
		t.Errorf("something is left: %s", out)
	}
	if after := p.digests(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("a second recover changed the warehouse: %v, and before it was %v", after, before)
	}
	for path := range before {
		if strings.Contains(path, ".tmp") || strings.HasPrefix(path, "spool") {
			t.Errorf("%s was left", path)
		}
	}
	states, err := runner.ReadApplies(p.state)
	if err != nil || len(states) > 1 {
		t.Errorf("%d journals, %v", len(states), err)
	}
}

// digests are those of the warehouse's files.
func (p *process) digests() map[string]string {
	p.t.Helper()
	root := filepath.Join(p.dir, "results")
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path) // it lies below
		all[name] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}
