package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/scenarios"
)

// What is asked of the simulated server: as many streams at once as keep two cores busy, but not full.
const (
	streams         = 64
	tokensEach      = 32
	timeToFirst     = 20 * time.Millisecond
	betweenTokens   = 10 * time.Millisecond
	keepSentTimes   = 4 << 20
	requestsOfLoad  = 1500
	promptOfRequest = "Write a short story about two old mills, a small boat and an open field of rye, and let the river carry the boat past all of them."
)

// serve is the simulated server, in a process of its own, so that its work is not taken for the client's. It ends with
// its standard input.
func serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	engine := simulated.New(scenarios.Simulated{
		TimeToFirstToken:  scenarios.Constant(timeToFirst.Seconds()),
		InterTokenLatency: scenarios.Constant(betweenTokens.Seconds()),
	}, simulated.Options{})
	return embedded.Serve(ctx, engine, embedded.ServeOptions{Options: embedded.Options{KeepSentTimes: keepSentTimes}}, os.Stdout)
}

// withServer starts a simulated server and stops it when with returns.
func withServer(ctx context.Context, with func(url string) error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-serve")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the simulated server: %w", err)
	}
	var ready embedded.Report
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err == nil {
		err = with(ready.URL)
	}
	return errors.Join(err, in.Close(), cmd.Wait())
}
