// Package scrape reads what a server tells of itself in Prometheus' text format, while a trial runs, and makes series of
// it: the requests that an engine has under way, its queue, its tokens, as the engine counts them.
//
// A histogram or a summary gives two series, NAME_sum and NAME_count. Times are this process's own, so that the samples
// lie on the clock of the requests. What could not be read is missing: it is never written as zero.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Options say what is scraped, and how often.
type Options struct {
	// TrialID is written into every row.
	TrialID string
	// FirstSeriesID is the ID of the first series; the others follow it. It keeps IDs apart where a trial has several
	// collectors.
	FirstSeriesID int32
	Targets       []Target
	// Every is the time between two scrapes of a target; 0 means 1 s. One that takes longer delays the next.
	Every time.Duration
	// Keep are the names of the metrics to keep; a * in one stands for any characters. Of a histogram the name alone keeps
	// its sum and its count. Empty keeps all.
	Keep []string
	// MaxSeries is how many series there may be; 0 means 2000. Those beyond are dropped, and Note is told.
	MaxSeries int
	// Timeout is how long a scrape may take; 0 means 5 s.
	Timeout time.Duration
	// Transport reaches the targets; nil means plain HTTP.
	Transport http.RoundTripper
	// Note is told, in a sentence, what can't be read; nil drops the sentences. It is called by the goroutine that runs
	// Collect.
	Note func(string)
}

// Target is one server.
type Target struct {
	ID   string
	URL  string // "": it shows no metrics
	Pod  string // "" writes NULL, as for Node
	Node string
}

// Sink takes the rows; a series is written before its first sample. A Sink keeps no slice after it returns.
type Sink interface {
	WriteSeries([]tables.Series) error
	WriteSamples([]tables.Sample) error
}

// maxBytes is how long an answer may be.
const maxBytes = 16 << 20

// Collector scrapes the targets of one trial.
type Collector struct {
	o      Options
	client *http.Client
}

// New returns a collector; nothing is asked before Collect.
func New(o Options) *Collector {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 2000
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{}
	}
	return &Collector{o: o, client: &http.Client{Transport: o.Transport}}
}

// Collect scrapes until ctx ends, scrapes once more, and returns nil. A scrape that fails is no error: Note is told of
// the first of a target, and at the end how many there were. An error is the sink's.
func (c *Collector) Collect(ctx context.Context, sink Sink) error {
	defer c.client.CloseIdleConnections()
	r := newRecorder(c.o)
	scrapes := make([]scraped, 0, len(c.o.Targets))
	for _, t := range c.o.Targets {
		if t.URL == "" {
			c.o.Note(fmt.Sprintf("No metrics are scraped from %s, which shows none that are known of: metrics_path says where, if it does.", t.ID))
			continue
		}
		scrapes = append(scrapes, scraped{Target: t})
	}
	if len(scrapes) == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	for {
		if err := c.round(ctx, r, scrapes, sink); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			// Counters are of use to their end.
			err := c.round(context.WithoutCancel(ctx), r, scrapes, sink)
			for _, s := range scrapes {
				if s.failed > 1 {
					c.o.Note(fmt.Sprintf("%d of %d scrapes of %s failed.", s.failed, s.tried, s.URL))
				}
			}
			return err
		case <-tick.C:
		}
	}
}

// scraped is a target and how its scrapes went.
type scraped struct {
	Target
	tried, failed int

	at       time.Time
	families map[string]*dto.MetricFamily
	err      error
}

// round scrapes each target once, side by side, and writes what they told.
func (c *Collector) round(ctx context.Context, r *recorder, scrapes []scraped, sink Sink) error {
	var all errgroup.Group
	for i := range scrapes {
		s := &scrapes[i]
		all.Go(func() error {
			s.at, s.families, s.err = c.scrape(ctx, s.URL)
			return nil
		})
	}
	_ = all.Wait() // each keeps its own error
	for i := range scrapes {
		s := &scrapes[i]
		if s.err != nil && ctx.Err() != nil {
			continue // it was cut by the end, and there is one more
		}
		s.tried++
		if s.err != nil {
			if s.failed++; s.failed == 1 {
				c.o.Note(fmt.Sprintf("A scrape of %s failed, and has no samples: %v.", s.ID, s.err))
			}
			continue
		}
		r.add(s.Target, s.at, s.families)
	}
	return r.flush(sink)
}

// scrape reads one answer; at is when it had come.
func (c *Collector) scrape(ctx context.Context, url string) (at time.Time, _ map[string]*dto.MetricFamily, _ error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("no answer within %s", c.o.Timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return at, nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer, err := c.client.Do(request)
	if err != nil {
		return at, nil, errors.Join(context.Cause(ctx), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return at, nil, fmt.Errorf("GET %s answered %s", url, answer.Status)
	}
	at = time.Now()
	body := &io.LimitedReader{R: answer.Body, N: maxBytes + 1}
	families, err := parse(body)
	if body.N == 0 {
		err = fmt.Errorf("the answer has more than %d bytes", maxBytes)
	}
	if err != nil {
		return at, nil, fmt.Errorf("reading %s: %w", url, err)
	}
	return at, families, nil
}

func parse(r io.Reader) (map[string]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.UTF8Validation)
	return p.TextToMetricFamilies(r)
}
