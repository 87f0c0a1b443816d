package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a child of ours, in a process group of its own.
type process struct {
	pid       int
	process   *os.Process
	name      string // for people
	startedAt time.Time
	output    *tail
	cgroup    *cgroup // that it was born in; nil: none
	asked     atomic.Bool

	done    chan struct{} // closed at its end; what follows is set then
	state   *os.ProcessState
	endedAt time.Time
	oom     string
}

// birth is how a child comes into the world and leaves it.
type birth struct {
	name     string
	cgroup   *cgroup        // nil: ours
	orphaned syscall.Signal // that the kernel sends it when our thread ends
}

// begin starts a command. Its output goes to tail unless the command says otherwise.
//
// The thread that forks waits for the child, because the kernel sends the parent's death signal when the thread that
// forked ends, not when the process does; and because a cgroup of version 1 is entered by a thread, whose child is then
// born in it.
func begin(cmd *exec.Cmd, b birth) (*process, error) {
	p := &process{name: b.name, output: &tail{}, cgroup: b.cgroup, done: make(chan struct{})}
	if cmd.Stderr == nil {
		cmd.Stderr = p.output
	}
	cmd.SysProcAttr = processAttributes(b)
	cmd.WaitDelay = 5 * time.Second // for output that a process of another group holds open
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := b.cgroup.enter(cmd.SysProcAttr)
		if err == nil {
			err = cmd.Start()
			b.cgroup.leave()
		}
		if err != nil {
			started <- err
			return
		}
		p.pid, p.process, p.startedAt = cmd.Process.Pid, cmd.Process, time.Now()
		started <- nil
		_ = cmd.Wait() // how it ended is in ProcessState
		p.state, p.endedAt = cmd.ProcessState, time.Now()
		p.oom = b.cgroup.killedForMemory()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", b.name, err)
	}
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and kills its group after a while; it returns when it has ended.
func (p *process) stop(grace time.Duration) error {
	if p.ended() {
		return nil
	}
	p.asked.Store(true)
	if err := p.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("asking process %d to end: %w", p.pid, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("killing process group %d: %w", p.pid, err)
	}
	<-p.done
	return nil
}

// death says how the process ended, in one sentence, and what it wrote last.
func (p *process) death() string {
	<-p.done
	return obituary(p.name, ending(p.state), p.oom, p.endedAt.Sub(p.startedAt), p.output)
}

// ending is how a process ended, as a predicate.
func ending(s *os.ProcessState) string {
	if s == nil {
		return "ended in a way that could not be seen"
	}
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%s)", w.Signal(), w.Signal())
	}
	return fmt.Sprintf("ended by itself with exit code %d", s.ExitCode())
}

func obituary(name, ending, oom string, age time.Duration, output *tail) string {
	if oom != "" {
		ending = oom
	}
	lines := output.String()
	if lines == "" {
		return fmt.Sprintf("%s %s, %s after its start, and had written nothing.", name, ending, age.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s %s, %s after its start. It wrote last:\n  %s", name, ending, age.Round(time.Millisecond), strings.ReplaceAll(lines, "\n", "\n  "))
}
