package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/scenarios"
)

// supervisorGrace is what a supervisor may take to kill all that came from its command, on a busy machine: what it has
// not killed when it is killed itself would stay.
const supervisorGrace = 20 * time.Second

// startCommand starts a command of the scenario's own under a supervisor of ours, and waits until it answers.
func (d *Driver) startCommand(ctx context.Context, u *unit, dep runner.Deployment, e *engines.Engine) error {
	r := dep.Runtime
	if len(r.Command) == 0 && r.Image == "" {
		return errors.New("it has no command")
	}
	port, err := choosePort(ctx, r.Port)
	if err != nil {
		return err
	}
	l := launch{name: "The command of " + r.Addr, port: port, inside: port, env: map[string]string{}}
	put := strings.NewReplacer("${port}", strconv.Itoa(port))
	for _, arg := range slices.Concat(r.Command, r.Args) {
		l.command = append(l.command, put.Replace(arg))
	}
	for name, v := range r.Env {
		l.env[name] = put.Replace(v)
	}
	if r.Ready.Timeout == 0 {
		r.Ready.Timeout = e.ReadyTimeout
	}
	url, pid, err := d.launch(ctx, u, dep, r, l)
	if err != nil {
		return err
	}
	u.announce(r, dep.Name, url, pid)
	return nil
}

// launch is what is started for a deployment.
type launch struct {
	name    string // for people
	command []string
	env     map[string]string // beside that of this process, or of the image
	port    int               // on this machine
	// What follows is of a container.
	inside  int               // the port in it
	mounts  map[string]string // by the path in it, a file or the name of a volume
	shared  scenarios.Bytes   // /dev/shm
	entries []string          // take the place of the image's entry point
}

// launch starts it under a supervisor, in a container where the runtime has an image, and waits until it answers.
func (d *Driver) launch(ctx context.Context, u *unit, dep runner.Deployment, r scenarios.Runtime, l launch) (url string, pid int, err error) {
	s := supervision{Name: l.name, Cgroup: u.cgroup, Grace: d.o.StopGrace, Command: l.command, Env: os.Environ()}
	if r.Image != "" {
		if err := d.contain(ctx, u, dep, l, &s); err != nil {
			return "", 0, err
		}
	} else {
		for name, v := range l.env {
			s.Env = append(s.Env, name+"="+v)
		}
	}
	if pid, err = d.supervise(ctx, u, dep, s); err != nil {
		return "", 0, err
	}
	transport, err := d.o.Transport(r)
	if err != nil {
		return "", 0, err
	}
	url = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port))
	if u.alive, err = awaitAnswer(ctx, transport, url, r, u.process.done); errors.Is(err, errEnded) {
		return "", 0, errors.New(u.death())
	} else if err != nil {
		return "", 0, fmt.Errorf("%w%s", err, lastLines(u.process.output))
	}
	if u.container != nil {
		pid = u.container.pid(ctx)
	}
	return url, pid, nil
}

func lastLines(t *tail) string {
	lines := t.String()
	if lines == "" {
		return ""
	}
	return "; it wrote last:\n  " + strings.ReplaceAll(lines, "\n", "\n  ")
}

// chosenFrom and chosenBelow bound the ports that are chosen. The kernel gives out those from 32768 on to whoever asks for
// any, and to every outgoing connection (ip_local_port_range): one of these may be another's before the command listens,
// and the other's server would be taken for the command's.
const chosenFrom, chosenBelow = 16384, 32768

// choosePort is the port that was asked for, if nothing listens on it, or a free one.
func choosePort(ctx context.Context, asked int) (int, error) {
	port := asked
	for tries := 64; ; tries-- {
		if asked == 0 && tries > 0 {
			port = chosenFrom + rand.IntN(chosenBelow-chosenFrom)
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		if asked != 0 || tries == 0 {
			return 0, fmt.Errorf("trying port %d, which it is to listen on: %w", port, err)
		}
	}
}

// supervise starts the supervisor and, through it, the command, whose process it returns.
func (d *Driver) supervise(ctx context.Context, u *unit, dep runner.Deployment, s supervision) (pid int, err error) {
	config, err := json.Marshal(s)
	if err != nil {
		return 0, fmt.Errorf("writing what to supervise: %w", err)
	}
	path, err := d.executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(path, SuperviseCommand)
	cmd.Dir = d.o.Dir
	in, out, err := pipes(cmd)
	if err != nil {
		return 0, err
	}
	u.grace += supervisorGrace // it waits itself, and then kills
	// It kills what came from the command when the kernel sends it SIGTERM for our thread's end, or its input ends.
	u.process, err = begin(cmd, birth{name: "The supervisor of " + dep.Runtime.Addr, orphaned: syscall.SIGTERM})
	closeBoth(cmd)
	if err != nil {
		return 0, errors.Join(err, in.Close(), out.Close())
	}
	go func() { <-u.process.done; _ = in.Close() }()
	if err := d.record(u, dep, u.process.pid); err != nil {
		return 0, err
	}
	if _, err := in.Write(append(config, '\n')); err != nil {
		return 0, fmt.Errorf("telling the supervisor what to start: %w", err)
	}
	started, last := make(chan supervised, 1), make(chan supervised, 1)
	go readSupervised(out, started, last)
	u.death = sync.OnceValue(func() string { return deathUnder(u, s.Name, <-last) })
	select {
	case first, told := <-started: // a supervisor that ended may have told why just before: what it wrote decides
		if !told {
			return 0, errors.New(u.process.death())
		}
		if first.Failed != "" {
			return 0, errors.New(first.Failed)
		}
		return first.PID, d.record(u, dep, first.PID)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// readSupervised passes on a supervisor's first line, and at the end its last; without a first, started is closed.
func readSupervised(out io.ReadCloser, started, last chan<- supervised) {
	defer out.Close()
	defer close(started)
	var s supervised
	first := true
	for lines := bufio.NewScanner(out); lines.Scan(); first = false {
		s = supervised{}
		if json.Unmarshal(lines.Bytes(), &s) == nil && first {
			started <- s
		}
	}
	last <- s
}

// deathUnder says how a supervised command ended.
func deathUnder(u *unit, name string, last supervised) string {
	<-u.process.done
	if last.Ending == "" { // the supervisor itself was ended
		return u.process.death()
	}
	return obituary(name, last.Ending, u.cgroup.killedForMemory(), u.process.endedAt.Sub(u.process.startedAt), u.process.output)
}
