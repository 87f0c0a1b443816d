package load

import "time"

// Window is the place of a load in a trial whose load is made in several, one after the other. The zero Window is that of
// a load which is a trial's only one.
type Window struct {
	// Stage and Seq are those of its first stage and its first request.
	Stage int32
	Seq   int64
	// Kind is the kind of its stages; "": what the plan says.
	Kind string
	// Name is how a person who watches calls it, as in "probe 3 at 24/s".
	Name string
	// Began is the start of the load where it lies before the call that makes it: of a cold start, when the runtime's start
	// was ordered. Zero: soon after the call.
	Began time.Time
}

// Within is the plan as a window of a trial: its stages and requests are numbered from those of the window on.
func (p *Plan) Within(w Window) *Plan {
	q := *p
	q.window = w
	return &q
}

// stageAt is the plan's own stage behind the number of a trial's; false: it has none.
func (p *Plan) stageAt(number int32) (i int, ok bool) {
	i = int(number - p.window.Stage)
	return i, i >= 0 && i < len(p.Stages)
}
