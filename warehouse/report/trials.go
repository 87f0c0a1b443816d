package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Trial is what a warehouse holds of one trial.
type Trial struct {
	Apply string
	tables.Trial
	Stages    []tables.Stage
	Summaries []tables.Summary
	Verdicts  []tables.Verdict
}

// figure is a column that shows a summary.
type figure struct {
	Column
	metric, stat string
	// low and high show the ends of the figure's interval instead of its value.
	low, high bool
}

func fig(metric, stat, key, header string, k Kind, wide bool, doc string) figure {
	return figure{Column: Column{Key: key, Header: header, Kind: k, Wide: wide, Doc: doc}, metric: metric, stat: stat}
}

// ends are the two columns of a figure's interval.
func ends(f figure) []figure {
	low, high := f, f
	low.low, low.Wide, low.Key, low.Header, low.Doc = true, true, f.Key+"_low", f.Header+" low", "Lower end of the 95 % interval of "+f.Key+"; empty where the sample gives none."
	high.high, high.Wide, high.Key, high.Header, high.Doc = true, true, f.Key+"_high", f.Header+" high", "Upper end of the 95 % interval of "+f.Key+"; empty where the sample gives none."
	return []figure{low, high}
}

var trialColumns = []Column{
	{Key: "trial", Header: "trial", Doc: "The trial's ID: its run, the cell in brackets, the repetition after #; the stages of a trial that has several stand below it."},
	{Key: "apply", Wide: true, Doc: "The apply that made the trial."},
	{Key: "stage", Kind: Count, Wide: true, Doc: "The number of the stage, from 0; empty for the whole trial."},
	{Key: "verdict", Doc: "The verdicts in a word each: the validity, or how the trial ended where it did not complete, and the SLO, where unsure means that the data can't tell; of a stage its outcome: held, missed, overloaded or undecided, of a probe that was made twice also likely_held or likely_missed."},
	{Key: "status", Wide: true, Doc: "How the trial ended: completed, failed, interrupted or aborted."},
	{Key: "validity", Wide: true, Doc: "Whether the measurement may be believed: valid, flagged or invalid; the reasons are the lines below."},
	{Key: "slo", Header: "SLO", Wide: true, Doc: "Whether every objective was met: pass, fail, or indeterminate where the data can't tell."},
	{Key: "load", Wide: true, Doc: "The load's address and its shape."},
}

// figures are the columns of what was measured. Only requests of the measured phase count, each with its final attempt.
var figures = slices.Concat([]figure{
	fig("requests_per_second", "sent", "requests_sent_per_second", "sent\n/s", PerSecond, false, "Requests that the client sent within the measured window, by its length."),
	fig("requests", "due", "requests", "req", Count, false, "Requests that were due in the measured window, sent or not."),
	fig("requests", "failed", "requests_failed", "req\nfailed", Count, true, "Requests that did not succeed; those that the run itself cancelled or the client could not make don't count."),
	fig("requests", "not_sent", "requests_not_sent", "not\nsent", Count, true, "Requests that were due while every slot of max_in_flight was waiting for the server."),
	ttftP50, ttftP99, totalP50, totalP99,
	fig("tpot", "p50", "tpot_p50_seconds", "TPOT\np50", Seconds, true, "Time per output token after the first, of a request; the median over successes."),
	fig("inter_token", "p99", "inter_token_p99_seconds", "gap\np99", Seconds, true, "Time from a token to the next; the 99th percentile over all tokens of successes."),
	fig("output_tokens_per_second", "p50", "output_tokens_per_second_p50", "tok/s\neach", PerSecond, false, "Output tokens of a request by the time from its sending to the end of its answer; the median over successes."),
	fig("output_tokens_per_second", "system", "output_tokens_per_second_system", "tok/s\nall", PerSecond, false, "Output tokens of all requests that arrived within the measured window, by its length."),
	fig("errors", "ratio", "error_ratio", "failed", Ratio, false, "Share of the requests that failed, those that could not be sent for full slots included."),
	fig("goodput", "ratio", "goodput_ratio", "good", Ratio, true, "Share of the requests that succeeded with every latency within its objective's limit."),
	fig("runtime_cpu_cores", "mean", "runtime_cpu_cores_mean", "CPU\ncores", Number, false, "Cores that the runtime kept busy, the mean over the measured window."),
	fig("runtime_memory_working_set_bytes", "max", "runtime_memory_max_bytes", "memory\nmax", Bytes, false, "Memory that the runtime held and that can't be taken back without harm, the largest within the measured window."),
	fig("runtime_network_transmit_bytes", "sum", "runtime_network_transmit_bytes", "net\nout", Bytes, true, "Payload bytes that the runtime sent within the measured window."),
	fig("runtime_network_receive_bytes", "sum", "runtime_network_receive_bytes", "net\nin", Bytes, true, "Payload bytes that the runtime received within the measured window."),
	fig("client_cpu_cores", "mean", "client_cpu_cores_mean", "client\ncores", Number, true, "Cores that the client kept busy, the mean over the measured window."),
	fig("schedule_lag", "p99", "schedule_lag_p99_seconds", "lag\np99", Seconds, true, "How late requests left by the schedule, the client's own fault; the 99th percentile."),
}, ends(ttftP50), ends(ttftP99), ends(totalP50), ends(totalP99))

var (
	ttftP50  = fig("ttft", "p50", "ttft_p50_seconds", "TTFT\np50", Seconds, false, "Time from when a request was due to its first token; the median over successes.")
	ttftP99  = fig("ttft", "p99", "ttft_p99_seconds", "TTFT\np99", Seconds, false, "Time from when a request was due to its first token; the 99th percentile over successes.")
	totalP50 = fig("end_to_end", "p50", "end_to_end_p50_seconds", "total\np50", Seconds, false, "Total inference time: from when a request was due to the end of its answer; the median over successes.")
	totalP99 = fig("end_to_end", "p99", "end_to_end_p99_seconds", "total\np99", Seconds, false, "Total inference time: from when a request was due to the end of its answer; the 99th percentile over successes.")
)

// Columns are those of the table that Trials makes.
func Columns() []Column {
	out := slices.Clone(trialColumns)
	for _, f := range figures {
		out = append(out, f.Column)
	}
	return out
}

// Trials is the table of trials, one row each, and one a stage where a trial has several.
func Trials(trials []Trial) Table {
	t := Table{Type: "trial", Columns: Columns(), Empty: "There are no trials."}
	for _, tr := range trials {
		row := Row{Cells: []any{tr.TrialID, tr.Apply, nil, verdictCell(tr.Trial), string(tr.Status), string(tr.Validity), string(tr.SLO), loadText(tr.Trial)}}
		row.Cells = append(row.Cells, figureCells(tr.Summaries, tables.Null[int32]{})...)
		row.Notes = notes(tr)
		t.Rows = append(t.Rows, row)
		if len(tr.Stages) < 2 && capacityFigure(tr.Summaries) == nil {
			continue
		}
		for i, s := range tr.Stages {
			branch := "├"
			if i == len(tr.Stages)-1 {
				branch = "└"
			}
			cells := []any{Cell{Value: tr.TrialID, Text: branch + " " + stageText(s)}, tr.Apply, s.Stage, Cell{Value: s.Outcome, Tone: outcomeTones[s.Outcome]}, nil, nil, nil, nil}
			t.Rows = append(t.Rows, Row{Cells: append(cells, figureCells(tr.Summaries, tables.Some(s.Stage))...)})
		}
	}
	return t
}

var outcomeTones = map[string]Tone{"held": Good, "missed": Bad, "overloaded": Bad, "undecided": Warning, "likely_held": Warning, "likely_missed": Warning}

// verdictCell is what is to be said of a trial in two words; the worse one colours it.
func verdictCell(t tables.Trial) Cell {
	c := Cell{Value: string(t.Validity), Tone: Good}
	word := ""
	switch t.SLO {
	case tables.SLOPass:
		word = " pass"
	case tables.SLOFail:
		word, c.Tone = " fail", Bad
	case tables.SLOIndeterminate:
		word, c.Tone = " unsure", Warning
	}
	switch {
	case t.Status != tables.StatusCompleted:
		return Cell{Value: string(t.Status), Tone: Bad}
	case t.Validity == tables.Invalid:
		c.Tone = Bad
	case t.Validity == tables.Flagged && c.Tone == Good:
		c.Tone = Warning
	}
	c.Value = string(t.Validity) + word
	return c
}

func loadText(t tables.Trial) string {
	return strings.TrimSpace(t.Load + " " + t.LoadShape)
}

func stageText(s tables.Stage) string {
	word := "stage"
	if s.Kind == tables.KindProbe || s.Kind == tables.KindStress {
		word = s.Kind
	}
	switch {
	case s.TargetRatePerSecond.Valid:
		return fmt.Sprintf("%s %d %s/s", word, s.Stage, strconv.FormatFloat(s.TargetRatePerSecond.V, 'g', 4, 64))
	case s.TargetUsers.Valid:
		return fmt.Sprintf("%s %d %s users", word, s.Stage, strconv.FormatFloat(s.TargetUsers.V, 'g', 4, 64))
	}
	return fmt.Sprintf("stage %d %s", s.Stage, s.Kind)
}

// notes are the reasons of a trial, and the objectives that it missed or that the data can't decide.
func notes(t Trial) []string {
	var out []string
	for _, r := range t.ValidityReasons {
		out = append(out, "! "+r)
	}
	for _, v := range t.Verdicts {
		if v.Stage.Valid || v.Met.Valid && v.Met.V {
			continue
		}
		kind := unitKinds[v.Unit]
		measured := "no measure"
		if v.Measured.Valid {
			measured = kind.Text(v.Measured)
			if v.CILow.Valid && v.CIHigh.Valid {
				measured += fmt.Sprintf(" (%s to %s)", kind.Text(v.CILow), kind.Text(v.CIHigh))
			}
		}
		word := "missed"
		if !v.Met.Valid {
			word = "undecided"
		}
		out = append(out, fmt.Sprintf("%s: %s %s is %s, the limit is %s", word, v.Metric, v.Stat, measured, kind.Text(v.Limit)))
	}
	return out
}

// unitKinds is how a unit of the contract is written.
var unitKinds = map[string]Kind{
	"seconds": Seconds, "bytes": Bytes, "ratio": Ratio, "count": Count, "tokens": Count, "cores": Number,
	"per_second": PerSecond, "tokens_per_second": PerSecond, "bytes_per_second": Bytes,
}

// KindOf is the kind of a column of values in a unit of the contract.
func KindOf(unit string) Kind {
	if k, ok := unitKinds[unit]; ok {
		return k
	}
	return Number
}

func figureCells(summaries []tables.Summary, stage tables.Null[int32]) []any {
	out := make([]any, len(figures))
	for i, f := range figures {
		at := slices.IndexFunc(summaries, func(s tables.Summary) bool { return s.Metric == f.metric && s.Stat == f.stat && s.Stage == stage })
		if at < 0 {
			continue
		}
		switch s := summaries[at]; {
		case f.low:
			out[i] = s.CILow
		case f.high:
			out[i] = s.CIHigh
		case !s.Value.Valid && s.Method == "below_sample_floor":
			out[i] = Cell{Footnote: fmt.Sprintf("Too few requests for %s: a percentile is told only where the sample can hold it.", f.stat)}
		default:
			out[i] = s.Value
		}
	}
	return out
}
