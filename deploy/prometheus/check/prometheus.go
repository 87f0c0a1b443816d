package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a Prometheus that this check has started.
type server struct {
	native bool // it keeps native histograms
	url    string
	cmd    *exec.Cmd
	log    bytes.Buffer // whole once it has ended
}

// startPrometheus starts a Prometheus with a configuration on a free port; it ends with ctx.
func startPrometheus(ctx context.Context, binary, dir, config string, native bool) (*server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{native: native, url: "http://" + address}
	dir = filepath.Join(dir, s.String())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	args := []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}
	if native {
		args = append(args, "--enable-feature=native-histograms")
	}
	s.cmd = exec.CommandContext(ctx, binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting Prometheus: %w", err)
	}
	return s, nil
}

func (s *server) String() string {
	if s.native {
		return "native"
	}
	return "classic"
}

// freeAddress is an address that nothing listened on a moment ago: Prometheus does not tell which port it took for 0.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// sample is one series of an instant query's answer.
type sample struct {
	labels map[string]string
	value  float64
}

// query asks for the present values of an expression; histograms themselves, which have none, are left out.
func (s *server) query(ctx context.Context, expression string) ([]sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/query?query="+url.QueryEscape(expression), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking Prometheus: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  []any // the time and, as text, the value
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading Prometheus' answer: %w", err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("asking Prometheus for %s: %s", expression, answer.Error)
	}
	var samples []sample
	for _, r := range answer.Data.Result {
		if len(r.Value) != 2 {
			continue
		}
		v, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("reading Prometheus' answer: %w", err)
		}
		samples = append(samples, sample{r.Metric, v})
	}
	return samples, nil
}

// await asks until the expression has a value.
func (s *server) await(ctx context.Context, expression string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		samples, err := s.query(ctx, expression) // it refuses connections while it starts
		if err == nil && len(samples) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for Prometheus to have %s: %w (%v)", expression, ctx.Err(), err)
		case <-again.C:
		}
	}
}

// families are the metrics of llmscen that a scrape sees, by name with their type.
func families(ctx context.Context, address string) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scraping: %w", err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		return nil, fmt.Errorf("scraping: %w", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(text.String()) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "#" && f[1] == "TYPE" && strings.HasPrefix(f[2], "llmscen_") {
			found[f[2]] = f[3]
		}
	}
	return found, nil
}
