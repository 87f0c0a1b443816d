// Command bench measures llmscen end to end on this machine and prints the figures beside their limits.
//
//	bench -llmscen bin/llmscen -benchmarks .tools/bench/go.txt
//
// It fails where something cannot be measured. A limit that is passed is printed as such and is no failure: what a busy
// machine gives is no fact about the program, so ratios of two figures, measured in turn in one run, are printed too.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/llmscen/llmscen/deploy/binary"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	llmscen := flag.String("llmscen", "bin/llmscen", "the program")
	benchmarks := flag.String("benchmarks", "", "what `go test -bench` printed; its figures are judged too")
	repetitions := flag.Int("repetitions", 3, "how often each is measured; the median is printed")
	serving := flag.Bool("serve", false, "be the simulated server (used by bench itself)")
	asking := flag.String("reference", "", "be the bare client of the server at this URL (used by bench itself)")
	flag.Parse()
	switch {
	case *serving:
		return serve(ctx)
	case *asking != "":
		return reference(ctx, *asking)
	}
	path, err := filepath.Abs(*llmscen)
	if err != nil {
		return err
	}
	b := bench{program: binary.Program(path), repetitions: *repetitions}
	if *benchmarks != "" {
		if err := b.benchmarks(*benchmarks); err != nil {
			return err
		}
	}
	for _, measure := range []func(context.Context) error{b.firstToken, b.kill, b.timestamps, b.clientCost} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return b.table.print(os.Stdout)
}

// bench is one run of all measurements.
type bench struct {
	program     binary.Program
	repetitions int
	table       table
}

// home gives a folder of its own to a part of the measurement.
func home(with func(binary.Home) error) error {
	dir, err := os.MkdirTemp("", "llmscen-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return with(binary.Home(dir))
}
