package local

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// supervision is the first line of a supervisor's standard input.
type supervision struct {
	Name    string
	Command []string
	Env     []string
	Cgroup  *cgroup // nil: none
	// Container is what the command runs, to be removed at the end; nil: none.
	Container *container
	Grace     time.Duration // from the request to end to the kill
}

// supervised is a line of a supervisor's standard output: that the command was started, or could not be, or has ended.
type supervised struct {
	PID    int    `json:"pid,omitempty"`
	Failed string `json:"failed,omitempty"`
	Ending string `json:"ending,omitempty"` // a predicate
}

// Supervise is the life of a supervisor's process, which starts one command and sees to it that nothing of it is left:
// it takes in the orphans of the command's processes, and it kills all its descendants when the command ends, at once
// when stdin ends (which it does when the parent is gone), and after a while when ctx ends or SIGTERM comes. It reads
// what to start from the first line of stdin, and writes what became of it to stdout; the command's own output goes to
// stderr.
func Supervise(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	in := bufio.NewReader(stdin)
	var s supervision
	if err := readConfig(in, &s); err != nil {
		return fmt.Errorf("reading what to supervise: %w", err)
	}
	if err := becomeSubreaper(); err != nil {
		return err
	}
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // any end is the end
		close(orphaned)
	}()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)

	reports := json.NewEncoder(stdout)
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.Env, os.Stderr, os.Stderr
	p, err := begin(cmd, birth{name: s.Name, cgroup: s.Cgroup, orphaned: syscall.SIGKILL})
	if err != nil {
		return reports.Encode(supervised{Failed: err.Error()})
	}
	defer s.Container.removeAtEnd()
	defer p.killAll()
	if err := reports.Encode(supervised{PID: p.pid}); err != nil {
		return err
	}
	for {
		select {
		case <-ended:
			reapOrphans(p.pid)
		case <-p.done:
			return reports.Encode(supervised{Ending: s.Container.ending(ending(p.state))})
		case <-orphaned:
			return nil
		case <-ctx.Done():
			return p.endGroup(s.Grace, orphaned)
		}
	}
}

// endGroup asks the command's process group to end, and waits for the command, for a while.
func (p *process) endGroup(grace time.Duration, orphaned <-chan struct{}) error {
	_ = syscall.Kill(-p.pid, syscall.SIGTERM) // it may have ended by itself
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-orphaned:
	}
	return nil
}

// killAll kills the command and all that came from it, until there is none: one may be born while another is killed.
func (p *process) killAll() {
	if !p.ended() {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.done
	}
	for {
		living := slices.DeleteFunc(descendants(os.Getpid()), func(pid int) bool { return startTime(pid) == 0 })
		if len(living) == 0 {
			return
		}
		for _, pid := range living {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
		reapOrphans(p.pid)
		time.Sleep(time.Millisecond)
	}
}
