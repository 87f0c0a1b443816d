package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// server answers scrapes in this process, so that time may be virtual.
type server struct {
	answers []string // the first one first, the last one for ever; "" is a refusal
	asked   int
	at      []time.Duration
	began   time.Time
}

func (s *server) RoundTrip(*http.Request) (*http.Response, error) {
	if s.asked == 0 {
		s.began = time.Now()
	}
	s.at = append(s.at, time.Since(s.began))
	body := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	status := http.StatusOK
	if body == "" {
		status = http.StatusServiceUnavailable
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Body: io.NopCloser(strings.NewReader(body))}, nil
}

// rows keeps what is written.
type rows struct {
	series  []tables.Series
	samples []tables.Sample
	err     error
}

func (r *rows) WriteSeries(s []tables.Series) error { r.series = append(r.series, s...); return r.err }
func (r *rows) WriteSamples(s []tables.Sample) error {
	r.samples = append(r.samples, s...)
	return r.err
}

// values are the samples of a series by its name.
func (r *rows) values(name string) []float64 {
	var all []float64
	for _, s := range r.series {
		if s.Name != name {
			continue
		}
		for _, v := range r.samples {
			if v.SeriesID == s.SeriesID {
				all = append(all, v.Value)
			}
		}
	}
	return all
}

func collect(t *testing.T, o Options, s *server, length time.Duration) (*rows, []string) {
	t.Helper()
	var notes []string
	o.Note = func(n string) { notes = append(notes, n) }
	o.Transport = s
	if o.Targets == nil {
		o.Targets = []Target{{ID: "t-0", URL: "http://server/metrics", Node: "here"}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	r := &rows{}
	if err := New(o).Collect(ctx, r); err != nil {
		t.Fatal(err)
	}
	return r, notes
}

func recorded(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "llamacpp.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheMetricsOfLlamacppBecomeSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answers: []string{recorded(t)}}
		r, notes := collect(t, Options{TrialID: "r#1", FirstSeriesID: 10, Keep: []string{"llamacpp:prompt_*", "llamacpp:requests_processing"}}, s, 2500*time.Millisecond)
		if len(notes) > 0 {
			t.Errorf("noted %q", notes)
		}
		// At the beginning, after one and two seconds, and at the end.
		if want := []time.Duration{0, time.Second, 2 * time.Second, 2500 * time.Millisecond}; !slices.Equal(s.at, want) {
			t.Errorf("scraped at %v, want %v", s.at, want)
		}
		var got []string
		for i, x := range r.series {
			got = append(got, x.Name+" "+x.Unit)
			if x.TrialID != "r#1" || x.SeriesID != int32(10+i) || x.Collector != "scrape" || x.Target != "runtime" || x.TargetID != "t-0" || x.Node != "here" {
				t.Errorf("%+v", x)
			}
		}
		want := []string{
			"llamacpp:prompt_seconds_total seconds", "llamacpp:prompt_tokens_cached_total count", "llamacpp:prompt_tokens_seconds tokens_per_second",
			"llamacpp:prompt_tokens_total count", "llamacpp:requests_processing count",
		}
		if !slices.Equal(got, want) {
			t.Errorf("series %q, want %q", got, want)
		}
		if got := r.values("llamacpp:prompt_tokens_total"); !slices.Equal(got, []float64{72, 72, 72, 72}) {
			t.Errorf("values %v", got)
		}
		if got := time.Duration(r.samples[len(r.samples)-1].At - r.samples[0].At); got != 2500*time.Millisecond {
			t.Errorf("the samples span %s", got)
		}
	})
}

func TestHistogramsSummariesAndLabelsBecomeSeriesOfTheirOwn(t *testing.T) {
	text := `# TYPE lat_seconds histogram
lat_seconds_bucket{le="1"} 3
lat_seconds_bucket{le="+Inf"} 4
lat_seconds_sum 2.5
lat_seconds_count 4
# TYPE rpc summary
rpc{quantile="0.5"} 7
rpc_sum 9
rpc_count 2
# TYPE up gauge
up{model="b"} 1
up{model="a"} NaN
plain_bytes 5
`
	synctest.Test(t, func(t *testing.T) {
		r, _ := collect(t, Options{}, &server{answers: []string{text}}, time.Millisecond)
		var got []string
		for _, x := range r.series {
			got = append(got, fmt.Sprint(x.Name, " ", x.Unit, " ", x.Labels, " ", r.values(x.Name)[0]))
		}
		want := []string{
			"lat_seconds_sum seconds map[] 2.5", "lat_seconds_count count map[] 4", "plain_bytes bytes map[] 5",
			"rpc_sum count map[] 9", "rpc_count count map[] 2", "up count map[model:b] 1",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

func TestAScrapeThatFailsIsToldOnceAndCountedAndNeverZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answers: []string{"a 1\n", "", "", "this is { no metric", "a 2\n"}}
		r, notes := collect(t, Options{}, s, 4500*time.Millisecond)
		if got := r.values("a"); !slices.Equal(got, []float64{1, 2, 2}) {
			t.Errorf("values %v", got)
		}
		want := []string{
			"A scrape of t-0 failed, and has no samples: GET http://server/metrics answered 503 Service Unavailable.",
			"3 of 6 scrapes of http://server/metrics failed.",
		}
		if !slices.Equal(notes, want) {
			t.Errorf("noted %q, want %q", notes, want)
		}
	})
}

func TestAServerWithoutMetricsIsToldAndNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answers: []string{"a 1\n"}}
		r, notes := collect(t, Options{Targets: []Target{{ID: "silent"}}}, s, time.Minute)
		if s.asked != 0 || len(r.series) > 0 || len(notes) != 1 || !strings.HasPrefix(notes[0], "No metrics are scraped from silent") {
			t.Errorf("asked %d times, %d series, noted %q", s.asked, len(r.series), notes)
		}
	})
}

func TestAFloodOfSeriesIsCutAndTold(t *testing.T) {
	var b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&b, "a{request=\"%d\"} 1\n", i)
	}
	synctest.Test(t, func(t *testing.T) {
		r, notes := collect(t, Options{MaxSeries: 20}, &server{answers: []string{b.String()}}, 3*time.Second)
		if len(r.series) != 20 || len(notes) != 1 || !strings.HasPrefix(notes[0], "More than 20 series were scraped") {
			t.Errorf("%d series, noted %q", len(r.series), notes)
		}
	})
}

func TestAnErrorOfTheSinkEndsTheCollection(t *testing.T) {
	full := errors.New("no space left")
	c := New(Options{Targets: []Target{{ID: "t", URL: "http://server/metrics"}}, Transport: &server{answers: []string{"a 1\n"}}})
	if err := c.Collect(t.Context(), &rows{err: full}); !errors.Is(err, full) {
		t.Error(err)
	}
}

func TestKeepTakesNamesOfFamiliesAndOfCountersWithoutTheirTotal(t *testing.T) {
	for _, c := range []struct {
		keep, family, name string
		want               bool
	}{
		{"lat", "lat", "lat_sum", true},
		{"lat_sum", "lat", "lat_sum", true},
		{"lat_sum", "lat", "lat_count", false},
		{"vllm:prompt_tokens", "vllm:prompt_tokens_total", "vllm:prompt_tokens_total", true},
		{"vllm:*_tokens*", "vllm:prompt_tokens_total", "vllm:prompt_tokens_total", true},
		{"prompt", "prompt_tokens", "prompt_tokens", false},
		{"[", "a", "a", false},
	} {
		if got := newRecorder(Options{Keep: []string{c.keep}}).keeps(c.family, c.name); got != c.want {
			t.Errorf("%q keeps %s: %t", c.keep, c.name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "llamacpp.txt"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("# TYPE a histogram\na_bucket{le=\"1\"} 3\na_sum NaN\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		families, err := parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		r := newRecorder(New(Options{}).o)
		r.add(Target{ID: "t"}, time.Unix(0, 1), families)
		for _, s := range r.samples {
			if s.Value != s.Value {
				t.Errorf("a sample is no number: %+v", s)
			}
		}
	})
}
