package tables

// Status says how a trial ended.
type Status string

// The ways a trial ends.
const (
	StatusCompleted   Status = "completed"
	StatusFailed      Status = "failed"      // it could not be run to its end: the runtime did not start, the disk was full
	StatusInterrupted Status = "interrupted" // by a signal, or the process that ran it died
	StatusAborted     Status = "aborted"     // by a rule of the scenario
)

// Validity says whether the measurement of a trial may be believed.
type Validity string

// The verdicts on a measurement.
const (
	Valid   Validity = "valid"
	Flagged Validity = "flagged"
	Invalid Validity = "invalid"
)

// SLOState says whether the objectives of a trial were met.
type SLOState string

// The verdicts on objectives; "" (NULL) where the trial has none.
const (
	SLOPass          SLOState = "pass"
	SLOFail          SLOState = "fail"
	SLOIndeterminate SLOState = "indeterminate"
)

// Trial is one repetition of one cell of one run.
type Trial struct {
	TrialID           string             `col:"trial_id"` // as in `capacity[model="8b"]#3`
	Run               string             `col:"run"`
	Cell              map[string]string  `col:"cell"`
	CellNumbers       map[string]float64 `col:"cell_numbers"` // those of the cell that are numbers
	Labels            map[string]string  `col:"labels"`
	Repetition        int32              `col:"repetition"` // from 1
	Seed              int64              `col:"seed"`
	Runtime           string             `col:"runtime"`
	Engine            string             `col:"engine"`
	EngineVersion     string             `col:"engine_version,null"`
	Protocol          string             `col:"protocol"`
	Model             string             `col:"model,null"`
	ModelDigest       string             `col:"model_digest,null"`
	Quantization      string             `col:"quantization,null"`
	Image             string             `col:"image,null"`
	ImageDigest       string             `col:"image_digest,null"`
	RuntimeArgs       []string           `col:"runtime_args,null"`
	ContextTokens     int32              `col:"context_tokens,null"`
	Parallel          int32              `col:"parallel,null"`
	CPUsAllocated     float64            `col:"cpus_allocated,null"`
	GPUsAllocated     Null[float64]      `col:"gpus_allocated"`
	NodePool          string             `col:"node_pool,null"` // NULL: this machine
	NodeNames         []string           `col:"node_names,null"`
	InstanceType      string             `col:"instance_type,null"`
	Replicas          int32              `col:"replicas"`
	ClientWorkers     int32              `col:"client_workers"`
	Via               string             `col:"via,null"` // service, or round_robin by the client
	PromptSet         string             `col:"prompt_set"`
	Load              string             `col:"load"`
	LoadShape         string             `col:"load_shape"`
	StartedAt         Instant            `col:"started_at,null"`
	MeasureFrom       Instant            `col:"measure_from,null"`
	MeasureUntil      Instant            `col:"measure_until,null"`
	EndedAt           Instant            `col:"ended_at,null"`
	Status            Status             `col:"status"`
	Validity          Validity           `col:"validity,null"`
	ValidityReasons   []string           `col:"validity_reasons,null"`
	SLO               SLOState           `col:"slo,null"`
	KneeRatePerSecond Null[float64]      `col:"knee_rate_per_second"`
	KneeCILow         Null[float64]      `col:"knee_ci_low"`
	KneeCIHigh        Null[float64]      `col:"knee_ci_high"`
	BindingObjective  string             `col:"binding_objective,null"`
	ClockOffsetNS     Null[int64]        `col:"clock_offset_ns"`
	Fingerprint       string             `col:"fingerprint,null"` // JSON: what machine, what software
	GitCommit         string             `col:"git_commit,null"`
	PricePerHour      Null[float64]      `col:"price_per_hour"`
	PriceCurrency     string             `col:"price_currency,null"`
	ResumesApply      string             `col:"resumes_apply,null"`
}

// Stage is one offered load within a trial: a stage of a ramp, one level of users; a constant load has one.
type Stage struct {
	TrialID               string        `col:"trial_id"`
	Stage                 int32         `col:"stage"` // from 0
	Kind                  string        `col:"kind"`  // constant, ramp, burst, floor, users, probe
	FromAt                Instant       `col:"from_at,null"`
	UntilAt               Instant       `col:"until_at,null"`
	TargetRatePerSecond   Null[float64] `col:"target_rate_per_second"` // the mean over the stage; NULL in a closed loop
	TargetUsers           Null[float64] `col:"target_users"`
	AchievedRatePerSecond Null[float64] `col:"achieved_rate_per_second"` // requests sent in the stage by its length
	Attainment            Null[float64] `col:"attainment"`               // share of requests that met every objective
	CILow                 Null[float64] `col:"ci_low"`
	CIHigh                Null[float64] `col:"ci_high"`
	Outcome               string        `col:"outcome,null"` // held, missed, overloaded, undecided
}

// Target is a pod or process that answered.
type Target struct {
	TrialID    string `col:"trial_id"`
	TargetID   string `col:"target_id"`
	URL        string `col:"url"`
	MetricsURL string `col:"metrics_url,null"`
	Pod        string `col:"pod,null"`
	Node       string `col:"node,null"`
}

// Event is something that happened during a trial.
type Event struct {
	At      Instant `col:"at"`
	TrialID string  `col:"trial_id,null"`
	Kind    string  `col:"kind"`
	Object  string  `col:"object,null"`
	Message string  `col:"message"`
}

// Verdict is one objective of a trial or of one of its stages.
type Verdict struct {
	TrialID  string        `col:"trial_id"`
	Stage    Null[int32]   `col:"stage"` // NULL: the whole trial
	Metric   string        `col:"metric"`
	Stat     string        `col:"stat"`
	Limit    float64       `col:"limit"`
	Measured Null[float64] `col:"measured"`
	CILow    Null[float64] `col:"ci_low"`
	CIHigh   Null[float64] `col:"ci_high"`
	Unit     string        `col:"unit"`
	Met      Null[bool]    `col:"met"` // NULL: the data can't tell
}

// Summary is one figure of a trial or of one of its stages.
type Summary struct {
	TrialID string        `col:"trial_id"`
	Stage   Null[int32]   `col:"stage"` // NULL: the whole trial
	Metric  string        `col:"metric"`
	Stat    string        `col:"stat"`
	Value   Null[float64] `col:"value"`
	Unit    string        `col:"unit"`
	CILow   Null[float64] `col:"ci_low"`
	CIHigh  Null[float64] `col:"ci_high"`
	N       int64         `col:"n"`
	Method  string        `col:"method,null"`
}
