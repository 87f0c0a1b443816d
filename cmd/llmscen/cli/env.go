// Package cli is the command line: one file a command. It is the only room that knows all the others.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
)

// Env is what every command has: the streams, and the flags that are everywhere.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	warehouse string
	output    string
	vars      []string
	varFiles  []string
	dir       string
	color     string
	quiet     bool
	verbose   bool
}

// Main runs the command line and gives the exit code.
func Main(args []string) int {
	e := &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	return e.Run(context.Background(), args)
}

// Run runs one command line.
func (e *Env) Run(ctx context.Context, args []string) int {
	root := newRootCmd(e)
	root.SetArgs(args)
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := codeOf(err)
	if ee, ok := errors.AsType[*exitError](err); !ok || ee.err != nil {
		fmt.Fprintf(e.Stderr, "Error: %s\n", printable(err.Error()))
	}
	return code
}

// printable strips what would steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// wants tells the output format, which must be one of those that the command has; the first is the default.
func (e *Env) wants(formats ...string) (string, error) {
	if e.output == "" {
		return formats[0], nil
	}
	if !slices.Contains(formats, e.output) {
		return "", wrong("-o %s is not something this command writes: it has %s", e.output, strings.Join(formats, ", "))
	}
	return e.output, nil
}

// isTerminal tells whether a person looks at the stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// colored tells whether to colour a stream.
func (e *Env) colored(stream any) bool {
	switch e.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && isTerminal(stream)
}

// warehousePath is where results are: the flag, else LLMSCEN_WAREHOUSE, else what the scenario says, else ./results.
func (e *Env) warehousePath(scenarioSays, scenarioDir string) (string, error) {
	path := e.warehouse
	if path == "" {
		path = os.Getenv("LLMSCEN_WAREHOUSE")
	}
	if path == "" && scenarioSays != "" {
		path = scenarioSays
		if !filepath.IsAbs(path) && !strings.Contains(path, "://") {
			path = filepath.Join(scenarioDir, path)
		}
	}
	if path == "" {
		path = "results"
	}
	if scheme, _, remote := strings.Cut(path, "://"); remote {
		return "", fmt.Errorf("the warehouse %s is an object store, and this version keeps results in a folder: %s:// is planned only", path, scheme)
	}
	return filepath.Abs(path)
}

// openWarehouse opens the warehouse that a command reads.
func (e *Env) openWarehouse() (*warehouse.Warehouse, error) {
	path, err := e.warehousePath("", "")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, wrong("there is no warehouse at %s: run `llmscen apply` first, or name one with --warehouse", path)
	}
	return warehouse.Open(path)
}

// interruptible is a context that the first Ctrl-C or SIGTERM ends. signalled is closed after it has ended, code is
// then 130 or 143; the second signal calls leave.
func interruptible(ctx context.Context, leave func(code int)) (_ context.Context, code func() int, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	got := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		first := true
		for {
			select {
			case s := <-signals:
				c := exitInterrupted
				if s == syscall.SIGTERM {
					c = exitTerminated
				}
				if !first {
					leave(c)
				}
				first = false
				got <- c
				cancel()
			case <-done:
				return
			}
		}
	}()
	code = func() int {
		select {
		case c := <-got:
			got <- c
			return c
		default:
			return exitInterrupted
		}
	}
	return ctx, code, func() { signal.Stop(signals); close(done); cancel() }
}

// invoked is how the user called this binary, so that the next commands can be pasted as they stand.
func invoked() string {
	if name := os.Args[0]; strings.Contains(name, string(filepath.Separator)) {
		return name
	}
	return "llmscen"
}

// exactly and atMost are cobra's checks, with exit 2.
func exactly(n int) cobra.PositionalArgs { return positional(cobra.ExactArgs(n)) }
func atMost(n int) cobra.PositionalArgs  { return positional(cobra.MaximumNArgs(n)) }

func positional(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return wrong("%s: %v; see `%s --help`", cmd.CommandPath(), err, cmd.CommandPath())
		}
		return nil
	}
}

// reportFormat is the format of a table, as -o asks for it.
func (e *Env) reportFormat() (report.Format, error) {
	f, err := report.ParseFormat(e.output)
	if err != nil {
		return f, &exitError{exitWrong, err}
	}
	return f, nil
}

// draw writes a table to standard output.
func (e *Env) draw(t report.Table, f report.Format) error {
	// What nobody looks at on a terminal is not cut to its width.
	o := report.Options{Color: e.colored(e.Stdout), Width: 10_000}
	if file, ok := e.Stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			o.Width = width
		}
	}
	return t.Write(e.Stdout, f, o)
}
