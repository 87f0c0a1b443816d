package runner

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAJournalTellsWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	j, err := OpenJournal(dir, "20261123T173000Z-7f3a")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Entry{
		{Kind: ApplyBegun, Scenario: "s", Warehouse: "/results", Trials: 2, Address: "http://127.0.0.1:1", PID: 7},
		{Kind: ProcessStarted, PID: 10, StartTime: 100, Object: "toy"},
		{Kind: ProcessStarted, PID: 11, StartTime: 101, Object: "toy"},
		{Kind: ProcessEnded, PID: 10, StartTime: 100},
		{Kind: TrialBegun, Object: "r#1"},
		{Kind: TrialSealed, Object: "r#1"},
	} {
		if err := j.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenJournal(dir, "20261123T173000Z-7f3a"); err == nil {
		t.Error("a journal was opened twice")
	}
	s := readOne(t, dir)
	if !s.Alive || s.Ended != nil || s.Sealed != 1 || s.Trials != 2 || len(s.Processes) != 1 || s.Processes[0].PID != 11 {
		t.Errorf("read %+v", s)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if readOne(t, dir).Alive {
		t.Error("an apply whose process closed its journal is alive")
	}
}

func TestAJournalCutInALineIsReadUpToIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id", "journal.jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	text := `{"kind":"apply_begun","trials":3}` + "\n" + `{"kind":"trial_sealed"}` + "\n" + `{"kind":"trial_se`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if s := readOne(t, dir); s.Trials != 3 || s.Sealed != 1 {
		t.Errorf("read %+v", s)
	}
}

func TestNoStateFolderIsNoApply(t *testing.T) {
	states, err := ReadApplies(filepath.Join(t.TempDir(), "none"))
	if err != nil || len(states) != 0 {
		t.Errorf("read %v, %v", states, err)
	}
}

func readOne(t *testing.T, dir string) ApplyState {
	t.Helper()
	states, err := ReadApplies(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 1 {
		t.Fatalf("read %d applies, want 1", len(states))
	}
	return states[0]
}
