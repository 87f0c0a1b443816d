package load

import (
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// closedLoop lets users ask, each one request at a time, as many users as the plan has at each moment.
func (g *generator) closedLoop() {
	c := &crowd{generator: g, order: NewShuffle(g.Prompts, NewRand(g.Plan.seed, "prompts", "users"))}
	c.left.Store(c.quota())
	c.pending.Store(c.quota())
	c.spent = make(chan struct{})
	defer c.resize(0)
	if c.Load.Requests > 0 && c.quota() == 0 { // fewer requests than workers
		return
	}
	for _, l := range g.Plan.levels {
		if !c.wait(l.at) {
			break
		}
		c.resize(l.users)
	}
	// The last users stay until the measured part is over, and through the cool-down.
	if g.Plan.MeasureUntil == 0 {
		select {
		case <-c.spent:
		case <-g.arriving.Done():
			return
		}
	} else if !c.wait(g.Plan.MeasureUntil) && g.arriving.Err() != nil {
		return
	}
	_ = waitUntil(g.arriving, g.began.Add(g.until())) // that it is cut short is seen by Run
}

// crowd is the users of a closed loop.
type crowd struct {
	*generator
	users []user
	order Shuffle

	left    atomic.Int64  // measured requests that may still begin
	pending atomic.Int64  // measured requests that have not ended
	spent   chan struct{} // closed when none is pending
}

// user asks until leave is closed; gone is closed when the last answer is there.
type user struct {
	leave, gone chan struct{}
}

// quota is this worker's share of the measured requests.
func (c *crowd) quota() int64 {
	all, n := int64(c.Load.Requests), c.Share.workers()
	q := all / n
	if int64(c.Share.Worker) < all%n {
		q++
	}
	return q
}

// wait waits for an offset. false: the requests are spent or the load is interrupted.
func (c *crowd) wait(at time.Duration) bool {
	timer := time.NewTimer(time.Until(c.began.Add(at)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.spent:
		return false
	case <-c.arriving.Done():
		return false
	}
}

// resize lets users of this worker come or go until there are as many as n says: worker i of m has users i, i+m, ….
// One who goes still waits for the answer; one who comes back begins when it is there.
func (c *crowd) resize(n int) {
	mine := 0
	for u := c.Share.Worker; u < n; u += int(c.Share.workers()) {
		mine++
	}
	for i := len(c.users) - 1; i >= mine; i-- {
		u := &c.users[i]
		if u.leave != nil {
			close(u.leave)
			u.leave = nil
		}
	}
	for i := range mine {
		if i == len(c.users) {
			c.users = append(c.users, user{})
		}
		u := &c.users[i]
		if u.leave != nil {
			continue
		}
		before := u.gone
		*u = user{leave: make(chan struct{}), gone: make(chan struct{})}
		leave, gone := u.leave, u.gone
		c.busy.Go(func() {
			defer close(gone)
			if before != nil {
				<-before
			}
			c.ask(leave)
		})
	}
}

// ask is the life of a user: ask, wait for the answer, think, ask again.
func (c *crowd) ask(leave <-chan struct{}) {
	var d due
	var answer Answer
	for first := true; ; first = false {
		think := c.Load.ThinkTime
		if d.prompt.HasNext && d.prompt.ThinkTime > 0 {
			think = d.prompt.ThinkTime
		}
		if !first && !c.think(think, leave) {
			return
		}
		phase, stage, ok := c.admit(leave)
		if !ok {
			return
		}
		turn := Turn{Seq: c.nextSeq()}
		turn.PromptID = c.order.At(turn.Seq)
		if d.prompt.HasNext && answer.ErrorKind == "" {
			turn.PromptID, turn.Session, turn.Turn = d.PromptID, d.Session, d.Turn.Turn+1
			turn.Before, turn.Answer = d.prompt.Messages, answer.Output
		}
		turn.Stage = stage
		d = due{Turn: turn, phase: phase}
		if !c.prepare(&d) {
			return
		}
		d.intended = time.Since(c.began)
		c.live.due.Add(1)
		answer = c.generator.ask(&d)
		if phase == tables.PhaseMeasure && c.pending.Add(-1) == 0 && c.Load.Requests > 0 {
			c.endMeasure(time.Since(c.began))
			close(c.spent)
		}
	}
}

// think pauses. false: the user is to leave.
func (c *crowd) think(d time.Duration, leave <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-leave:
		return false
	case <-c.arriving.Done():
		return false
	}
}

// admit says what a request that begins now belongs to. false: none may begin.
func (c *crowd) admit(leave <-chan struct{}) (tables.Phase, int32, bool) {
	select {
	case <-leave:
		return "", 0, false
	case <-c.arriving.Done():
		return "", 0, false
	default:
	}
	after := time.Since(c.began)
	phase, stage := c.phase(after)
	if phase == tables.PhaseMeasure && c.Load.Requests > 0 && c.left.Add(-1) < 0 {
		phase = tables.PhaseCoolDown
	}
	until := c.until()
	if phase == tables.PhaseCoolDown && (c.Plan.coolDown == 0 || until > 0 && after >= until) {
		return "", 0, false
	}
	return phase, stage, true
}
