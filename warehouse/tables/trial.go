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
	TrialID           string             `col:"trial_id"`               // as in `capacity[model="8b"]#3`
	Run               string             `col:"run"`                    // the run's name
	Cell              map[string]string  `col:"cell"`                   // the matrix keys and what they were here
	CellNumbers       map[string]float64 `col:"cell_numbers"`           // those of the cell that are numbers
	Labels            map[string]string  `col:"labels"`                 // those given to apply
	Repetition        int32              `col:"repetition"`             // from 1
	Seed              int64              `col:"seed"`                   // of its schedule and prompts
	Runtime           string             `col:"runtime"`                // the runtime's address
	Engine            string             `col:"engine"`                 // the kind of runtime, as in wasm, vllm
	EngineVersion     string             `col:"engine_version,null"`    // as the engine tells it
	Protocol          string             `col:"protocol"`               // how it was asked, as in openai, ollama
	Model             string             `col:"model,null"`             // as the server names it
	ModelDigest       string             `col:"model_digest,null"`      // digest of the weights
	AnswersSHA256     string             `col:"answers_sha256,null"`    // digest of its greedy answers to the identity prompts, equal for the same model; NULL: not asked, or not answered
	Quantization      string             `col:"quantization,null"`      // as in Q8_0
	Image             string             `col:"image,null"`             // the container image
	ImageDigest       string             `col:"image_digest,null"`      // its digest
	RuntimeArgs       []string           `col:"runtime_args,null"`      // arguments that the runtime was started with
	ContextTokens     int32              `col:"context_tokens,null"`    // the longest prompt with its answer
	Parallel          int32              `col:"parallel,null"`          // requests that the server works on at once
	CPUsAllocated     float64            `col:"cpus_allocated,null"`    // cores that the runtime may use
	GPUsAllocated     Null[float64]      `col:"gpus_allocated"`         // GPUs that the runtime may use
	NodePool          string             `col:"node_pool,null"`         // NULL: this machine
	NodeNames         []string           `col:"node_names,null"`        // the machines that it ran on
	InstanceType      string             `col:"instance_type,null"`     // the machine type, in a cloud
	Replicas          int32              `col:"replicas"`               // processes or pods that answer
	ClientWorkers     int32              `col:"client_workers"`         // processes or pods that ask
	Via               string             `col:"via,null"`               // service, or round_robin by the client
	PromptSet         string             `col:"prompt_set"`             // the prompt set's address
	Load              string             `col:"load"`                   // the load's address
	LoadShape         string             `col:"load_shape"`             // the kind of load, as in constant_rate
	StartedAt         Instant            `col:"started_at,null"`        // when the trial began
	MeasureFrom       Instant            `col:"measure_from,null"`      // start of the measured window
	MeasureUntil      Instant            `col:"measure_until,null"`     // end of the measured window
	EndedAt           Instant            `col:"ended_at,null"`          // when the trial ended
	Status            Status             `col:"status"`                 // completed, failed, interrupted or aborted
	Validity          Validity           `col:"validity,null"`          // whether the measurement may be believed: valid, flagged or invalid; NULL: not judged
	ValidityReasons   []string           `col:"validity_reasons,null"`  // why it is not valid, a sentence each
	SLO               SLOState           `col:"slo,null"`               // pass, fail or indeterminate; NULL: no objectives
	KneeRatePerSecond Null[float64]      `col:"knee_rate_per_second"`   // the highest rate of a search that met every objective; NULL: none did, or it searched users
	KneeCILow         Null[float64]      `col:"knee_ci_low"`            // lower end of its interval: the highest rate that met them beyond doubt; NULL: none did
	KneeCIHigh        Null[float64]      `col:"knee_ci_high"`           // upper end of its interval: the lowest rate that beyond doubt did not; NULL: none was tried
	BindingObjective  string             `col:"binding_objective,null"` // the objective that came nearest to its limit, or furthest beyond it; of a search that which ended it
	ClockOffsetNS     Null[int64]        `col:"clock_offset_ns"`        // Prometheus' clock minus ours
	Fingerprint       string             `col:"fingerprint,null,json"`  // JSON: what machine, what software
	GitCommit         string             `col:"git_commit,null"`        // commit of the scenario's folder
	PricePerHour      Null[float64]      `col:"price_per_hour"`         // of everything that the runtime ran on
	PriceCurrency     string             `col:"price_currency,null"`    // as in USD
	ResumesApply      string             `col:"resumes_apply,null"`     // the apply that this one goes on from
}

// Stage is one offered load within a trial: a stage of a ramp, one level of users, a probe of a search; a constant load has
// one.
type Stage struct {
	TrialID               string        `col:"trial_id"`                 // the trial it belongs to
	Stage                 int32         `col:"stage"`                    // from 0
	Kind                  string        `col:"kind"`                     // constant, ramp, burst, floor, users, probe, stress, cold_start
	FromAt                Instant       `col:"from_at,null"`             // start of the stage
	UntilAt               Instant       `col:"until_at,null"`            // end of the stage
	TargetRatePerSecond   Null[float64] `col:"target_rate_per_second"`   // the mean over the stage; NULL in a closed loop
	TargetUsers           Null[float64] `col:"target_users"`             // users at once, in a closed loop
	AchievedRatePerSecond Null[float64] `col:"achieved_rate_per_second"` // requests sent in the stage by its length
	Attainment            Null[float64] `col:"attainment"`               // share of requests that met every objective
	CILow                 Null[float64] `col:"ci_low"`                   // lower end of the interval of attainment
	CIHigh                Null[float64] `col:"ci_high"`                  // upper end of the interval of attainment
	Outcome               string        `col:"outcome,null"`             // held, missed, overloaded or undecided; of a probe whose level was probed before also likely_held or likely_missed
}

// What came of a stage.
const (
	OutcomeHeld       = "held"
	OutcomeMissed     = "missed"
	OutcomeOverloaded = "overloaded"
	OutcomeUndecided  = "undecided"
	// What a search takes a level for that it has probed twice and still can't tell.
	OutcomeLikelyHeld   = "likely_held"
	OutcomeLikelyMissed = "likely_missed"
)

// The kinds of stages that a search makes: a probe on the way to the capacity, and a stage at a multiple of it.
const (
	KindProbe  = "probe"
	KindStress = "stress"
)

// Target is a pod or process that answered.
type Target struct {
	TrialID    string `col:"trial_id"`         // the trial it belongs to
	TargetID   string `col:"target_id"`        // its name within the trial
	URL        string `col:"url"`              // where it answers
	MetricsURL string `col:"metrics_url,null"` // where it tells its metrics
	Pod        string `col:"pod,null"`         // the pod, in a cluster
	Node       string `col:"node,null"`        // the machine
}

// EventIdentity is the kind of the event whose message is JSON: what was answered to the identity prompts.
const EventIdentity = "identity"

// KindColdStart is the kind of a stage that is one cold start, and EventColdStart that of the event whose message is a
// ColdStart in JSON.
const (
	KindColdStart  = "cold_start"
	EventColdStart = "cold_start"
)

// ColdStart is how long it took a runtime to come up; its request tells the rest.
type ColdStart struct {
	Stage int32 `json:"stage"`
	// StartNS is from the order until the server answered at all, LoadNS from there until it could serve. Where the second
	// is not told it is null, and in the first.
	StartNS int64       `json:"start_ns"`
	LoadNS  Null[int64] `json:"load_ns"`
}

// Event is something that happened during a trial.
type Event struct {
	At      Instant `col:"at"`            // when it happened
	TrialID string  `col:"trial_id,null"` // NULL: it belongs to the whole apply
	Kind    string  `col:"kind"`          // what happened, one word
	Object  string  `col:"object,null"`   // to what
	Message string  `col:"message"`       // a sentence
}

// Verdict is one objective of a trial or of one of its stages.
type Verdict struct {
	TrialID  string        `col:"trial_id"` // the trial it belongs to
	Stage    Null[int32]   `col:"stage"`    // NULL: the whole trial
	Metric   string        `col:"metric"`   // as in ttft
	Stat     string        `col:"stat"`     // as in p99
	Limit    float64       `col:"limit"`    // what was promised
	Measured Null[float64] `col:"measured"` // what was found; NULL: too few samples
	CILow    Null[float64] `col:"ci_low"`   // lower end of its interval
	CIHigh   Null[float64] `col:"ci_high"`  // upper end of its interval
	Unit     string        `col:"unit"`     // of limit, measured and the interval
	Met      Null[bool]    `col:"met"`      // NULL: the data can't tell
}

// Summary is one figure of a trial or of one of its stages.
type Summary struct {
	TrialID string        `col:"trial_id"`    // the trial it belongs to
	Stage   Null[int32]   `col:"stage"`       // NULL: the whole trial
	Metric  string        `col:"metric"`      // as in ttft
	Stat    string        `col:"stat"`        // as in p99
	Value   Null[float64] `col:"value"`       // NULL: too few samples
	Unit    string        `col:"unit"`        // of value and the interval
	CILow   Null[float64] `col:"ci_low"`      // lower end of the interval
	CIHigh  Null[float64] `col:"ci_high"`     // upper end of the interval
	N       int64         `col:"n"`           // how many values it was computed from
	Method  string        `col:"method,null"` // how the interval was computed
}
