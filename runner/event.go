package runner

import "time"

// EventType is the type of an event: a closed list, the same in `apply -o jsonl`.
type EventType string

// What happens during an apply.
const (
	ApplyStarted       EventType = "apply_started"
	DeploymentStarting EventType = "deployment_starting"
	DeploymentReady    EventType = "deployment_ready"
	TrialStarted       EventType = "trial_started"
	TrialJudged        EventType = "trial_sealed"
	Note               EventType = "note"
	Warning            EventType = "warning"
	ApplyFinished      EventType = "apply_ended"
)

// Event is something that a person who watches an apply wants to know.
type Event struct {
	At     time.Time     `json:"at"`
	Type   EventType     `json:"type"`
	Apply  string        `json:"apply,omitempty"`
	Trial  string        `json:"trial,omitempty"`
	Index  int           `json:"index,omitempty"` // of the trial, from 0
	Of     int           `json:"of,omitempty"`
	Object string        `json:"object,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Took   time.Duration `json:"took_ns,omitempty"`
	// Verdict of a trial that was sealed.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Exit code of an apply that ended.
	Exit *int `json:"exit,omitempty"`
}
