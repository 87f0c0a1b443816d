package warehouse

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

const writeForeverCommand = "write-forever"

// writeForever is a process that writes requests, flushes, and tells how many are safe, until it is killed.
func writeForever(dir string) {
	w, err := Open(dir)
	if err != nil {
		panic(err)
	}
	a, err := w.Begin(Apply{ID: "killed", Scenario: "chat"})
	if err != nil {
		panic(err)
	}
	row := trialRow("capacity#1")
	row.Status = ""
	tw, err := a.Trial(row)
	if err != nil {
		panic(err)
	}
	for n := 0; ; {
		var rows []tables.Request
		for range 100 {
			rows = append(rows, request(row.TrialID, n))
			n++
		}
		if err := errors.Join(tw.WriteRequests(rows), tw.Flush()); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

func TestAfterAKillEveryFlushedRowIsRecovered(t *testing.T) {
	for _, lines := range []int{0, 1, 7, 40} {
		w := openTest(t)
		cmd := exec.Command(os.Args[0], writeForeverCommand, w.Path())
		stdout, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		safe := 0
		for s := bufio.NewScanner(stdout); lines >= 0 && s.Scan(); lines-- {
			safe, err = strconv.Atoi(s.Text())
			must(t, err)
		}
		if _, err := w.Recover(t.Context(), "killed", nil); !errors.Is(err, ErrBusy) {
			t.Errorf("recovering an apply under way gave %v", err)
		}
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()

		recovered, err := w.Recover(t.Context(), "", nil)
		must(t, err)
		if len(recovered) != 1 || len(recovered[0].Trials) != 1 || recovered[0].Trials[0].Status != tables.StatusInterrupted {
			t.Fatalf("recovered %+v", recovered)
		}
		var n, distinct int
		must(t, openDB(t, w).QueryRow("SELECT count(*), count(DISTINCT seq) FROM requests").Scan(&n, &distinct))
		if n < safe || n != distinct || int64(n) != recovered[0].Trials[0].Requests {
			t.Errorf("%d rows, %d of them distinct, of which %d had been flushed", n, distinct, safe)
		}
		if left, err := w.Unfinished(); err != nil || len(left) > 0 {
			t.Errorf("unfinished: %v, %v", left, err)
		}
		var m ApplyManifest
		_, err = readManifest(w.applyManifest("killed"), &m)
		must(t, err)
		if !m.Recovered || len(m.Trials) != 1 {
			t.Errorf("the manifest is %+v", m)
		}
	}
}

func TestASpoolThatBreaksOffGivesItsWholeBatches(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "cut", Scenario: "chat"})
	must(t, err)
	tw, err := a.Trial(trialRow("capacity#1"))
	must(t, err)
	for i := range 3 {
		must(t, tw.WriteRequests([]tables.Request{request("capacity#1", i)}))
		must(t, tw.Flush())
	}
	segments, err := filepath.Glob(filepath.Join(w.Path(), "spool", "cut", "*", "requests-*"))
	must(t, err)
	info, err := os.Stat(segments[0])
	must(t, err)
	must(t, os.Truncate(segments[0], info.Size()-10))
	must(t, a.Close())
	recovered, err := w.Recover(t.Context(), "cut", nil)
	must(t, err)
	if got := recovered[0].Trials[0]; got.Requests != 2 || got.LostBytes == 0 {
		t.Errorf("recovered %+v, want 2 requests and lost bytes", got)
	}
}

func TestASealThatWasCutOffIsDoneAgainFromTheSameSpool(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "again", Scenario: "chat"})
	must(t, err)
	row := trialRow("capacity#1")
	tw, err := a.Trial(row)
	must(t, err)
	must(t, tw.WriteRequests([]tables.Request{request(row.TrialID, 0)}))
	// A folder stands where the manifest should: the seal fails after all parts are written.
	must(t, os.MkdirAll(filepath.Join(w.trialManifest("again", row.TrialID), "x"), 0o755))
	if err := tw.Seal(t.Context(), row, nil); err == nil || !strings.Contains(err.Error(), "sealing trial capacity#1") {
		t.Fatalf("sealing gave %v", err)
	}
	if err := a.Finish(); err == nil {
		t.Fatal("an apply with a trial that is not sealed was finished")
	}
	must(t, a.Close())
	must(t, os.RemoveAll(w.trialManifest("again", row.TrialID)))
	_, err = w.Recover(t.Context(), "again", nil)
	must(t, err)
	trials, err := Rows[tables.Trial](t.Context(), openDB(t, w), "SELECT * FROM trials")
	must(t, err)
	if len(trials) != 1 || trials[0].Status != tables.StatusCompleted {
		t.Errorf("trials are %+v", trials)
	}
	var n int
	must(t, openDB(t, w).QueryRow("SELECT count(*) FROM requests").Scan(&n))
	if n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestTwoAppliesOfOneIDAreRefused(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "one", Scenario: "chat"})
	must(t, err)
	if _, err := w.Begin(Apply{ID: "one", Scenario: "chat"}); err == nil {
		t.Error("a second apply of the ID was begun")
	}
	must(t, a.Finish())
	if _, err := w.Begin(Apply{ID: "one", Scenario: "chat"}); err == nil {
		t.Error("a finished apply was begun again")
	}
	for _, id := range []string{"", "..", "a/b", ".hidden", "a b"} {
		if _, err := w.Begin(Apply{ID: id, Scenario: "chat"}); err == nil {
			t.Errorf("an apply %q was begun", id)
		}
	}
}
