package lang

import "github.com/llmscen/llmscen/scenarios"

// Rows that several shapes share.
var (
	over = attribute{name: "over", is: positiveDuration, doc: "How long it goes on.",
		into: field(func(l *scenarios.Load) any { return &l.Over })}
	requests = attribute{name: "requests", is: count, doc: "How many requests it makes; this or over.",
		into: field(func(l *scenarios.Load) any { return &l.Requests })}
	arrivals = attribute{name: "arrivals", is: choice("even", "poisson", "gamma"), fallback: `"even"`, doc: "How the gaps between arrivals are spread.",
		into: field(func(l *scenarios.Load) any { return &l.Arrivals.Process })}
	burstiness = attribute{name: "burstiness", is: positive, absent: "1", doc: "arrivals = \"gamma\": the gaps' squared coefficient of variation is 1 ÷ burstiness; 1 is Poisson, below it comes in bursts.",
		into: field(func(l *scenarios.Load) any { return &l.Arrivals.Burstiness })}
	rate = attribute{name: "rate_per_second", is: positive, required: true, doc: "Arrivals a second.",
		into: field(func(l *scenarios.Load) any { return &l.RatePerSecond })}
)

func loadBlock() blockType {
	return blockType{
		name: "load", label: "NAME", referable: true,
		doc:        "How it is asked. Open shapes keep their schedule whatever the server does; closed shapes wait for an answer before they ask again.",
		kinds:      append(openShapes(), otherShapes()...),
		attributes: loadAttributes(),
	}
}

func loadAttributes() []attribute {
	return []attribute{
		{name: "seed", is: integer, fallback: "0", doc: "The seed of the arrivals.",
			into: field(func(l *scenarios.Load) any { return &l.Seed })},
		{name: "max_in_flight", is: count, absent: "512 in an open shape, the users in a closed one", doc: "Requests on the way at once; what can't be sent for it is a row that says so.",
			into: field(func(l *scenarios.Load) any { return &l.MaxInFlight })},
		{name: "timeout", is: positiveDuration, fallback: `"120s"`, doc: "Of a whole request.",
			into: field(func(l *scenarios.Load) any { return &l.Timeout })},
		{name: "first_token_timeout", is: positiveDuration, absent: "only timeout", doc: "Until the first token.",
			into: field(func(l *scenarios.Load) any { return &l.FirstTokenTimeout })},
		{name: "stall_timeout", is: positiveDuration, absent: "only timeout", doc: "From chunk to chunk.",
			into: field(func(l *scenarios.Load) any { return &l.StallTimeout })},
		{name: "drain_timeout", is: positiveDuration, fallback: `"30s"`, doc: "For what is on its way when the load ends.",
			into: field(func(l *scenarios.Load) any { return &l.DrainTimeout })},
	}
}

func openShapes() []kind {
	return []kind{
		{name: "constant_rate", doc: "Open: one rate.", attributes: []attribute{rate, over, requests, arrivals, burstiness}},
		{name: "ramping_rate", doc: "Open: stages of rates, linear in between, or stepped.", attributes: []attribute{
			{name: "stages", is: rateStages, required: true, doc: "[{ over, rate_per_second, step }]: the rate goes to rate_per_second over that time, from that of the stage before, or is held at it where step = true. The first stage is held at its own.",
				into: field(func(l *scenarios.Load) any { return &l.Stages })},
			arrivals, burstiness,
		}},
		{name: "burst", doc: "Open: spikes on a floor.", attributes: []attribute{
			{name: "floor_per_second", is: amount, fallback: "0", doc: "Arrivals a second between spikes.",
				into: field(func(l *scenarios.Load) any { return &l.FloorPerSecond })},
			{name: "peak_per_second", is: positive, required: true, doc: "Arrivals a second in a spike.",
				into: field(func(l *scenarios.Load) any { return &l.PeakPerSecond })},
			{name: "width", is: positiveDuration, required: true, doc: "How long a spike is.",
				into: field(func(l *scenarios.Load) any { return &l.Width })},
			{name: "every", is: positiveDuration, required: true, doc: "From the start of a spike to that of the next.",
				into: field(func(l *scenarios.Load) any { return &l.Every })},
			over, requests, arrivals, burstiness,
		}},
		{name: "sine", doc: "Open: a day in minutes.", attributes: []attribute{
			{name: "mean_per_second", is: positive, required: true, doc: "Arrivals a second on average.",
				into: field(func(l *scenarios.Load) any { return &l.MeanPerSecond })},
			{name: "amplitude", is: amount, required: true, doc: "How far the rate goes above and below it, a second.",
				into: field(func(l *scenarios.Load) any { return &l.Amplitude })},
			{name: "period", is: positiveDuration, required: true, doc: "From crest to crest.",
				into: field(func(l *scenarios.Load) any { return &l.Period })},
			over, requests, arrivals, burstiness,
		}},
		{name: "soak", doc: "Open: a constant rate for hours, with drift detection.", attributes: []attribute{rate, over, arrivals, burstiness}},
	}
}

func otherShapes() []kind {
	return []kind{
		{name: "replay", doc: "Open: arrivals and lengths from a trace.", attributes: []attribute{
			{name: "path", is: filePath, required: true, doc: "The trace, below the scenario's folder.",
				into: field(func(l *scenarios.Load) any { return &l.Path })},
			{name: "format", is: choice("csv", "mooncake", "burstgpt", "azure"), fallback: `"csv"`, doc: "What the trace is written in.",
				into: field(func(l *scenarios.Load) any { return &l.Format })},
			{name: "speed", is: positive, fallback: "1", doc: "How many times faster than it was.",
				into: field(func(l *scenarios.Load) any { return &l.Speed })},
			over, requests,
		}},
		{name: "closed_loop", doc: "Closed: users who wait for an answer, think, and ask again.", attributes: []attribute{
			{name: "users", is: count, doc: "How many there are; this or stages.",
				into: field(func(l *scenarios.Load) any { return &l.Users })},
			{name: "stages", is: userStages, doc: "[{ over, users, step }]: the users go to that number over that time, or at once where step = true.",
				into: field(func(l *scenarios.Load) any { return &l.Stages })},
			{name: "think_time", is: duration, fallback: `"0s"`, doc: "From an answer to the next question.",
				into: field(func(l *scenarios.Load) any { return &l.ThinkTime })},
			over, requests,
		}},
		{name: "search", doc: "Open: the highest rate, or number of users, that meets the run's SLO. It doubles from the lowest until the SLO is not met, and then halves what lies between. Users make it a closed shape.", attributes: []attribute{
			{name: "from", is: positive, required: true, doc: "The lowest that is tried.",
				into: field(func(l *scenarios.Load) any { return &l.From })},
			{name: "to", is: positive, required: true, doc: "The highest that is tried.",
				into: field(func(l *scenarios.Load) any { return &l.To })},
			{name: "of", is: choice("rate", "users"), fallback: `"rate"`, doc: "What is searched: arrivals a second, or users.",
				into: field(func(l *scenarios.Load) any { return &l.Of })},
			{name: "tolerance", is: ratio, fallback: "0.05", doc: "How near to the knee the search ends, as a share of it.",
				into: field(func(l *scenarios.Load) any { return &l.Tolerance })},
			{name: "over", is: positiveDuration, doc: "How long a probe is.",
				into: field(func(l *scenarios.Load) any { return &l.Over })},
			{name: "requests", is: count, doc: "How many requests a probe makes; this or over.",
				into: field(func(l *scenarios.Load) any { return &l.Requests })},
			{name: "then", is: searchStages, doc: "[{ over, capacity_ratio }]: what is asked one after the other once the capacity is known, capacity_ratio times it; 2 is twice as much as the runtime holds.",
				into: field(func(l *scenarios.Load) any { return &l.Then })},
			{name: "think_time", is: duration, fallback: `"0s"`, doc: "of = \"users\": from an answer to the next question.",
				into: field(func(l *scenarios.Load) any { return &l.ThinkTime })},
			arrivals, burstiness,
		}},
		{name: "cold_start", doc: "Closed: stop the runtime, start it, ask once, and time each phase. A request is due when the start is ordered, so that an objective of ttft is the wait from zero.", attributes: []attribute{
			{name: "requests", is: count, fallback: "1", doc: "How many cold starts, one after the other.",
				into: field(func(l *scenarios.Load) any { return &l.Requests })},
		}},
	}
}
