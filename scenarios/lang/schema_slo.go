package lang

import "github.com/llmscen/llmscen/scenarios"

// latencies are the objectives whose limits are durations.
var latencies = []string{"ttft", "inter_token", "tpot", "end_to_end"}

// objectiveNames are all objectives.
var objectiveNames = append(append([]string{}, latencies...), "errors", "output_tokens_per_second", "goodput")

func sloBlock() blockType {
	return blockType{
		name: "slo", label: "NAME", referable: true,
		doc: "What a runtime promises.",
		blocks: []blockType{{
			name: "objective", label: "NAME", names: objectiveNames, unique: true,
			doc: "Limits of one measure: of the time to the first token (ttft), of the gaps between tokens (inter_token), of the mean time of a token after the first (tpot), of the whole answer (end_to_end); of the share of requests that fail (errors); of the tokens that come in a second (output_tokens_per_second); of the share of requests that succeed with every latency within its limit (goodput).",
			into: func(parent any, label string) any {
				return &objectives{slo: parent.(*scenarios.SLO), metric: label}
			},
			attributes: objectiveAttributes(),
		}},
	}
}

// objectives are the limits of one objective block, on their way to the list of its SLO.
type objectives struct {
	slo    *scenarios.SLO
	metric string
}

func objectiveAttributes() []attribute {
	limit := func(stat, unit string) func(any) any {
		return field(func(o *objectives) any {
			o.slo.Objectives = append(o.slo.Objectives, scenarios.Objective{Metric: o.metric, Stat: stat, Unit: unit})
			return &o.slo.Objectives[len(o.slo.Objectives)-1].Limit
		})
	}
	latency := func(stat, doc string) attribute {
		return attribute{name: stat, is: seconds, doc: doc, into: limit(stat, "seconds")}
	}
	return []attribute{
		latency("p50", "Latencies: what half of them are within."),
		latency("p90", "Latencies: what 90 % of them are within."),
		latency("p95", "Latencies: what 95 % of them are within."),
		latency("p99", "Latencies: what 99 % of them are within."),
		latency("p999", "Latencies: what 99.9 % of them are within."),
		latency("max", "Latencies: what all of them are within."),
		{name: "max_ratio", is: ratioOrNone, doc: "errors: the share that may fail.", into: limit("max_ratio", "ratio")},
		{name: "min_ratio", is: ratio, doc: "goodput: the share that must be good.", into: limit("min_ratio", "ratio")},
		{name: "min_per_second", is: positive, doc: "output_tokens_per_second, goodput: how much must come in a second.", into: limit("min_per_second", "per_second")},
	}
}

// statsOf are the limits that an objective may have.
func statsOf(objective string) []string {
	switch objective {
	case "errors":
		return []string{"max_ratio"}
	case "output_tokens_per_second":
		return []string{"min_per_second"}
	case "goodput":
		return []string{"min_ratio", "min_per_second"}
	}
	return []string{"p50", "p90", "p95", "p99", "p999", "max"}
}

func collectBlock() blockType {
	every := func(fallback string) attribute {
		return attribute{name: "every", is: positiveDuration, fallback: `"` + fallback + `"`, doc: "From sample to sample.",
			into: field(func(c *scenarios.Collect) any { return &c.Every })}
	}
	return blockType{
		name: "collect", label: "NAME", referable: true,
		doc: "A source of series about what the resources did.",
		kinds: []kind{
			{name: "procfs", doc: "This machine: CPU, memory, network, throttling and pressure of the runtime, of the client and of the node.",
				attributes: []attribute{every("100ms")}},
			{name: "prometheus", doc: "Queries of a Prometheus server.", attributes: prometheusAttributes(every("1s")),
				blocks: []blockType{seriesBlock(), authBlock()}},
			{name: "scrape", doc: "The runtime's own metrics.", attributes: []attribute{every("1s"),
				{name: "keep", is: texts, absent: "those that the engine is known by, of other servers all", doc: "Names of the metrics to keep; * stands for any characters.",
					into: field(func(c *scenarios.Collect) any { return &c.Keep })},
			}},
			{name: "gpu", doc: "GPUs: utilization, memory, power, energy.", attributes: []attribute{every("1s")}},
		},
		attributes: []attribute{
			{name: "required", is: boolean, fallback: "false", doc: "A trial without these samples is invalid.",
				into: field(func(c *scenarios.Collect) any { return &c.Required })},
		},
	}
}

func prometheusAttributes(every attribute) []attribute {
	return []attribute{
		{name: "url", is: httpURL, required: true, doc: "The server, as in http://127.0.0.1:9090.",
			into: field(func(c *scenarios.Collect) any { return &c.URL })},
		every,
		{name: "sets", is: texts, doc: "Named groups of series.",
			into: field(func(c *scenarios.Collect) any { return &c.Sets })},
	}
}

func seriesBlock() blockType {
	return blockType{
		name: "series", label: "NAME", unique: true, doc: "One query.",
		into: func(parent any, label string) any {
			c := parent.(*scenarios.Collect)
			c.Series = append(c.Series, scenarios.SeriesQuery{Name: label})
			return &c.Series[len(c.Series)-1]
		},
		attributes: []attribute{
			{name: "query", is: someText, required: true, hole: "target", doc: "PromQL; ${target.NAME} is filled in by the trial.",
				into: field(func(s *scenarios.SeriesQuery) any { return &s.Query })},
			{name: "unit", is: someText, required: true, doc: "The unit of its values, as in percent, bytes, seconds, ratio.",
				into: field(func(s *scenarios.SeriesQuery) any { return &s.Unit })},
		},
	}
}

func authBlock() blockType {
	return blockType{
		name: "auth", once: true, doc: "How the server knows who asks.",
		into: inner(func(c *scenarios.Collect) any { return c }),
		attributes: []attribute{
			{name: "bearer_token", is: secret, doc: "A token: secret(\"env:NAME\").", into: field(func(c *scenarios.Collect) any { return &c.BearerToken })},
			{name: "username", is: someText, doc: "The user of basic authentication.", into: field(func(c *scenarios.Collect) any { return &c.BasicUser })},
			{name: "password", is: secret, doc: "The user's password: secret(\"env:NAME\").", into: field(func(c *scenarios.Collect) any { return &c.BasicPassword })},
		},
	}
}
