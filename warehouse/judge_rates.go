package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/llmscen/llmscen/warehouse/stats"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// overloadErrors is tables.OverloadErrors as a list of SQL; more than stats.OverloadShare of them make a stage overloaded.
var overloadErrors = sqlList(tables.OverloadErrors)

func sqlList(kinds []tables.ErrorKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = "'" + string(k) + "'"
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// countRequests counts what became of the requests of a scope, and how many were on their way.
func (c *court) countRequests(ctx context.Context, s *scope) error {
	n := &s.counts
	err := c.conn.QueryRowContext(ctx, fmt.Sprintf(`
		select count(*), count(dispatched_at), count(*) filter (ok),
			count(*) filter (not ok and error_kind <> 'client_saturated'),
			count(*) filter (error_kind = 'not_sent_cap'), count(*) filter (error_kind = 'client_saturated'),
			count(*) filter (error_kind in %s), count(*) filter (good)
		from judged where %s`, overloadErrors, s.where())).
		Scan(&n.due, &n.sent, &n.ok, &n.failed, &n.notSent, &n.saturated, &n.overloadErrors, &n.good)
	if err != nil {
		return err
	}
	middle := s.from + (s.until-s.from)/2
	return c.conn.QueryRowContext(ctx, `
		select count(*) filter (intended_at <= $1 and (done_at is null or done_at > $1)),
			count(*) filter (intended_at <= $2 and (done_at is null or done_at > $2))
		from requests where final and dispatched_at is not null`, int64(middle), int64(s.until)).
		Scan(&s.backlog.middle, &s.backlog.end)
}

// summarizeRates keeps counts, rates and shares.
func (c *court) summarizeRates(ctx context.Context, s *scope) error {
	n := s.counts
	for _, count := range []struct {
		stat string
		n    int64
	}{{"due", n.due}, {"sent", n.sent}, {"succeeded", n.ok}, {"failed", n.failed}, {"not_sent", n.notSent}, {"client_saturated", n.saturated}} {
		s.add("requests", count.stat, "count", tables.Some(float64(count.n)), n.due, "")
	}
	s.addShare("errors", "ratio", n.failed, n.offered())
	if hasRequestLimits(c.SLO) {
		s.addShare("goodput", "ratio", n.good, n.offered())
	}
	if err := c.countErrors(ctx, s); err != nil {
		return err
	}
	if s.seconds() <= 0 {
		return nil
	}
	var sent, done, good int64
	var output, prompt sql.NullFloat64
	// The tokens of an answer are spread evenly between its first and its last, so that those of answers which reach
	// over an end of the window count in part, whatever phase they were asked in and however they ended.
	err := c.conn.QueryRowContext(ctx, `
		with answer as (
			select output_tokens, prompt_tokens, first_token_at as a, last_token_at as z from requests where first_token_at is not null
		)
		select (select count(*) from requests where final and dispatched_at >= $1 and dispatched_at < $2),
			(select count(*) from requests where final and error_kind is null and done_at >= $1 and done_at < $2),
			(select count(*) from judged where good and done_at >= $1 and done_at < $2),
			sum(case when z > a then output_tokens * greatest(0, least(z, $2) - greatest(a, $1)) / (z - a)
				when a >= $1 and a < $2 then output_tokens else 0 end),
			sum(prompt_tokens) filter (a >= $1 and a < $2)
		from answer`, int64(s.from), int64(s.until)).Scan(&sent, &done, &good, &output, &prompt)
	if err != nil {
		return err
	}
	perSecond := func(v float64) tables.Null[float64] { return tables.Some(v / s.seconds()) }
	s.add("requests_per_second", "sent", "per_second", perSecond(float64(sent)), sent, "")
	s.add("requests_per_second", "succeeded", "per_second", perSecond(float64(done)), done, "")
	if hasRequestLimits(c.SLO) {
		s.add("goodput", "per_second", "per_second", perSecond(float64(good)), good, "")
	}
	if output.Valid {
		s.add("output_tokens_per_second", "system", "tokens_per_second", perSecond(output.Float64), n.ok, "")
	}
	if prompt.Valid {
		s.add("prompt_tokens_per_second", "system", "tokens_per_second", perSecond(prompt.Float64), n.ok, "")
	}
	return nil
}

// addShare keeps a share of requests with Wilson's interval; nothing where there are none.
func (s *scope) addShare(metric, stat string, k, n int64) {
	if n == 0 {
		return
	}
	f := s.add(metric, stat, "ratio", tables.Some(float64(k)/float64(n)), n, "")
	i, ok := stats.Wilson(float64(k), float64(n), Confidence)
	setInterval(f, i, methodWilson, ok)
}

// countErrors keeps how many requests failed in which way, and the share of the prompt that came from a cache.
func (c *court) countErrors(ctx context.Context, s *scope) error {
	rows, err := c.conn.QueryContext(ctx, fmt.Sprintf(
		`select error_kind, count(*) from judged where error_kind is not null and %s group by error_kind order by error_kind`, s.where()))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var n int64
		if err := rows.Scan(&kind, &n); err != nil {
			return err
		}
		s.add("errors", kind, "count", tables.Some(float64(n)), s.counts.due, "")
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var cached, prompt sql.NullFloat64
	var n int64
	err = c.conn.QueryRowContext(ctx, fmt.Sprintf(
		`select sum(cached_prompt_tokens), sum(prompt_tokens), count(*) from judged where ok and cached_prompt_tokens is not null and prompt_tokens > 0 and %s`, s.where())).
		Scan(&cached, &prompt, &n)
	if err != nil {
		return err
	}
	if n > 0 {
		s.add("cached_prompt_tokens", "ratio", "ratio", tables.Some(cached.Float64/prompt.Float64), n, "")
	}
	return nil
}

// The resource figures: those of gauges have a mean and a maximum, those of counters a total and a rate.
var gauges = map[string]string{
	"cpu_cores": "cores", "memory_working_set_bytes": "bytes", "memory_rss_bytes": "bytes",
	"throttled_ratio": "ratio", "psi_cpu_some_ratio": "ratio", "steal_ratio": "ratio", "cpu_utilization_ratio": "ratio",
	"client_sched_latency_p99_seconds": "seconds",
}

var counters = map[string]string{
	"network_receive_bytes_total": "network_receive_bytes", "network_transmit_bytes_total": "network_transmit_bytes",
}

// summarizeResources keeps what runtime, client and node used within the scope, as in runtime_cpu_cores mean. The
// series of a target's processes are added up, instant by instant, before they are averaged.
func (c *court) summarizeResources(ctx context.Context, s *scope) error {
	rows, err := c.conn.QueryContext(ctx, `
		with sampled as (
			select target, name, series_id, samples."at" as moment, value,
				count(distinct series_id) over (partition by target, name) as members,
				(max(moment) over (partition by target, name) - min(moment) over (partition by target, name)) as span,
				count(*) over (partition by target, name) as readings,
				lag(value) over (partition by target, name, series_id order by moment) as before
			from samples join series using (trial_id, series_id)
			where moment >= $1 and moment <= $2
		), slotted as (
			-- One series: each reading is an instant of its own. Several: readings of one sampling distance belong together.
			select *, case when members = 1 or readings <= members then moment
				else moment // greatest(span // greatest(readings // members - 1, 1), 1) end as slot
			from sampled
		), level as (
			select target, name, members, sum(value) as value, count(*) as present
			from (select target, name, members, slot, series_id, avg(value) as value from slotted group by all)
			group by target, name, members, slot
		), gauge as (
			select target, name, avg(value) as mean, max(value) as max, count(*) as n from level where present = members group by all
		), counter as (
			-- What is less than before began anew, from 0. Of one reading it is not known how much it grew.
			select target, name, sum(case when value < before then value else value - before end) as total from sampled group by all
		)
		select target, name, mean, max, n, total from gauge join counter using (target, name) order by target, name`,
		int64(s.from), int64(s.until))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var target, name string
		var mean, most float64
		var total sql.NullFloat64
		var n int64
		if err := rows.Scan(&target, &name, &mean, &most, &n, &total); err != nil {
			return err
		}
		if unit, ok := gauges[name]; ok {
			metric := target + "_" + strings.TrimPrefix(name, target+"_")
			s.add(metric, "mean", unit, tables.Some(mean), n, "")
			s.add(metric, "max", unit, tables.Some(most), n, "")
		}
		if metric, ok := counters[name]; ok && total.Valid {
			s.add(target+"_"+metric, "sum", "bytes", tables.Some(total.Float64), n, "")
			s.add(target+"_"+metric, "per_second", "bytes_per_second", tables.Some(total.Float64/s.seconds()), n, "")
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	tokens, cores := s.value("output_tokens_per_second", "system"), s.value("runtime_cpu_cores", "mean")
	if tokens.Valid && cores.V > 0 {
		s.add("output_tokens_per_cpu_second", "system", "tokens_per_second", tables.Some(tokens.V/cores.V), s.counts.ok, "")
	}
	return nil
}
