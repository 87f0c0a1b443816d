package exporter

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// scrape asks for the metrics as a Prometheus server does, and parses the answer.
func scrape(t *testing.T, e *Exporter, format expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	server := httptest.NewServer(e.Handler())
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", string(format))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if format.FormatType() == expfmt.TypeTextPlain {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return families
	}
	families := map[string]*dto.MetricFamily{}
	d := expfmt.NewDecoder(resp.Body, expfmt.ResponseFormat(resp.Header))
	for {
		var f dto.MetricFamily
		if err := d.Decode(&f); err == io.EOF {
			return families
		} else if err != nil {
			t.Fatal(err)
		}
		families[f.GetName()] = &f
	}
}

var (
	text     = expfmt.NewFormat(expfmt.TypeTextPlain)
	protobuf = expfmt.NewFormat(expfmt.TypeProtoDelim)
)

// row is a success of five tokens, 10 ms apart, the first after 200 ms.
func row(edit func(*tables.Request)) tables.Request {
	const at = 1_800_000_000_000_000_000
	r := tables.Request{
		Phase: tables.PhaseMeasure, Final: true, IntendedAt: at, DispatchedAt: at + 1e6,
		FirstTokenAt: at + 200e6, LastTokenAt: at + 240e6, DoneAt: at + 250e6,
		TokenDeltaUS: []int32{0, 10_000, 10_000, 10_000, 10_000}, OutputTokens: tables.Some(int32(5)), PromptTokens: tables.Some(int32(50)),
		RequestBytes: 100, ResponseBytes: 1000,
	}
	if edit != nil {
		edit(&r)
	}
	return r
}

func begun(o Options) *Exporter {
	e := New(o)
	e.BeginTrial(Trial{Scenario: "s", Apply: "a", TrialID: "r#1", Run: "r", Runtime: "runtime.x", Model: "m"})
	return e
}

func TestRowsBecomeCountersAndBothKindsOfHistogram(t *testing.T) {
	e := begun(Options{})
	e.ObserveRequests([]tables.Request{
		row(nil), row(nil),
		row(func(r *tables.Request) { r.ErrorKind, r.ErrorText = tables.ErrTotalTimeout, "secret prompt" }),
		row(func(r *tables.Request) { r.Final, r.ErrorKind = false, tables.ErrHTTP429 }),
	})
	families := scrape(t, e, protobuf)
	native := families["llmscen_ttft_seconds"].GetMetric()[1].GetHistogram() // cool_down, measure, warm_up
	if native.GetSampleCount() != 2 || len(native.GetPositiveSpan()) == 0 || len(native.GetBucket()) > 0 {
		t.Errorf("the native histogram is %v", native)
	}
	classic := families["llmscen_ttft_classic_seconds"].GetMetric()[1].GetHistogram()
	if classic.GetSampleCount() != 2 || len(classic.GetBucket()) != classicBuckets {
		t.Errorf("the classic histogram is %v", classic)
	}
	if gaps := families["llmscen_inter_token_seconds"].GetMetric()[1].GetHistogram(); gaps.GetSampleCount() != 8 {
		t.Errorf("there are %d gaps", gaps.GetSampleCount())
	}
	want := `
# HELP llmscen_requests_total Requests that ended, by what came of them: success, or the kind of the error.
# TYPE llmscen_requests_total counter
llmscen_requests_total{model="m",phase="measure",result="success",run="r",runtime="runtime.x"} 2
llmscen_requests_total{model="m",phase="measure",result="total_timeout",run="r",runtime="runtime.x"} 1
`
	if err := testutil.GatherAndCompare(e.registry, strings.NewReader(want), "llmscen_requests_total"); err != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(e.retries.WithLabelValues("r", "runtime.x", "m", "measure")); got != 1 {
		t.Errorf("%v retries", got)
	}
}

func TestAChunkOfSeveralTokensCountsAsTokens(t *testing.T) {
	e := begun(Options{})
	e.ObserveRequests([]tables.Request{row(func(r *tables.Request) {
		r.TokenDeltaUS, r.TokenCounts = []int32{0, 40_000}, []int16{1, 4}
	})})
	h := scrape(t, e, protobuf)["llmscen_inter_token_seconds"].GetMetric()[1].GetHistogram()
	if h.GetSampleCount() != 4 || h.GetSampleSum() < 0.0399 || h.GetSampleSum() > 0.0401 {
		t.Errorf("%d gaps of %v s", h.GetSampleCount(), h.GetSampleSum())
	}
}

func TestNoTextOfRequestsReachesTheMetrics(t *testing.T) {
	e := begun(Options{})
	e.ObserveRequests([]tables.Request{row(func(r *tables.Request) {
		r.ErrorKind, r.ErrorText, r.SessionID, r.PromptSHA256 = tables.ErrInstream, "the prompt was abcdef", "abcdef", "abcdef"
	})})
	for name, f := range scrape(t, e, text) {
		if strings.Contains(f.String(), "abcdef") {
			t.Errorf("%s tells it: %s", name, f)
		}
	}
}

func TestCellsBeyondTheBoundShareOneLabel(t *testing.T) {
	e := New(Options{MaxCells: 3})
	for i := range 50 {
		e.BeginTrial(Trial{Run: fmt.Sprint("r", i)})
		e.ObserveRequests([]tables.Request{row(nil)})
	}
	if n := testutil.CollectAndCount(e.requests); n != 4 {
		t.Errorf("there are %d series of requests", n)
	}
	if n := testutil.CollectAndCount(e.trial); n != 1 {
		t.Errorf("%d trials are under way", n)
	}
}

func TestTheLoadIsAskedAtEachScrape(t *testing.T) {
	live := Live{}
	e := begun(Options{Version: "v1", Live: func() Live { return live }})
	if f := scrape(t, e, text); f["llmscen_target_rate_per_second"] != nil || f["llmscen_in_flight_requests"].GetMetric()[0].GetGauge().GetValue() != 0 {
		t.Error("a load that was not begun has a rate")
	}
	live = Live{Phase: tables.PhaseMeasure, InFlight: 7, TargetRatePerSecond: 20, TrialsPlanned: 3}
	want := `
# HELP llmscen_in_flight_requests Requests on their way.
# TYPE llmscen_in_flight_requests gauge
llmscen_in_flight_requests 7
# HELP llmscen_phase 1 for the phase of the load under way, 0 for the others.
# TYPE llmscen_phase gauge
llmscen_phase{phase="cool_down"} 0
llmscen_phase{phase="measure"} 1
llmscen_phase{phase="warm_up"} 0
# HELP llmscen_target_rate_per_second The rate that the schedule asks for; absent in a closed loop.
# TYPE llmscen_target_rate_per_second gauge
llmscen_target_rate_per_second 20
`
	if err := testutil.GatherAndCompare(e.registry, strings.NewReader(want), "llmscen_in_flight_requests", "llmscen_phase", "llmscen_target_rate_per_second"); err != nil {
		t.Error(err)
	}
}

func TestATrialIsToldWhileItLastsAndCountedWhenItEnds(t *testing.T) {
	e := begun(Options{})
	if f := scrape(t, e, text); f["llmscen_trial_info"] == nil {
		t.Error("the trial is not told")
	}
	e.EndTrial(tables.Trial{Status: tables.StatusCompleted, Validity: tables.Valid, SLO: tables.SLOPass})
	f := scrape(t, e, text)
	if f["llmscen_trial_info"] != nil || f["llmscen_trials_total"].GetMetric()[0].GetCounter().GetValue() != 1 {
		t.Error("the trial has not ended")
	}
}

func TestRowsBeforeTheFirstTrialAreNotCounted(t *testing.T) {
	e := New(Options{})
	e.ObserveRequests([]tables.Request{row(nil)})
	if n := testutil.CollectAndCount(e.requests); n != 0 {
		t.Errorf("there are %d series", n)
	}
}

func TestTheMetricsKeepPrometheusConventions(t *testing.T) {
	e := begun(Options{Version: "v1", Live: func() Live { return Live{TargetUsers: 1, TargetRatePerSecond: 1} }})
	e.ObserveRequests([]tables.Request{row(nil)})
	problems, err := testutil.GatherAndLint(e.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "llmscen_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestManyWritersAndReadersAtOnce(t *testing.T) {
	e := begun(Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				e.ObserveRequests([]tables.Request{row(nil)})
			}
		})
		wg.Go(func() { e.BeginTrial(Trial{Run: "r", Runtime: "runtime.x", Model: "m"}) })
	}
	wg.Wait()
	if got := testutil.ToFloat64(e.requests.WithLabelValues("r", "runtime.x", "m", "measure", "success")); got != 400 {
		t.Errorf("%v requests", got)
	}
}

func BenchmarkObserveRequests(b *testing.B) {
	e := begun(Options{})
	r := row(func(r *tables.Request) {
		r.TokenDeltaUS = make([]int32, 100)
		for i := range r.TokenDeltaUS {
			r.TokenDeltaUS[i] = int32(10_000 + i)
		}
	})
	rows := []tables.Request{r}
	for b.Loop() {
		e.ObserveRequests(rows)
	}
}
