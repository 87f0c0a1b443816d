package warehouse

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// figure asks for one number.
func figure(t *testing.T, db DB, query string) float64 {
	t.Helper()
	rows, err := Rows[struct {
		V tables.Null[float64] `col:"v"`
	}](t.Context(), db, "SELECT CAST(("+query+") AS DOUBLE) AS v")
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !rows[0].V.Valid {
		return math.NaN()
	}
	return rows[0].V.V
}

func TestViewsGiveTheNumbersOfASmallSetMadeByHand(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 10, trialRow("capacity#1"))
	db := openDB(t, w)
	for query, want := range map[string]float64{
		"SELECT median(ttft_ns) FROM latencies":                      1e8,
		"SELECT median(ttft_sent_ns) FROM latencies":                 99e6,
		"SELECT median(e2e_ns) FROM latencies":                       2e8,
		"SELECT median(lag_ns) FROM latencies":                       1e6,
		"SELECT median(tpot_ns) FROM latencies":                      1e7,
		"SELECT median(normalized_latency_ns) FROM latencies":        2e7,
		"SELECT median(output_tokens_per_second) FROM latencies":     10 / 0.199,
		"SELECT count(*) FROM tokens":                                100,
		"SELECT max(token) FROM tokens":                              9,
		"SELECT count(*) FROM tokens WHERE gap_ns IS NULL":           10,
		"SELECT max(\"at\") - min(\"at\") FROM tokens WHERE seq = 0": 9e7,
		"SELECT bool_and(r.last_token_at = t.last) FROM requests r JOIN (SELECT seq, max(\"at\") AS last FROM tokens GROUP BY seq) t USING (seq)": 1,
		"SELECT count(*) FROM itl":                                       90,
		"SELECT avg(gap_ns) FROM itl":                                    1e7,
		"SELECT avg(tpot_ns) FROM tpot_as('llmscen')":                    1e7,
		"SELECT avg(tpot_ns) FROM tpot_as('guidellm')":                   (1.9e8 - 1e6) / 10,
		"SELECT avg(tpot_ns) FROM tpot_as('aiperf')":                     1e8 / 9,
		"SELECT avg(tpot_ns) FROM tpot_as('ntpot')":                      (2e8 - 1e6) / 10,
		"SELECT avg(tpot_ns) FROM tpot_as('ollama')":                     math.NaN(),
		"SELECT max(cpu_cores) FROM resources_wide":                      0.5,
		"SELECT max(all_series['cpu_cores']) FROM resources_wide":        0.5,
		"SELECT count(*) FROM resources_wide":                            120,
		"SELECT ttft_p50_seconds FROM trial_summary":                     0.1,
		"SELECT output_tokens FROM efficiency":                           100,
		"SELECT cpu_core_seconds FROM efficiency":                        5,
		"SELECT tokens_per_cpu_core_second FROM efficiency":              20,
		"SELECT network_bytes_per_token FROM efficiency":                 100,
		"SELECT joules FROM efficiency":                                  math.NaN(),
		"SELECT count(*) FROM pareto":                                    1,
		"SELECT count(*) FROM pareto WHERE on_frontier":                  1,
		"SELECT price_per_million_tokens FROM cost":                      0.5 / 3600 / 10 * 1e6,
		"SELECT price_per_million_tokens FROM cheapest":                  0.5 / 3600 / (4 * 10) * 1e6,
		"SELECT trials FROM comparison WHERE metric = 'ttft'":            1,
		"SELECT sum(count) FROM histogram_rollup WHERE metric = 'itl'":   90,
		"SELECT sum(count) FROM histogram_rollup WHERE metric = 'ttft'":  10,
		"SELECT min(low_ns) FROM histogram_rollup WHERE metric = 'ttft'": math.Pow(1.02, math.Floor(math.Log(1e8)/math.Log(1.02))),
	} {
		got := figure(t, db, query)
		if math.Abs(got-want) > 1e-9*math.Abs(want) && !(math.IsNaN(got) && math.IsNaN(want)) || math.IsNaN(got) != math.IsNaN(want) {
			t.Errorf("%s is %v, want %v", query, got, want)
		}
	}
}

func TestACounterThatBeginsAnewGoesOnFromZero(t *testing.T) {
	for name, c := range map[string]struct {
		readings []float64
		grown    float64
	}{
		"steady":               {[]float64{1000, 1100, 1300}, 300},
		"restarted":            {[]float64{1000, 1100, 50, 150}, 250},
		"restarted, and above": {[]float64{1000, 50, 2000}, 2000},
		"read once":            {[]float64{1000}, math.NaN()},
	} {
		w := openTest(t)
		a, err := w.Begin(Apply{ID: "a1", Scenario: "chat"})
		must(t, err)
		row := trialRow("capacity#1")
		tw, err := a.Trial(row)
		must(t, err)
		must(t, tw.WriteRequests([]tables.Request{request(row.TrialID, 0)}))
		must(t, tw.WriteSeries([]tables.Series{{TrialID: row.TrialID, SeriesID: 1, Target: "runtime", Name: "network_receive_bytes_total", Unit: "bytes"}}))
		for i, v := range c.readings {
			must(t, tw.WriteSamples([]tables.Sample{{TrialID: row.TrialID, SeriesID: 1, At: row.MeasureFrom + tables.Instant(i+1)*1e8, Value: v}}))
		}
		must(t, tw.Seal(t.Context(), row, func(ctx context.Context, db *sql.DB, row tables.Trial) (Conclusion, error) {
			j, err := Judge(ctx, db, Evidence{Trial: row})
			return Conclusion{Trial: row, Summaries: j.Summaries}, err
		}))
		must(t, a.Finish())
		db := openDB(t, w)
		for what, query := range map[string]string{
			"the summary": "SELECT (SELECT value FROM summaries WHERE metric = 'runtime_network_receive_bytes' AND stat = 'sum')",
			"the view":    "SELECT network_bytes_per_token * output_tokens FROM efficiency",
		} {
			if got := figure(t, db, query); got != c.grown && !(math.IsNaN(got) && math.IsNaN(c.grown)) {
				t.Errorf("%s: it grew by %v, and %s says %v", name, c.grown, what, got)
			}
		}
	}
}

func TestTokensOfAChunkShareItsTime(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "a1", Scenario: "chat"})
	must(t, err)
	row := trialRow("capacity#1")
	tw, err := a.Trial(row)
	must(t, err)
	r := request(row.TrialID, 0)
	r.TokenDeltaUS, r.TokenCounts, r.ChunkKinds = []int32{0, 10, 30}, []int16{1, 2, 3}, []int8{1, 0, 0}
	must(t, tw.WriteRequests([]tables.Request{r}))
	must(t, tw.Seal(t.Context(), row, nil))
	must(t, a.Finish())
	type token struct {
		Token int64                `col:"token"`
		Chunk int64                `col:"chunk"`
		Kind  string               `col:"kind"`
		At    int64                `col:"since"`
		GapNS tables.Null[float64] `col:"gap_ns"`
	}
	got, err := Rows[token](t.Context(), openDB(t, w),
		`SELECT token, chunk, kind, "at" - 1100000000 AS since, gap_ns FROM tokens ORDER BY token`)
	must(t, err)
	want := []token{
		{0, 0, "reasoning", 0, tables.Null[float64]{}},
		{1, 1, "answer", 10_000, tables.Some(5000.0)}, {2, 1, "answer", 10_000, tables.Some(5000.0)},
		{3, 2, "answer", 40_000, tables.Some(10_000.0)}, {4, 2, "answer", 40_000, tables.Some(10_000.0)}, {5, 2, "answer", 40_000, tables.Some(10_000.0)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("tokens are\n%v, want\n%v", got, want)
	}
}

func TestRequestsAreJoinedWithTheResourcesOfTheirTarget(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	rows, err := Rows[tables.RequestResource](t.Context(), openDB(t, w), "SELECT * FROM request_resources WHERE seq = 1 ORDER BY name, \"window\"")
	must(t, err)
	if len(rows) != 6 {
		t.Fatalf("%d rows, want one for each of 3 windows and 2 series: %+v", len(rows), rows)
	}
	for _, r := range rows {
		want := 0.5
		if r.Name != "cpu_cores" {
			want = 1000 // bytes a second: the counter grows by 100 every 100 ms
		}
		if math.Abs(r.Mean.V-want) > 1e-9 || math.Abs(r.Max.V-want) > 1e-9 || r.ResolutionNS != tables.Some(int64(1e8)) || r.Samples == 0 {
			t.Errorf("%+v, want mean and maximum %v", r, want)
		}
	}
	if rows[0].Unit != "cores" || rows[5].Unit != "bytes/s" {
		t.Errorf("units are %q and %q", rows[0].Unit, rows[5].Unit)
	}
}

func TestEveryViewTellsWhatItGives(t *testing.T) {
	for _, v := range Views() {
		if !strings.Contains(v.SQL, v.Name) || len(strings.Split(v.Comment, "\n")) < 2 {
			t.Errorf("%s: the comment is %q", v.Name, v.Comment)
		}
	}
}
