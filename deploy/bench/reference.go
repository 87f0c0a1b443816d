package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cost is what a client's load took.
type cost struct {
	Requests   int
	CPUSeconds float64
}

func (c cost) perThousand() float64 { return c.CPUSeconds * 1000 / float64(c.Requests) }

// reference is the least that a client must do, by net/http alone, in a process of its own: ask, read the stream line
// by line, and look at the clock for each. It prints its cost.
func reference(ctx context.Context, url string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: streams, DisableCompression: true}
	defer transport.CloseIdleConnections()
	body, err := json.Marshal(map[string]any{
		"model": "simulated", "stream": true, "stream_options": map[string]bool{"include_usage": true}, "max_tokens": tokensEach,
		"messages": []map[string]string{{"role": "user", "content": promptOfRequest}},
	})
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(requestsOfLoad)
	failed := make(chan error, streams)
	before := cpuTime()
	var all sync.WaitGroup
	for range streams {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := askOnce(ctx, transport, url+"/v1/chat/completions", body); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	used := cpuTime() - before
	close(failed)
	if err := <-failed; err != nil {
		return fmt.Errorf("asking the simulated server: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(cost{requestsOfLoad, used.Seconds()})
}

// askOnce asks and notes when each token came.
func askOnce(ctx context.Context, transport *http.Transport, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	times := make([]time.Time, 0, tokensEach)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if bytes.HasPrefix(lines.Bytes(), []byte("data: {")) {
			times = append(times, time.Now())
		}
	}
	if len(times) < tokensEach {
		return errors.New("an answer is too short")
	}
	return nil
}

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of a constant that Linux knows
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// runReference runs the reference in its process.
func runReference(ctx context.Context, url string) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, self, "-reference", url)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("running the reference client: %w", err)
	}
	return c, json.Unmarshal(out, &c)
}
