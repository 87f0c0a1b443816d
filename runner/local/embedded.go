package local

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/scenarios"
)

const (
	embeddedReadyTimeout = 5 * time.Minute // compiling the guest on a busy machine takes a minute, under the race detector
	keepSentTimes        = 4 << 20         // 32 MiB
	maxConfigBytes       = 4 << 20
)

// serving is the first line of the standard input of a runtime's process.
type serving struct {
	Runtime scenarios.Runtime
	Listen  string
}

// startEmbedded starts our own binary as a runtime.
func (d *Driver) startEmbedded(ctx context.Context, u *unit, dep runner.Deployment) error {
	r := dep.Runtime
	r.APIKey, r.Headers = "", nil // it asks for none
	config, err := json.Marshal(serving{Runtime: r})
	if err != nil {
		return fmt.Errorf("writing its settings: %w", err)
	}
	path, err := d.executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, ServeRuntimeCommand)
	cmd.Dir, cmd.Env = d.o.Dir, embeddedEnvironment(r.Env)
	in, out, err := pipes(cmd)
	if err != nil {
		return err
	}
	// Our end of its input stays open until it has ended: that input ends is how it learns that we have.
	u.process, err = begin(cmd, birth{name: "The runtime " + r.Addr, cgroup: u.cgroup, orphaned: syscall.SIGKILL})
	closeBoth(cmd)
	if err != nil {
		return errors.Join(err, in.Close(), out.Close())
	}
	u.death = u.process.death
	go func() { <-u.process.done; _ = in.Close() }()
	if err := d.record(u, dep, u.process.pid); err != nil {
		return err
	}
	alive, reports := make(chan time.Time, 1), make(chan embedded.Ready, 1)
	go d.readReports(out, r.Addr, alive, reports)
	if _, err := in.Write(append(config, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) { // EPIPE: it has died, and that is told below
		return fmt.Errorf("giving it its settings: %w", err)
	}
	timeout := r.Ready.Timeout
	if timeout == 0 {
		timeout = embeddedReadyTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it was not ready after %s", timeout))
	defer cancel()
	select {
	case ready := <-reports:
		u.alive = <-alive // it came before
		u.endpoint.Model, u.endpoint.ModelDigest = ready.Model, ready.Digest
		u.endpoint.Quantization, u.endpoint.ContextTokens = ready.Quantization, ready.ContextTokens
		if r.MetricsPath == "" {
			r.MetricsPath = "/metrics"
		}
		u.announce(r, dep.Name, ready.URL, u.process.pid)
		u.reset = func(context.Context) error { return nil } // neither of them caches
		return nil
	case <-u.process.done:
		return errors.New(u.process.death())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readReports passes on what a runtime's process says of itself, until it ends; its first report is its first sign of life.
func (d *Driver) readReports(out io.ReadCloser, addr string, alive chan<- time.Time, ready chan<- embedded.Ready) {
	defer out.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r embedded.Report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // a library that writes to standard output is no harm
		}
		select {
		case alive <- time.Now():
		default: // it was not the first
		}
		if r.Progress != "" {
			d.o.Note(addr + ": " + r.Progress)
		}
		if r.URL != "" {
			select {
			case ready <- r.Ready:
			default:
			}
		}
	}
}

// pipes connects a command's standard input and output to us.
func pipes(cmd *exec.Cmd) (in, out *os.File, err error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("making a pipe: %w", err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("making a pipe: %w", err), childIn.Close(), in.Close())
	}
	cmd.Stdin, cmd.Stdout = childIn, childOut
	return in, out, nil
}

// closeBoth closes the child's ends of the pipes in our process.
func closeBoth(cmd *exec.Cmd) {
	_ = cmd.Stdin.(*os.File).Close()
	_ = cmd.Stdout.(*os.File).Close()
}

// embeddedEnvironment is what our own runtimes need of the environment and what the scenario adds; nothing else of it
// is their business.
func embeddedEnvironment(added map[string]string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "LANG", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for name, v := range added {
		env = append(env, name+"="+v)
	}
	return env
}

// ServeRuntime is the life of an embedded runtime's process: it reads its settings from the first line of stdin, writes
// embedded.Reports to stdout, and serves until ctx ends, SIGTERM comes, or stdin ends, which it does when the parent is
// gone.
func ServeRuntime(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	in := bufio.NewReader(stdin)
	var s serving
	if err := readConfig(in, &s); err != nil {
		return fmt.Errorf("reading the runtime's settings: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // any end is the end
		cancel()
	}()
	reports := json.NewEncoder(stdout)
	_ = reports.Encode(embedded.Report{}) // it lives; what its engine needs is made from here on
	o := embedded.ServeOptions{Listen: s.Listen, Options: embedded.Options{Aliases: []string{s.Runtime.Model}}}
	engine, err := s.engine(ctx, &o.Options, func(message string) {
		_ = reports.Encode(embedded.Report{Progress: message}) // whoever does not listen misses little
	})
	if err != nil {
		return err
	}
	if c, ok := engine.(io.Closer); ok {
		defer c.Close()
	}
	return embedded.Serve(ctx, engine, o, stdout)
}

// readConfig reads one line of JSON.
func readConfig(in *bufio.Reader, v any) error {
	var line strings.Builder
	for line.Len() <= maxConfigBytes {
		part, more, err := in.ReadLine()
		if err != nil {
			return err
		}
		line.Write(part)
		if !more {
			return json.Unmarshal([]byte(line.String()), v)
		}
	}
	return fmt.Errorf("the first line has more than %d bytes", maxConfigBytes)
}

// engine makes the engine that a runtime asks for.
func (s serving) engine(ctx context.Context, o *embedded.Options, progress func(string)) (embedded.Engine, error) {
	r := s.Runtime
	switch {
	case r.Engine == "wasm":
		w := wasm.Options{ModelPath: cmp.Or(r.ModelFile, r.Model), ContextTokens: r.ContextTokens, Parallel: r.Parallel, Progress: progress}
		if r.Model == wasm.CarriedModel {
			w.ModelPath = ""
		}
		return wasm.New(ctx, w)
	case r.Engine == "simulated" && r.Simulated != nil:
		o.RoleChunk, o.KeepSentTimes = r.Simulated.RoleChunk, keepSentTimes
		w := simulated.Options{Model: r.Model, ContextTokens: r.ContextTokens}
		if r.Sampling.Seed != nil {
			w.Seed = *r.Sampling.Seed
		}
		return simulated.New(*r.Simulated, w), nil
	default:
		return nil, fmt.Errorf("there is no embedded runtime %q", r.Engine)
	}
}
