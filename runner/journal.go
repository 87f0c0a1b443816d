package runner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Entry is one line of a journal: an intent, written before the act, or how it ended.
type Entry struct {
	At   time.Time `json:"at"`
	Kind EntryKind `json:"kind"`
	// Apply's begin.
	Scenario  string `json:"scenario,omitempty"`
	Warehouse string `json:"warehouse,omitempty"`
	Trials    int    `json:"trials,omitempty"`
	Address   string `json:"address,omitempty"` // of the live apply, as in http://127.0.0.1:41234
	// Of a process, also the apply's own.
	PID       int    `json:"pid,omitempty"`
	StartTime uint64 `json:"start_time,omitempty"` // field 22 of /proc/PID/stat: tells a reused PID
	Cgroup    string `json:"cgroup,omitempty"`
	Container string `json:"container,omitempty"` // its program and its name, as in `docker llmscen-…`
	Object    string `json:"object,omitempty"`    // deployment or trial
	Message   string `json:"message,omitempty"`
}

// EntryKind is the kind of a journal's entry.
type EntryKind string

// The kinds of entries.
const (
	ApplyBegun     EntryKind = "apply_begun"
	ApplyEnded     EntryKind = "apply_ended"
	ProcessStarted EntryKind = "process_started"
	ProcessEnded   EntryKind = "process_ended"
	TrialBegun     EntryKind = "trial_begun"
	TrialSealed    EntryKind = "trial_sealed"
)

// Journal records what an apply begins, in the state folder, so that another process can say what is left of it.
type Journal struct {
	mu   sync.Mutex
	file *os.File
}

// StateDir is where applies keep their journals: LLMSCEN_STATE_DIR, else llmscen in XDG_STATE_HOME, else in
// ~/.local/state.
func StateDir() (string, error) {
	if dir := os.Getenv("LLMSCEN_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "llmscen"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the state folder: %w: set LLMSCEN_STATE_DIR", err)
	}
	return filepath.Join(home, ".local", "state", "llmscen"), nil
}

// OpenJournal begins, or goes on with, the journal of an apply, and holds its lock until Close or the process's end.
func OpenJournal(stateDir, applyID string) (*Journal, error) {
	dir := filepath.Join(stateDir, applyID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking the journal of %s: %w", applyID, err)
	}
	return &Journal{file: f}, nil
}

// Write adds an entry; it is on its way to the disk when Write returns.
func (j *Journal) Write(e Entry) error {
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// Close ends the journal and its lock.
func (j *Journal) Close() error { return j.file.Close() }

// ApplyState is what a journal tells of an apply.
type ApplyState struct {
	ID        string
	Scenario  string
	Warehouse string
	Address   string
	PID       int
	BegunAt   time.Time
	Ended     *Entry // nil: it did not come to its end
	Alive     bool   // its process still holds the journal
	Trials    int
	Sealed    int
	// Processes are those that were started and whose end was not seen.
	Processes []Entry
}

// ReadApplies reads the journals in the state folder, the newest apply first.
func ReadApplies(stateDir string) ([]ApplyState, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state folder: %w", err)
	}
	var states []ApplyState
	for _, e := range entries {
		s, err := readApply(stateDir, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b ApplyState) int { return strings.Compare(b.ID, a.ID) })
	return states, nil
}

func readApply(stateDir, id string) (ApplyState, error) {
	path := filepath.Join(stateDir, id, "journal.jsonl")
	f, err := os.Open(path)
	if err != nil {
		return ApplyState{}, fmt.Errorf("reading the journal: %w", err)
	}
	defer f.Close()
	s := ApplyState{ID: id}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // the last line of a process that was killed while it wrote
		}
		s.add(e)
	}
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("reading the journal %s: %w", path, err)
	}
	// Whoever can lock it knows that its writer is gone; a read-only descriptor is enough for flock.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		s.Alive = true
	}
	return s, nil
}

func (s *ApplyState) add(e Entry) {
	switch e.Kind {
	case ApplyBegun:
		s.Scenario, s.Warehouse, s.Address, s.PID, s.BegunAt, s.Trials = e.Scenario, e.Warehouse, e.Address, e.PID, e.At, e.Trials
	case ApplyEnded:
		s.Ended = &e
	case ProcessStarted:
		s.Processes = append(s.Processes, e)
	case ProcessEnded:
		s.Processes = slices.DeleteFunc(s.Processes, func(p Entry) bool { return p.PID == e.PID && p.StartTime == e.StartTime })
	case TrialSealed:
		s.Sealed++
	case TrialBegun:
	}
}
