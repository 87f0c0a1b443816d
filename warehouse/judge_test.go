package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func (m made) judge(t *testing.T, edit func(*Evidence, *sql.DB)) Judgement {
	t.Helper()
	db := trialDB(t)
	requests, arrivals := m.rows()
	insert(t, db, "a", requests...)
	if !m.noSchedule {
		insert(t, db, "a", arrivals...)
	}
	e := m.evidence()
	if edit != nil {
		edit(&e, db)
	}
	j, err := Judge(t.Context(), db, e)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (j Judgement) summary(t *testing.T, metric, stat string) tables.Summary {
	t.Helper()
	for _, s := range j.Summaries {
		if s.Metric == metric && s.Stat == stat && !s.Stage.Valid {
			return s
		}
	}
	t.Fatalf("there is no %s %s", metric, stat)
	return tables.Summary{}
}

func wantNear(t *testing.T, what string, got tables.Null[float64], want, tolerance float64) {
	t.Helper()
	if !got.Valid || math.Abs(got.V-want) > tolerance {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, tolerance)
	}
}

func TestASteadyTrialIsValidAndItsFiguresAreThoseOfItsRows(t *testing.T) {
	j := steady.judge(t, func(e *Evidence, db *sql.DB) {
		sample(t, db, 1, "runtime", "cpu_cores", 1.5, 1.7)
		sample(t, db, 2, "client", "cpu_cores", 0.2, 0.3)
		sample(t, db, 3, "client", "cpu_limit_cores", 2)
	})
	if j.Validity != tables.Valid || len(j.Reasons) != 0 {
		t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
	}
	wantNear(t, "ttft p50", j.summary(t, "ttft", "p50").Value, 0.2, 0.01)
	p99 := j.summary(t, "ttft", "p99")
	wantNear(t, "ttft p99", p99.Value, 0.2*math.Exp(0.2*2.326), 0.05)
	if p99.Method != "order_statistics" || p99.CILow.V > p99.Value.V || p99.CIHigh.V < p99.Value.V {
		t.Errorf("the interval of p99 is %v–%v by %q", p99.CILow, p99.CIHigh, p99.Method)
	}
	wantNear(t, "inter_token p50", j.summary(t, "inter_token", "p50").Value, 0.01005, 0.0001)
	wantNear(t, "tpot mean", j.summary(t, "tpot", "mean").Value, 0.01005, 0.0001)
	wantNear(t, "requests sent", j.summary(t, "requests_per_second", "sent").Value, 20, 0.1)
	// 20 requests a second of 20 tokens, less what came after the window.
	wantNear(t, "system tokens", j.summary(t, "output_tokens_per_second", "system").Value, 400, 10)
	wantNear(t, "errors", j.summary(t, "errors", "ratio").Value, 0, 0)
	wantNear(t, "runtime cpu", j.summary(t, "runtime_cpu_cores", "mean").Value, 1.6, 1e-9)
	wantNear(t, "runtime cpu", j.summary(t, "runtime_cpu_cores", "max").Value, 1.7, 1e-9)
	if p999 := j.summary(t, "ttft", "p999"); p999.Value.Valid || p999.Method != methodBelowFloor {
		t.Errorf("p99.9 of 600 is %v by %q", p999.Value, p999.Method)
	}
	if len(j.Stages) != 1 || j.Stages[0].Outcome != tables.OutcomeHeld {
		t.Errorf("the stages are %+v", j.Stages)
	}
	wantNear(t, "achieved rate", j.Stages[0].AchievedRatePerSecond, 20, 0.1)
}

// sample writes a series with its values, spread over the measured window of steady.
func sample(t *testing.T, db *sql.DB, id int32, target, name string, values ...float64) {
	t.Helper()
	insert(t, db, "a", tables.Series{TrialID: "r#1", SeriesID: id, Target: target, Name: name, Labels: map[string]string{}})
	for i, v := range values {
		insert(t, db, "a", tables.Sample{TrialID: "r#1", SeriesID: id, At: epoch + tables.Instant(i+1)*1000*ms, Value: v})
	}
}

func TestEachRuleSpeaksWhenItsLimitIsPassed(t *testing.T) {
	late := func(by tables.Instant) func(int, *tables.Request) {
		return func(i int, r *tables.Request) {
			if i%50 == 0 {
				r.DispatchedAt = r.IntendedAt + by
			}
		}
	}
	for _, c := range []struct {
		rule     string
		validity tables.Validity
		edit     func(i int, r *tables.Request)
		evidence func(e *Evidence, db *sql.DB)
	}{
		{rule: "schedule_lag", validity: tables.Flagged, edit: late(10 * ms)},
		{rule: "schedule_lag", validity: tables.Invalid, edit: late(60 * ms)},
		{rule: "schedule_lag_shared", validity: tables.Flagged, edit: late(20 * ms), evidence: func(e *Evidence, _ *sql.DB) { e.SharedHost = true }},
		{rule: "schedule_lag_shared", validity: tables.Invalid, edit: late(60 * ms), evidence: func(e *Evidence, _ *sql.DB) { e.SharedHost = true }},
		{rule: "achieved_rate", validity: tables.Invalid, edit: func(i int, r *tables.Request) { // a client at nine tenths of the rate
			r.DispatchedAt = r.IntendedAt + tables.Instant(i)*5*ms
		}},
		{rule: "client_saturated", validity: tables.Flagged, edit: func(i int, r *tables.Request) {
			if i == 7 {
				*r = unsent(*r, tables.ErrClientSaturated)
			}
		}},
		{rule: "prompts_truncated", validity: tables.Invalid, edit: func(i int, r *tables.Request) {
			r.PromptTruncated = tables.Some(i%10 == 0)
		}},
		{rule: "coalesced_chunks", validity: tables.Flagged, edit: func(_ int, r *tables.Request) { r.CoalescedChunks = 4 }},
		{rule: "rows_missing", validity: tables.Invalid, evidence: func(_ *Evidence, db *sql.DB) {
			insert(t, db, "a", tables.Arrival{TrialID: "r#1", Seq: 9999})
		}},
		{rule: "workers_lost", validity: tables.Invalid, evidence: func(e *Evidence, _ *sql.DB) { e.WorkersLost = 1 }},
		{rule: "runtime_died", validity: tables.Flagged, evidence: func(e *Evidence, _ *sql.DB) { e.RuntimeDied = "it was killed by signal 9" }},
		{rule: "client_cpu", validity: tables.Invalid, evidence: func(_ *Evidence, db *sql.DB) {
			sample(t, db, 1, "client", "cpu_cores", 1.9, 1.9)
			insert(t, db, "a", tables.Series{TrialID: "r#1", SeriesID: 2, Target: "client", Name: "cpu_limit_cores", Labels: map[string]string{}})
			insert(t, db, "a", tables.Sample{TrialID: "r#1", SeriesID: 2, At: epoch - 5000*ms, Value: 2}) // before the window
		}},
		{rule: "client_throttled", validity: tables.Flagged, evidence: func(_ *Evidence, db *sql.DB) {
			sample(t, db, 1, "client", "throttled_ratio", 0.04, 0)
		}},
		{rule: "client_sched_latency", validity: tables.Invalid, evidence: func(_ *Evidence, db *sql.DB) {
			sample(t, db, 1, "client", "client_sched_latency_p99_seconds", 0.02)
		}},
		{rule: "host_contention", validity: tables.Invalid, evidence: func(_ *Evidence, db *sql.DB) {
			sample(t, db, 1, "node", "psi_cpu_some_ratio", 0.5)
		}},
		{rule: "host_contention_shared", validity: tables.Flagged, evidence: func(e *Evidence, db *sql.DB) {
			e.SharedHost = true
			sample(t, db, 1, "node", "psi_cpu_some_ratio", 0.5)
		}},
		{rule: "cache_intent", validity: tables.Invalid, edit: func(_ int, r *tables.Request) { r.CachedPromptTokens = tables.Some(int32(40)) },
			evidence: func(e *Evidence, _ *sql.DB) { e.CachedRatio = tables.Some(0.0) }},
	} {
		t.Run(c.rule+" "+string(c.validity), func(t *testing.T) {
			m := steady
			m.requests, m.tokens, m.edit = 400, 10, c.edit
			j := m.judge(t, c.evidence)
			if j.Validity != c.validity || !strings.Contains("\n"+strings.Join(j.Reasons, "\n"), "\n"+c.rule+": ") {
				t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
			}
		})
	}
}

func TestAFewMillisecondsOfLagAreNoFlawWhereTheRuntimeSharesTheMachine(t *testing.T) {
	m := steady
	m.edit = func(i int, r *tables.Request) {
		if i%50 == 0 {
			r.DispatchedAt = r.IntendedAt + 4*ms
		}
	}
	if j := m.judge(t, func(e *Evidence, _ *sql.DB) { e.SharedHost = true }); j.Validity != tables.Valid {
		t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
	}
}

// unsent is a request that never left.
func unsent(r tables.Request, kind tables.ErrorKind) tables.Request {
	return tables.Request{TrialID: r.TrialID, Stage: r.Stage, Seq: r.Seq, Final: true, Phase: r.Phase, IntendedAt: r.IntendedAt, ErrorKind: kind}
}

func TestWhatTheServerDoesWrongIsAFindingAndNeverInvalid(t *testing.T) {
	m := steady
	m.edit = func(i int, r *tables.Request) {
		switch {
		case i%4 == 0:
			*r = unsent(*r, tables.ErrNotSentCap)
		case i%4 == 1:
			r.ErrorKind, r.FirstTokenAt, r.LastTokenAt, r.TokenDeltaUS = tables.ErrTotalTimeout, 0, 0, nil
		}
	}
	j := m.judge(t, func(e *Evidence, _ *sql.DB) { e.SLO = slo("ttft", "p99", 10, "seconds") })
	if j.Validity != tables.Valid {
		t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
	}
	if j.SLO != tables.SLOFail {
		t.Errorf("half of the requests failed, and the objective is %s", j.SLO)
	}
	if j.Stages[0].Outcome != tables.OutcomeOverloaded {
		t.Errorf("the stage %s", j.Stages[0].Outcome)
	}
	wantNear(t, "errors", j.summary(t, "errors", "ratio").Value, 0.5, 1e-9)
	wantNear(t, "not sent", j.summary(t, "requests", "not_sent").Value, 150, 0)
	wantNear(t, "timeouts", j.summary(t, "errors", "total_timeout").Value, 150, 0)
}

func slo(metric, stat string, limit float64, unit string) *scenarios.SLO {
	return &scenarios.SLO{Objectives: []scenarios.Objective{{Metric: metric, Stat: stat, Limit: limit, Unit: unit}}}
}

func TestAnObjectiveIsMetMissedOrUndecided(t *testing.T) {
	for _, c := range []struct {
		metric, stat string
		limit        float64
		requests     int
		want         tables.SLOState
	}{
		{"ttft", "p50", 1, 600, tables.SLOPass},
		{"ttft", "p50", 0.1, 600, tables.SLOFail},
		{"ttft", "p50", 0.2, 600, tables.SLOIndeterminate}, // the interval holds the limit
		{"ttft", "p99", 1, 600, tables.SLOPass},
		{"ttft", "p99", 1, 100, tables.SLOIndeterminate}, // below the floor, and 100 of 100 don't prove 99 %
		{"ttft", "p99", 0.1, 100, tables.SLOFail},        // below the floor, and yet clear
		{"ttft", "max", 1, 100, tables.SLOPass},
		{"end_to_end", "p90", 1, 600, tables.SLOPass},
		{"inter_token", "p99", 0.02, 600, tables.SLOPass},
		{"inter_token", "p50", 0.005, 600, tables.SLOFail},
		{"errors", "max_ratio", 0, 100, tables.SLOPass},
		{"goodput", "min_ratio", 0.9, 600, tables.SLOIndeterminate}, // nothing says what is good
		{"output_tokens_per_second", "min_per_second", 300, 600, tables.SLOPass},
		{"output_tokens_per_second", "min_per_second", 500, 600, tables.SLOFail},
		{"output_tokens_per_second", "p99", 20, 600, tables.SLOPass}, // nearly every request has at least 20
		{"output_tokens_per_second", "p50", 90, 600, tables.SLOFail},
	} {
		t.Run(fmt.Sprintf("%s %s %v of %d", c.metric, c.stat, c.limit, c.requests), func(t *testing.T) {
			m := steady
			m.requests = c.requests
			j := m.judge(t, func(e *Evidence, _ *sql.DB) { e.SLO = slo(c.metric, c.stat, c.limit, "") })
			if j.SLO != c.want {
				t.Errorf("it is %s: %+v", j.SLO, j.Verdicts)
			}
		})
	}
}

func TestGoodputCountsRequestsThatKeepEveryLimit(t *testing.T) {
	m := steady
	m.edit = func(i int, r *tables.Request) {
		if i%10 == 0 {
			r.TokenDeltaUS[5] += 400_000 // one stall
			r.LastTokenAt += 400 * ms
			r.DoneAt += 400 * ms
		}
	}
	j := m.judge(t, func(e *Evidence, _ *sql.DB) {
		e.SLO = &scenarios.SLO{Objectives: []scenarios.Objective{
			{Metric: "ttft", Stat: "p99", Limit: 1}, {Metric: "inter_token", Stat: "max", Limit: 0.1},
			{Metric: "goodput", Stat: "min_ratio", Limit: 0.8},
		}}
	})
	wantNear(t, "goodput", j.summary(t, "goodput", "ratio").Value, 0.9, 1e-9)
	wantNear(t, "attainment", j.Stages[0].Attainment, 0.9, 1e-9)
	if v := j.Verdicts[2]; !v.Met.V || !v.Met.Valid {
		t.Errorf("the verdict is %+v", v)
	}
	if j.SLO != tables.SLOFail || j.BindingObjective != "inter_token max" {
		t.Errorf("%s, bound by %q", j.SLO, j.BindingObjective)
	}
}

func TestStagesAreJudgedByThemselves(t *testing.T) {
	m := steady
	m.edit = func(i int, r *tables.Request) {
		if i >= 300 {
			r.Stage = 1
			*r = shifted(*r, tables.Instant(i-300)*100*ms) // each waits for all before it
		}
	}
	half := epoch + 300*50*ms
	j := m.judge(t, func(e *Evidence, _ *sql.DB) {
		e.SLO = slo("ttft", "p90", 1, "seconds")
		e.Stages = []tables.Stage{{Stage: 0, FromAt: epoch, UntilAt: half}, {Stage: 1, FromAt: half, UntilAt: e.Trial.MeasureUntil}, {Stage: 2}}
	})
	if got := [3]string{j.Stages[0].Outcome, j.Stages[1].Outcome, j.Stages[2].Outcome}; got != [3]string{tables.OutcomeHeld, tables.OutcomeOverloaded, ""} {
		t.Errorf("the stages are %v", got)
	}
	if len(j.Verdicts) != 3 || j.Verdicts[1].Stage != tables.Some(int32(0)) || !j.Verdicts[1].Met.V || j.Verdicts[2].Met.V {
		t.Errorf("the verdicts are %+v", j.Verdicts)
	}
	if j.Validity != tables.Valid {
		t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
	}
}

// shifted is a request whose answer came later.
func shifted(r tables.Request, by tables.Instant) tables.Request {
	r.HeadersAt += by
	r.FirstChunkAt += by
	r.FirstTokenAt += by
	r.FirstAnswerTokenAt += by
	r.LastTokenAt += by
	r.DoneAt += by
	return r
}

func TestChunksOfSeveralTokensCountAsTokens(t *testing.T) {
	m := made{requests: 100, gap: 50 * time.Millisecond, ttft: 100 * time.Millisecond, tokens: 11, tokenGap: 10 * time.Millisecond}
	m.edit = func(_ int, r *tables.Request) {
		r.TokenDeltaUS = []int32{0, 40_000, 60_000}
		r.TokenCounts = []int16{1, 4, 6}
	}
	j := m.judge(t, nil)
	if s := j.summary(t, "inter_token", "p50"); s.N != 1000 {
		t.Errorf("there are %d gaps", s.N)
	}
	wantNear(t, "inter_token p90", j.summary(t, "inter_token", "p90").Value, 0.01, 1e-9)
}

func TestPercentilesAreThoseOfQuantileCont(t *testing.T) {
	var db *sql.DB
	j := steady.judge(t, func(_ *Evidence, d *sql.DB) { db = d })
	for _, c := range []struct{ metric, expression, table string }{
		{"ttft", "ttft_ns / 1e9", "latencies"},
		{"tpot", "tpot_ns / 1e9", "latencies"},
		{"inter_token", "gap", "(select unnest(token_delta_us[2:]) / 1e6 as gap from requests)"},
	} {
		for _, stat := range []string{"p50", "p90", "p99"} {
			var want float64
			if err := db.QueryRow(fmt.Sprintf(`select quantile_cont(%s, %v) from %s`, c.expression, quantileOf[stat], c.table)).Scan(&want); err != nil {
				t.Fatal(err)
			}
			wantNear(t, c.metric+" "+stat, j.summary(t, c.metric, stat).Value, want, 1e-12)
		}
	}
}

func TestATrialWithoutRequestsHasNoFiguresAndSaysSo(t *testing.T) {
	j := made{requests: 0, gap: time.Second}.judge(t, func(e *Evidence, _ *sql.DB) { e.SLO = slo("ttft", "p50", 1, "seconds") })
	if j.SLO != tables.SLOIndeterminate {
		t.Errorf("the objective is %s", j.SLO)
	}
	if !strings.Contains(strings.Join(j.Reasons, "\n"), "no_requests") {
		t.Errorf("the reasons are %q", j.Reasons)
	}
}

func TestResourcesOfSeveralProcessesAreAddedUp(t *testing.T) {
	j := steady.judge(t, func(_ *Evidence, db *sql.DB) {
		sample(t, db, 1, "runtime", "memory_working_set_bytes", 100, 200, 300)
		sample(t, db, 2, "runtime", "memory_working_set_bytes", 10, 20, 30)
		sample(t, db, 3, "runtime", "network_receive_bytes_total", 1000, 1500, 4000)
		sample(t, db, 4, "runtime", "network_receive_bytes_total", 500, 500, 600)
	})
	wantNear(t, "largest working set", j.summary(t, "runtime_memory_working_set_bytes", "max").Value, 330, 1e-9)
	wantNear(t, "mean working set", j.summary(t, "runtime_memory_working_set_bytes", "mean").Value, 220, 1e-9)
	wantNear(t, "received", j.summary(t, "runtime_network_receive_bytes", "sum").Value, 3100, 1e-9)
}

func TestTokensFasterThanSegmentsAreNoFlaw(t *testing.T) {
	m := steady
	m.tokenGap = 200 * time.Microsecond
	m.edit = func(_ int, r *tables.Request) { r.CoalescedChunks = 8 }
	if j := m.judge(t, nil); j.Validity != tables.Valid {
		t.Errorf("validity is %s for %q", j.Validity, j.Reasons)
	}
}

func TestRulesReadAsSentences(t *testing.T) {
	for _, r := range Rules() {
		if r.Name == "" || r.What == "" || r.Flagged == "" && r.Invalid == "" {
			t.Errorf("%+v", r)
		}
	}
	if got := Rules()[0].Flagged; got != "more than the larger of 2ms and 2 % of the median TTFT" {
		t.Errorf("the first limit reads %q", got)
	}
}

func TestAJudgementEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Judge(ctx, trialDB(t), steady.evidence()); err == nil {
		t.Error("it does not")
	}
}

func TestATrialThatSlowsDownShowsItsTrend(t *testing.T) {
	flat := steady.judge(t, nil)
	if p := flat.summary(t, "ttft", "trend_p").Value; p.V < 0.01 {
		t.Errorf("without a trend p is %v", p)
	}
	m := steady
	m.edit = func(i int, r *tables.Request) { *r = shifted(*r, tables.Instant(i)*ms) }
	j := m.judge(t, nil)
	wantNear(t, "trend", j.summary(t, "ttft", "trend_tau").Value, 1, 0.05)
	wantNear(t, "p of the trend", j.summary(t, "ttft", "trend_p").Value, 0, 0.001)
	if cut := j.summary(t, "ttft", "warm_up_cut").Value; cut.V < 0.4 {
		t.Errorf("a trial that never settles is cut at %v", cut)
	}
}

func TestAStageThatBearsTheBacklogOfTheOneBeforeIsOverloadedToo(t *testing.T) {
	of := func(end int64) *scope { return &scope{backlog: backlog{end: end}} }
	for _, c := range []struct {
		before *scope
		end    int64
		want   bool
	}{
		{of(50), 60, true},  // it grew on
		{of(50), 48, true},  // it stands still
		{of(50), 20, false}, // it is worked off
		{of(1), 1, false},   // one request on its way is no backlog
		{nil, 60, false},    // the stage before was not overloaded
	} {
		if got := of(c.end).carriesOn(c.before); got != c.want {
			t.Errorf("backlog %d after %v: %v, want %v", c.end, c.before, got, c.want)
		}
	}
}
