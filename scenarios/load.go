package scenarios

import "time"

// Load is how it is asked: a shape and its limits.
type Load struct {
	Block
	Shape    string        // constant_rate, ramping_rate, burst, sine, replay, closed_loop, soak, search, cold_start
	Over     time.Duration // 0: Requests decides, or the stages do
	Requests int           // 0: Over decides
	Arrivals Arrivals
	Seed     int64

	MaxInFlight       int           // 0 means 512 in an open loop
	Timeout           time.Duration // whole request; 0 means 120 s
	FirstTokenTimeout time.Duration // 0: only Timeout
	StallTimeout      time.Duration // between chunks; 0: only Timeout
	DrainTimeout      time.Duration // for what is on its way when the load ends; 0 means 30 s

	RatePerSecond  float64       // constant_rate, soak
	Stages         []LoadStage   // ramping_rate, closed_loop
	FloorPerSecond float64       // burst
	PeakPerSecond  float64       // burst
	Width          time.Duration // burst: of a spike
	Every          time.Duration // burst: from spike to spike

	MeanPerSecond float64 // sine
	Amplitude     float64 // sine: per second
	Period        time.Duration

	Path   string // replay
	Format string
	Speed  float64

	Users     int           // closed_loop
	ThinkTime time.Duration // closed_loop

	From, To  float64 // search
	Of        string  // search: rate or users
	Tolerance float64
	Then      []SearchStage `json:",omitempty"` // search: made one after the other once the capacity is known
}

// Open tells whether arrivals follow a schedule, whatever the server does.
func (l Load) Open() bool {
	return l.Shape != "closed_loop" && l.Shape != "cold_start" && !(l.Shape == "search" && l.Of == "users")
}

// Arrivals says how the arrivals of an open loop are spread.
type Arrivals struct {
	Process    string  // even, poisson, gamma
	Burstiness float64 // gamma: the coefficient of variation squared of the gaps is 1 ÷ burstiness; 1 is Poisson
}

// LoadStage is one stage of a shape: linear from the stage before, or held from its start where Step.
type LoadStage struct {
	Over          time.Duration
	RatePerSecond float64
	Users         int
	Step          bool
}

// SearchStage is one stage after a search, held from its start.
type SearchStage struct {
	Over time.Duration
	// CapacityRatio times the rate or users that the search found is what is asked.
	CapacityRatio float64
}
