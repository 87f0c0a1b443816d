package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/parquet"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// joinsResource tells which series request_resources has: processor, GPU, memory, network and power. A counter of CPU
// seconds is there as cpu_cores already, and a limit is no use.
func joinsResource(name string) bool {
	switch name {
	case "cpu_cores", "cpu_utilization_ratio":
		return true
	}
	for _, family := range []string{"gpu_", "memory_", "network_", "power_"} {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return false
}

// requestsAtOnce bounds the memory of the join, whatever the length of the trial: that many requests, and the samples
// of their time.
const requestsAtOnce = 16384

// window is a request's life as far as the join needs it.
type window struct {
	Seq      int64          `col:"seq"`
	Attempt  int32          `col:"attempt"`
	TargetID string         `col:"target_id"`
	Node     string         `col:"node"`
	From     tables.Instant `col:"dispatched_at"`
	First    tables.Instant `col:"first_token_at"`
	Last     tables.Instant `col:"last_token_at"`
	Done     tables.Instant `col:"done_at"`
}

// joinResources writes request_resources of the trial that db holds: for each final attempt that was sent, window and
// series of its target, its node and the client, the mean weighted by time, and the maximum.
//
// A sample tells of the time since the sample before it, and never of more than three times its series' usual distance;
// of a counter the rate between two samples is taken. Where a request's target is several processes, or not known, their
// series are added up.
func (w *Warehouse) joinResources(ctx context.Context, db *sql.DB, a Apply, trialID string) (File, error) {
	lines, err := resourceLines(ctx, db)
	if err != nil || len(lines) == 0 {
		return File{}, err
	}
	out := parquet.Create[tables.RequestResource](w.partPath("request_resources", a, Slug(trialID), 0), trialID, parquet.Options{})
	j := &joining{db: db, lines: lines, out: out, trialID: trialID}
	err = EachRow(ctx, db, func(r window) error {
		j.windows = append(j.windows, r)
		if len(j.windows) < requestsAtOnce {
			return nil
		}
		return j.join(ctx)
	}, `SELECT r.seq, r.attempt, r.target_id, t.node, r.dispatched_at, r.first_token_at, r.last_token_at, r.done_at
		FROM requests r LEFT JOIN targets t USING (apply, trial_id, target_id)
		WHERE r.final AND r.wrote_at IS NOT NULL AND r.done_at IS NOT NULL ORDER BY r.dispatched_at, r.seq`)
	if err == nil {
		err = j.join(ctx)
	}
	if err != nil {
		out.Abort()
		return File{}, err
	}
	f, err := out.Commit()
	return w.file("request_resources", f), err
}

// line is one series over time.
type line struct {
	SeriesID   int32              `col:"series_id"`
	Target     string             `col:"target"`
	TargetID   string             `col:"target_id"`
	Node       string             `col:"node"`
	Name       string             `col:"name"`
	Unit       string             `col:"unit"`
	Resolution tables.Null[int64] `col:"resolution_ns"`
	readings   []reading
}

// reading is a value that held from after From until Until.
type reading struct {
	from, until tables.Instant
	value       float64
}

func (l *line) counter() bool { return strings.HasSuffix(l.Name, "_total") }

func resourceLines(ctx context.Context, db *sql.DB) ([]*line, error) {
	all, err := Rows[line](ctx, db, `
		SELECT s.series_id, s.target, s.target_id, s.node, s.name, s.unit, CAST(r.resolution_ns AS BIGINT) AS resolution_ns
		FROM series s LEFT JOIN (
			SELECT series_id, median(gap) AS resolution_ns
			FROM (SELECT series_id, "at" - lag("at") OVER (PARTITION BY series_id ORDER BY "at") AS gap FROM samples)
			GROUP BY series_id) r USING (series_id)
		ORDER BY s.target, s.name, s.series_id`)
	if err != nil {
		return nil, err
	}
	var lines []*line
	for _, l := range all {
		if !joinsResource(l.Name) {
			continue
		}
		if l.counter() {
			l.Unit += "/s"
		}
		lines = append(lines, &l)
	}
	return lines, nil
}

type joining struct {
	db      *sql.DB
	lines   []*line
	out     *parquet.Writer[tables.RequestResource]
	trialID string
	windows []window
	rows    []tables.RequestResource
}

// join writes the rows of the windows at hand.
func (j *joining) join(ctx context.Context) error {
	if len(j.windows) == 0 {
		return nil
	}
	from, until := j.windows[0].From, j.windows[0].Done
	for _, r := range j.windows {
		from, until = min(from, r.From), max(until, r.Done)
	}
	if err := j.readSamples(ctx, from, until); err != nil {
		return err
	}
	j.rows = j.rows[:0]
	for _, r := range j.windows {
		j.add(r, "total", r.From, r.Done)
		if r.First != 0 {
			j.add(r, "prefill", r.From, r.First)
		}
		if r.First != 0 && r.Last != 0 {
			j.add(r, "decode", r.First, r.Last)
		}
	}
	j.windows = j.windows[:0]
	return j.out.Append(j.rows)
}

// readSamples fills the lines with the readings that touch the time from from until until.
func (j *joining) readSamples(ctx context.Context, from, until tables.Instant) error {
	byID := map[int32]*line{}
	ids := make([]string, 0, len(j.lines))
	var pad int64
	for _, l := range j.lines {
		l.readings = l.readings[:0]
		byID[l.SeriesID] = l
		ids = append(ids, fmt.Sprint(l.SeriesID))
		pad = max(pad, 4*l.Resolution.V)
	}
	before := map[int32]tables.Sample{}
	return EachRow(ctx, j.db, func(s tables.Sample) error {
		b, ok := before[s.SeriesID]
		before[s.SeriesID] = s
		byID[s.SeriesID].add(b, ok, s)
		return nil
	}, `SELECT series_id, "at", value FROM samples WHERE "at" BETWEEN $1 AND $2 AND series_id IN (`+strings.Join(ids, ", ")+`)
		ORDER BY series_id, "at"`, int64(from)-pad, int64(until)+pad)
}

// add appends the reading that sample s makes, after the sample b where there is one.
func (l *line) add(b tables.Sample, hasBefore bool, s tables.Sample) {
	usual := tables.Instant(l.Resolution.V)
	if !l.counter() {
		since := s.At - usual
		if hasBefore && s.At-b.At <= 3*usual {
			since = b.At
		}
		l.readings = append(l.readings, reading{since, s.At, s.Value})
		return
	}
	if !hasBefore || s.At <= b.At {
		return
	}
	grown := s.Value - b.Value
	if grown < 0 {
		grown = s.Value // it began anew
	}
	l.readings = append(l.readings, reading{b.At, s.At, grown * 1e9 / float64(s.At-b.At)})
}

// touching is the readings that overlap the window; of a window without length, the one that it falls into.
func (l *line) touching(from, until tables.Instant) []reading {
	first, _ := slices.BinarySearchFunc(l.readings, from, func(r reading, t tables.Instant) int {
		if r.until > t || from == until && r.until == t {
			return 1
		}
		return -1
	})
	last := first
	for last < len(l.readings) && (l.readings[last].from < until) {
		last++
	}
	return l.readings[first:last]
}

func (l *line) at(t tables.Instant) float64 {
	for _, r := range l.touching(t, t) {
		return r.value
	}
	return 0
}

// add appends the rows of one window, one for each name of each target's series.
func (j *joining) add(r window, name string, from, until tables.Instant) {
	for i := 0; i < len(j.lines); {
		end := i + 1
		for end < len(j.lines) && j.lines[end].Target == j.lines[i].Target && j.lines[end].Name == j.lines[i].Name {
			end++
		}
		row := tables.RequestResource{
			TrialID: j.trialID, Seq: r.Seq, Attempt: r.Attempt, Window: name, FromAt: from, UntilAt: until,
			Target: j.lines[i].Target, Name: j.lines[i].Name, Unit: j.lines[i].Unit,
		}
		measure(&row, ofRequest(j.lines[i:end], r), from, until)
		j.rows = append(j.rows, row)
		i = end
	}
}

// ofRequest leaves of the series of one target and name those that belong to the request's own target or node.
func ofRequest(lines []*line, r window) []*line {
	if len(lines) == 1 {
		return lines
	}
	own := slices.DeleteFunc(slices.Clone(lines), func(l *line) bool {
		switch l.Target {
		case "runtime":
			return r.TargetID != "" && l.TargetID != "" && l.TargetID != r.TargetID
		case "node":
			return r.Node != "" && l.Node != "" && l.Node != r.Node
		}
		return false
	})
	return own
}

// measure fills in mean, maximum, number of samples and resolution of the sum of the lines.
func measure(row *tables.RequestResource, lines []*line, from, until tables.Instant) {
	for _, l := range lines {
		readings := l.touching(from, until)
		if len(readings) == 0 {
			continue
		}
		row.Mean = tables.Some(row.Mean.V + weightedMean(readings, from, until))
		row.Samples += int32(len(readings))
		if l.Resolution.Valid && l.Resolution.V > row.ResolutionNS.V {
			row.ResolutionNS = l.Resolution
		}
		for _, r := range readings {
			sum := r.value
			if len(lines) > 1 {
				sum = 0
				for _, other := range lines {
					sum += other.at(min(r.until, until))
				}
			}
			if !row.Max.Valid || sum > row.Max.V {
				row.Max = tables.Some(sum)
			}
		}
	}
}

func weightedMean(readings []reading, from, until tables.Instant) float64 {
	var sum, weight float64
	for _, r := range readings {
		overlap := float64(min(r.until, until) - max(r.from, from))
		sum += r.value * overlap
		weight += overlap
	}
	if weight == 0 {
		return readings[0].value
	}
	return sum / weight
}
