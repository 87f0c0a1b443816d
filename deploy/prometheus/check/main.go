// Command check holds what an apply exports against a real Prometheus and against the warehouse: each llmscen_* metric
// has data, and the counts, sums and medians of a run's classic and native histograms are those of its rows.
//
//	check -llmscen bin/llmscen -prometheus /usr/bin/prometheus -config deploy/prometheus/prometheus.yml
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/llmscen/llmscen/deploy/binary"
)

//go:embed check.scen.hcl
var scenario string

// sampleAddress is what prometheus.yml scrapes, before the check puts the apply's own address in its place.
const sampleAddress = "127.0.0.1:9464"

func main() {
	llmscen := flag.String("llmscen", "bin/llmscen", "the program")
	prometheus := flag.String("prometheus", "prometheus", "the Prometheus server")
	config := flag.String("config", "deploy/prometheus/prometheus.yml", "its configuration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	wrong, err := check(ctx, *llmscen, *prometheus, *config)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
	}
	if err != nil || wrong > 0 {
		os.Exit(1)
	}
}

// check tells each figure and returns how many are wrong.
func check(ctx context.Context, llmscen, prometheus, config string) (wrong int, err error) {
	llmscen, err = filepath.Abs(llmscen)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "llmscen-prometheus-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	program, home := binary.Program(llmscen), binary.Home(dir)
	seen, err := observe(ctx, program, home, prometheus, config)
	if err != nil {
		return 0, err
	}
	for _, s := range seen {
		n, err := s.judge(ctx, program, home)
		if err != nil {
			return wrong, err
		}
		wrong += n
	}
	return wrong, nil
}

// observation is what one Prometheus knew of the run that had ended.
type observation struct {
	server  *server
	figures []figure
	values  []map[string]float64 // of each figure, by key
	empty   []string             // metrics without data
	metrics int
}

// observe applies the scenario, scraped by a Prometheus that keeps native histograms and by one that does not, until
// both have all of the first run.
func observe(ctx context.Context, program binary.Program, home binary.Home, prometheus, config string) ([]observation, error) {
	sample, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(sample), sampleAddress) {
		return nil, fmt.Errorf("%s does not scrape %s", config, sampleAddress)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	apply, err := program.Apply(ctx, home, scenario)
	if err != nil {
		return nil, err
	}
	defer func() { cancel(); _ = apply.Wait() }()
	begun, err := apply.Await(func(e binary.Event) bool { return e.Type == "apply_started" })
	if err != nil {
		return nil, err
	}
	metrics := begun.Detail
	address := strings.TrimSuffix(strings.TrimPrefix(metrics, "http://"), "/metrics")
	scraping := strings.ReplaceAll(string(sample), sampleAddress, address)
	var servers []*server
	for _, native := range []bool{false, true} {
		s, err := startPrometheus(ctx, prometheus, string(home), scraping, native)
		if err != nil {
			return nil, err
		}
		defer func() { cancel(); _ = s.cmd.Wait() }()
		servers = append(servers, s)
	}
	if _, err := apply.Await(func(e binary.Event) bool { return e.Type == "trial_started" && e.Index == 1 }); err != nil {
		return nil, err
	}
	var seen []observation
	for _, s := range servers {
		// Once it has scraped the second trial's load it knows all of the first.
		if err := s.await(ctx, `llmscen_trial_info{run="while_scraped"} and on() llmscen_target_rate_per_second == 5`); err != nil {
			return nil, err
		}
		o, err := s.observe(ctx, metrics)
		if err != nil {
			return nil, err
		}
		seen = append(seen, o)
	}
	if err := apply.Signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	return seen, apply.Wait()
}

// observe takes all figures from a server.
func (s *server) observe(ctx context.Context, metrics string) (observation, error) {
	o := observation{server: s, figures: figuresOf(s.native)}
	for _, f := range o.figures {
		samples, err := s.query(ctx, f.promQL)
		if err != nil {
			return o, err
		}
		values := map[string]float64{}
		for _, v := range samples {
			key, joined := v.labels["key"]
			if !joined {
				key = v.labels["phase"]
			}
			values[key] = v.value
		}
		o.values = append(o.values, values)
	}
	exported, err := families(ctx, metrics)
	if err != nil {
		return o, err
	}
	o.metrics = len(exported)
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		series := name
		if exported[name] == "histogram" && (!s.native || strings.Contains(name, "_classic_")) {
			series += "_count"
		}
		// At this moment a gauge may be between two trials: what counts is that it was scraped.
		samples, err := s.query(ctx, "count(last_over_time("+series+"[5m]))")
		if err != nil {
			return o, err
		}
		if len(samples) == 0 {
			o.empty = append(o.empty, series)
		}
	}
	return o, nil
}

// judge holds an observation against the warehouse, tells the result, and returns how many figures are wrong.
func (o observation) judge(ctx context.Context, program binary.Program, home binary.Home) (wrong int, err error) {
	var answer []struct {
		Figure int
		Key    string
		Value  float64
	}
	if err := program.Query(ctx, home, statement(o.figures), &answer); err != nil {
		return 0, err
	}
	warehouse := make([]map[string]float64, len(o.figures))
	for i := range warehouse {
		warehouse[i] = map[string]float64{}
	}
	for _, a := range answer {
		warehouse[a.Figure][a.Key] = a.Value
	}
	fmt.Printf("A Prometheus with %s histograms:\n", o.server)
	for i, f := range o.figures {
		if difference := f.compare(o.values[i], warehouse[i]); difference != "" {
			fmt.Printf("  wrong: %s, %s\n", f.name, difference)
			wrong++
		}
	}
	for _, name := range o.empty {
		fmt.Printf("  wrong: %s has no data\n", name)
	}
	fmt.Printf("  %d of %d figures are those of the warehouse, %d of %d metrics have data\n",
		len(o.figures)-wrong, len(o.figures), o.metrics-len(o.empty), o.metrics)
	return wrong + len(o.empty), nil
}
