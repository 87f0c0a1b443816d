package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/spool"
)

// longRun asks a simulated server for a minute.
const longRun = `scenario "long" {}

runtime "simulated" "toy" {
  time_to_first_token = "5ms"
  tokens_per_second   = 500
}

prompt_set "inline" "p" {
  prompts       = ["one", "two"]
  output_tokens = 4
}

load "constant_rate" "l" {
  rate_per_second = 50
  over            = "60s"
}

run "r" {
  runtime    = runtime.toy
  prompt_set = prompt_set.p
  load       = load.l
}
`

// endless asks a server that does not answer for a minute.
const endless = `scenario "endless" {}

runtime "simulated" "mute" {
  time_to_first_token = "60s"
}

prompt_set "inline" "p" {
  prompts       = ["one"]
  output_tokens = 1
}

load "constant_rate" "l" {
  rate_per_second = 20
  over            = "60s"
  drain_timeout   = "60s"
}

run "r" {
  runtime    = runtime.mute
  prompt_set = prompt_set.p
  load       = load.l
}
`

// process is an apply in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	state  string
	dir    string
	events *bufio.Scanner
	stderr bytes.Buffer
}

// startApply runs `llmscen apply -o jsonl` on a scenario.
func startApply(t *testing.T, scenario string) *process {
	t.Helper()
	return startApplyIn(t, t.TempDir(), scenario)
}

// startApplyIn does so in a folder that holds what the scenario needs.
func startApplyIn(t *testing.T, dir, scenario string) *process {
	t.Helper()
	p := &process{t: t, dir: dir}
	p.state = filepath.Join(p.dir, "state")
	if err := os.WriteFile(filepath.Join(p.dir, "s.scen.hcl"), []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(binary(t), "apply", "--yes", "-o", "jsonl", "s.scen.hcl")
	p.cmd.Dir = p.dir
	p.cmd.Env = append(os.Environ(), "LLMSCEN_STATE_DIR="+p.state, "LLMSCEN_WAREHOUSE=")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	p.events = bufio.NewScanner(out)
	return p
}

// binary is this test's binary under the name that makes it llmscen, also for the children that it starts.
func binary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "llmscen")
	if os.Link(self, path) == nil {
		return path
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// await reads events until one of the type comes.
func (p *process) await(want runner.EventType) runner.Event {
	p.t.Helper()
	for p.events.Scan() {
		var e runner.Event
		if err := json.Unmarshal(p.events.Bytes(), &e); err != nil {
			p.t.Fatalf("event %s: %v", p.events.Bytes(), err)
		}
		if e.Type == want {
			return e
		}
	}
	err := p.cmd.Wait() // standard error is whole then
	p.t.Fatalf("no event %s: %v; standard error: %s", want, err, &p.stderr)
	return runner.Event{}
}

// until asks the live apply until the condition holds.
func (p *process) until(what string, holds func(liveStatus) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	address := p.journal().Address
	for {
		if s, err := fetchLive(ctx, address); err == nil && holds(s) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("it never came to this: %s; standard error: %s", what, &p.stderr)
		}
	}
}

func (p *process) journal() runner.ApplyState {
	p.t.Helper()
	states, err := runner.ReadApplies(p.state)
	if err != nil || len(states) != 1 {
		p.t.Fatalf("read %d journals, %v", len(states), err)
	}
	return states[0]
}

// ends waits for the process and gives its exit code; -1 is death by a signal.
func (p *process) ends() int {
	p.t.Helper()
	for p.events.Scan() { // so that it never waits for a reader
	}
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return 0
}

// childrenEnd waits until no process that the apply journalled runs.
func (p *process) childrenEnd(started []runner.Entry) {
	p.t.Helper()
	if len(started) == 0 {
		p.t.Error("no process was journalled")
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, c := range started {
		c.Cgroup = "" // which stays until someone clears it away
		for len(local.Leftovers([]runner.Entry{c})) > 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				p.t.Fatalf("process %d still runs", c.PID)
			}
		}
	}
}

// count asks the warehouse for one number.
func (p *process) count(query string) int64 {
	p.t.Helper()
	w, err := warehouse.Open(filepath.Join(p.dir, "results"))
	if err != nil {
		p.t.Fatal(err)
	}
	db, err := w.DB(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	var n int64
	if err := db.QueryRowContext(p.t.Context(), query).Scan(&n); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// flushed is how many requests are in the spool's files.
func (p *process) flushed() (rows int64) {
	p.t.Helper()
	trials, err := filepath.Glob(filepath.Join(p.dir, "results", "spool", "*", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, dir := range trials {
		segments, _ := spool.Open(dir) // what is a file has none
		for _, s := range segments {
			if s.Table != "requests" {
				continue
			}
			_, err := s.Batches(memory.DefaultAllocator, func(batch arrow.Record) error {
				rows += batch.NumRows()
				return nil
			})
			if err != nil {
				p.t.Fatal(err)
			}
		}
	}
	return rows
}

// llmscen runs another command of the same state and warehouse.
func (p *process) llmscen(args ...string) (stdout string, code int) {
	p.t.Helper()
	cmd := exec.Command(p.cmd.Path, args...)
	cmd.Dir, cmd.Env = p.dir, p.cmd.Env
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out) + string(exit.Stderr), exit.ExitCode()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(out), 0
}

func TestTheFirstInterruptDrainsSealsAndStopsTheChildren(t *testing.T) {
	for _, c := range []struct {
		signal os.Signal
		want   int
	}{{os.Interrupt, exitInterrupted}, {syscall.SIGTERM, exitTerminated}} {
		p := startApply(t, longRun)
		p.await(runner.TrialStarted)
		p.until("20 finished requests", func(s liveStatus) bool { return s.Load.Finished >= 20 })
		children := p.journal().Processes
		if err := p.cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		if got := p.ends(); got != c.want {
			t.Errorf("after %v it ended with %d, want %d; standard error: %s", c.signal, got, c.want, &p.stderr)
		}
		p.childrenEnd(children)
		if n := p.count("select count(*) from trials where status = 'interrupted'"); n != 1 {
			t.Errorf("%d interrupted trials, want 1", n)
		}
		if n := p.count("select count(*) from requests where error_kind is null and phase = 'measure'"); n < 20 {
			t.Errorf("%d requests were kept, and 20 had finished", n)
		}
		if out, code := p.llmscen("verify"); code != 0 {
			t.Errorf("verify ended with %d: %s", code, out)
		}
	}
}

func TestTheSecondInterruptLeavesAtOnceAndSaysWhatStays(t *testing.T) {
	p := startApply(t, endless)
	p.await(runner.TrialStarted)
	p.until("10 requests on their way", func(s liveStatus) bool { return s.Load.InFlight >= 10 })
	children := p.journal().Processes
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for !strings.HasPrefix(p.await(runner.Note).Detail, "Stopping:") { // and waiting for what will not come
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if got := p.ends(); got != exitInterrupted {
		t.Errorf("it ended with %d, want %d", got, exitInterrupted)
	}
	if !strings.Contains(p.stderr.String(), "recover --warehouse") {
		t.Errorf("it did not say what stays: %s", &p.stderr)
	}
	p.childrenEnd(children)
	if out, code := p.llmscen("recover"); code != 0 || !strings.Contains(out, "interrupted") {
		t.Errorf("recover ended with %d: %s", code, out)
	}
}

func TestAfterAKillNothingThatWasFlushedIsLostAndNoChildLives(t *testing.T) {
	p := startApply(t, longRun)
	p.await(runner.TrialStarted)
	p.until("200 finished requests", func(s liveStatus) bool { return s.Load.Finished >= 200 })
	var flushed int64
	p.until("50 flushed requests", func(liveStatus) bool {
		flushed = p.flushed()
		return flushed >= 50
	})
	children := p.journal().Processes
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.ends()
	p.childrenEnd(children)

	if out, code := p.llmscen("status"); code != 0 || !strings.Contains(out, "unfinished") {
		t.Errorf("status ended with %d: %s", code, out)
	}
	if out, code := p.llmscen("recover"); code != 0 || !strings.Contains(out, "r#1") {
		t.Fatalf("recover ended with %d: %s", code, out)
	}
	if n := p.count("select count(*) from requests"); n < flushed {
		t.Errorf("%d requests were recovered of at least %d", n, flushed)
	}
	if n := p.count("select count(*) from trials where status = 'interrupted'"); n != 1 {
		t.Errorf("%d interrupted trials, want 1", n)
	}
	if out, code := p.llmscen("verify"); code != 0 {
		t.Errorf("verify ended with %d: %s", code, out)
	}
	if out, code := p.llmscen("down"); code != 0 {
		t.Errorf("down ended with %d: %s", code, out)
	}
	if out, code := p.llmscen("down"); code != 0 || !strings.Contains(out, "Nothing is left") {
		t.Errorf("down ended with %d: %s", code, out)
	}
}
