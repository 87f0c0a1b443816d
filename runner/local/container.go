package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
)

// containerPrograms are the container engines that are looked for, the first that answers is used.
var containerPrograms = []string{"docker", "podman"}

const (
	questionToContainers = 10 * time.Second
	removalOfContainer   = 30 * time.Second
)

// container is one that we started, by the program that runs it and the name that we gave it. Its methods may be called
// on nil, which is none.
//
// It is not started with --rm: whether the kernel killed it for lack of memory is told by the container engine only
// while it is there.
type container struct {
	Program string // its path
	Name    string
	Memory  scenarios.Bytes // its limit; 0: none
}

var containerName = regexp.MustCompile(`^llmscen-[a-z0-9-]{1,150}$`)

// containerEngine finds a container engine that answers; the error says of each why it can't be used.
func containerEngine(ctx context.Context) (string, error) {
	var why []string
	for _, name := range containerPrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			why = append(why, name+" is not installed")
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, questionToContainers)
		out, err := exec.CommandContext(ctx, path, "ps", "--quiet").CombinedOutput()
		cancel()
		if err == nil {
			return path, nil
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		why = append(why, fmt.Sprintf("%s: %s", name, cmp.Or(line, err.Error())))
	}
	return "", errors.New(strings.Join(why, "; "))
}

// contain makes the supervised command one that runs a container.
func (d *Driver) contain(ctx context.Context, u *unit, dep runner.Deployment, l launch, s *supervision) error {
	program, err := containerEngine(ctx)
	if err != nil {
		return fmt.Errorf("no container engine answers: %w", err)
	}
	limits := limitsOf(dep)
	u.container = &container{Program: program, Name: cgroupName(dep.Name), Memory: limits.memory}
	u.grace += removalOfContainer // its supervisor removes it last
	s.Container, s.Cgroup = u.container, nil
	s.Command = u.container.run(dep.Runtime, limits, l)
	return nil
}

// run is the command line that runs it, as docker and podman both take it.
func (c *container) run(r scenarios.Runtime, limits limits, l launch) []string {
	args := []string{c.Program, "run", "--name", c.Name, "--publish", fmt.Sprintf("127.0.0.1:%d:%d", l.port, l.inside)}
	if limits.cpus > 0 {
		args = append(args, "--cpus", strconv.FormatFloat(limits.cpus, 'f', -1, 64))
	}
	if limits.memory > 0 {
		bytes := strconv.FormatInt(int64(limits.memory), 10)
		args = append(args, "--memory", bytes, "--memory-swap", bytes)
	}
	if r.Resources.GPUs > 0 {
		args = append(args, "--gpus", strconv.Itoa(max(int(r.Resources.GPUs), 1)))
	}
	if l.shared > 0 {
		args = append(args, "--shm-size", strconv.FormatInt(int64(l.shared), 10))
	}
	for _, inside := range slices.Sorted(maps.Keys(l.mounts)) {
		volume := l.mounts[inside] + ":" + inside
		if filepath.IsAbs(l.mounts[inside]) { // a file of this machine; else a volume, which is written to
			volume += ":ro"
		}
		args = append(args, "--volume", volume)
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		args = append(args, "--env", name+"="+l.env[name])
	}
	command := l.command
	if len(l.entries) > 0 {
		args = append(args, "--entrypoint", l.entries[0])
		command = slices.Concat(l.entries[1:], command)
	}
	return slices.Concat(args, []string{r.Image}, command)
}

// ask runs the container engine's program for one answer.
func (c *container) ask(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, c.Program, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(c.Program), args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// pid is its first process as this machine counts it; 0: it can't be seen from here, as where containers run in a
// virtual machine.
func (c *container) pid(ctx context.Context) int {
	out, err := c.ask(ctx, "inspect", "--format", "{{.State.Pid}}", c.Name)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(out)
	if err != nil || startTime(pid) == 0 {
		return 0
	}
	return pid
}

// ending makes the ending of the program that ran it the container's own.
func (c *container) ending(ending string) string {
	if c == nil {
		return ending
	}
	ctx, cancel := context.WithTimeout(context.Background(), questionToContainers)
	defer cancel()
	out, err := c.ask(ctx, "inspect", "--format", "{{.State.OOMKilled}}", c.Name)
	switch {
	case err != nil || out != "true":
		return ending
	case c.Memory > 0:
		return fmt.Sprintf("was killed by the kernel at its memory limit of %s", c.Memory)
	default:
		return "was killed by the kernel for lack of memory"
	}
}

// exists asks whether it is there, running or not.
func (c *container) exists() bool {
	if c == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), questionToContainers)
	defer cancel()
	out, err := c.ask(ctx, "ps", "--all", "--quiet", "--filter", "name=^"+c.Name+"$")
	return err == nil && out != ""
}

// remove ends and removes it; that it is gone is no error.
func (c *container) remove() error {
	if !c.exists() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removalOfContainer)
	defer cancel()
	if _, err := c.ask(ctx, "rm", "--force", "--volumes", c.Name); err != nil {
		return fmt.Errorf("removing the container %s: %w", c.Name, err)
	}
	return nil
}

// removeAtEnd removes it when its supervisor ends; what fails is tried again by whoever reads the journal.
func (c *container) removeAtEnd() {
	if err := c.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// journalled is it in one text.
func (c *container) journalled() string { return filepath.Base(c.Program) + " " + c.Name }

// containerOf is that of a journal's entry; nil: it has none. A journal is a file that might have been written to: only
// the programs that we would run, and names of ours, count.
func containerOf(e runner.Entry) *container {
	program, name, ok := strings.Cut(e.Container, " ")
	if !ok || !slices.Contains(containerPrograms, program) || !containerName.MatchString(name) {
		return nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil
	}
	return &container{Program: path, Name: name}
}
