package binary

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Event is what an apply tells with --output jsonl, as far as it is used here.
type Event struct {
	At     time.Time `json:"at"`
	Type   string    `json:"type"`
	Apply  string    `json:"apply"`
	Index  int       `json:"index"` // of the trial, from 0
	Detail string    `json:"detail"`
}

// Apply is an apply under way.
type Apply struct {
	// Began is just before its process did.
	Began time.Time
	PID   int

	cmd    *exec.Cmd
	events chan Event
	told   bytes.Buffer // its standard error; whole once it has ended
}

// manyEvents is more than the applies here tell of, so that one that nobody listens to is not held up.
const manyEvents = 1024

// Apply starts an apply of a scenario's text. When ctx ends it is interrupted, as by Ctrl-C, and a minute later killed.
func (p Program) Apply(ctx context.Context, h Home, scenario string, args ...string) (*Apply, error) {
	path := filepath.Join(string(h), "check.scen.hcl")
	if err := os.WriteFile(path, []byte(scenario), 0o644); err != nil {
		return nil, fmt.Errorf("writing a scenario: %w", err)
	}
	a := &Apply{
		cmd:    p.command(ctx, h, append([]string{"--output", "jsonl", "apply", "--yes", path}, args...)...),
		events: make(chan Event, manyEvents),
	}
	a.cmd.Stderr = &a.told
	a.cmd.Cancel = func() error { return a.cmd.Process.Signal(os.Interrupt) }
	a.cmd.WaitDelay = time.Minute
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting an apply: %w", err)
	}
	a.Began = time.Now()
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting an apply: %w", err)
	}
	a.PID = a.cmd.Process.Pid
	go a.read(out)
	return a, nil
}

func (a *Apply) read(out io.Reader) {
	defer close(a.events)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			a.events <- e
		}
	}
}

// Await returns the next event that is wanted; an apply that ends before has failed.
func (a *Apply) Await(wanted func(Event) bool) (Event, error) {
	for e := range a.events {
		if wanted(e) {
			return e, nil
		}
	}
	return Event{}, errors.Join(errors.New("the apply has ended too soon"), a.Wait())
}

// Signal sends it a signal.
func (a *Apply) Signal(s syscall.Signal) error { return a.cmd.Process.Signal(s) }

// Wait waits for its end. Verdicts, an interruption and a signal are no errors: that it could not work is one.
func (a *Apply) Wait() error {
	for range a.events { // the pipe must be empty before its end is waited for
	}
	err := a.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch exit.ExitCode() {
	case -1, 4, 5, 6, 130, 143:
		return nil
	}
	return fmt.Errorf("applying: %w: %s", err, bytes.TrimSpace(a.told.Bytes()))
}
