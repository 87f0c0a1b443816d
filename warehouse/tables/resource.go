package tables

// Series is one resource series of a trial.
type Series struct {
	TrialID   string            `col:"trial_id"`
	SeriesID  int32             `col:"series_id"` // unique within the trial
	Collector string            `col:"collector"` // procfs, prometheus, scrape, gpu
	Target    string            `col:"target"`    // runtime, client, node
	TargetID  string            `col:"target_id,null"`
	Pod       string            `col:"pod,null"`
	Node      string            `col:"node,null"`
	Name      string            `col:"name"` // as in cpu_cores, memory_working_set_bytes
	Unit      string            `col:"unit"`
	Labels    map[string]string `col:"labels"`
}

// Sample is one reading of a series.
type Sample struct {
	TrialID  string  `col:"trial_id"`
	SeriesID int32   `col:"series_id"`
	At       Instant `col:"at"`
	Value    float64 `col:"value"`
}

// RequestResource is a request joined with one series of its target over one window of its life.
type RequestResource struct {
	TrialID      string        `col:"trial_id"`
	Seq          int64         `col:"seq"`
	Attempt      int32         `col:"attempt"`
	Window       string        `col:"window"` // prefill: dispatched to first token; decode: first to last token; total: dispatched to done
	FromAt       Instant       `col:"from_at"`
	UntilAt      Instant       `col:"until_at"`
	Target       string        `col:"target"`
	Name         string        `col:"name"`
	Unit         string        `col:"unit"`
	Mean         Null[float64] `col:"mean"` // NULL: no sample covers the window
	Max          Null[float64] `col:"max"`
	Samples      int32         `col:"samples"`
	ResolutionNS Null[int64]   `col:"resolution_ns"` // the median distance of the series' samples: the join is true to ± this
}
