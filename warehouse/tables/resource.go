package tables

// Series is one resource series of a trial.
type Series struct {
	TrialID   string            `col:"trial_id"`       // the trial it belongs to
	SeriesID  int32             `col:"series_id"`      // unique within the trial
	Collector string            `col:"collector"`      // what read it: procfs, prometheus, scrape, gpu
	Target    string            `col:"target"`         // whose resource it is: runtime, client, node
	TargetID  string            `col:"target_id,null"` // which of the targets; NULL: all of them
	Pod       string            `col:"pod,null"`       // the pod, in a cluster
	Node      string            `col:"node,null"`      // the machine
	Name      string            `col:"name"`           // as in cpu_cores, memory_working_set_bytes
	Unit      string            `col:"unit"`           // base unit, as in cores, bytes, ratio
	Labels    map[string]string `col:"labels"`         // what else tells it from the others, and how it was read
}

// Sample is one reading of a series.
type Sample struct {
	TrialID  string  `col:"trial_id"`  // the trial it belongs to
	SeriesID int32   `col:"series_id"` // the series
	At       Instant `col:"at"`        // when it was read
	Value    float64 `col:"value"`     // in the unit of the series
}

// RequestResource is a request joined with one series of its target over one window of its life.
type RequestResource struct {
	TrialID      string        `col:"trial_id"`      // the trial it belongs to
	Seq          int64         `col:"seq"`           // the request
	Attempt      int32         `col:"attempt"`       // its final attempt
	Window       string        `col:"window"`        // prefill: dispatched to first token; decode: first to last token; total: dispatched to done
	FromAt       Instant       `col:"from_at"`       // start of the window
	UntilAt      Instant       `col:"until_at"`      // end of the window
	Target       string        `col:"target"`        // whose resource it is: runtime, client, node
	Name         string        `col:"name"`          // the name of the series
	Unit         string        `col:"unit"`          // the unit of mean and max; of a counter, its unit per second
	Mean         Null[float64] `col:"mean"`          // NULL: no sample covers the window
	Max          Null[float64] `col:"max"`           // the greatest sample that touches the window
	Samples      int32         `col:"samples"`       // how many samples touch the window
	ResolutionNS Null[int64]   `col:"resolution_ns"` // the median distance of the series' samples: the join is true to ± this
}
