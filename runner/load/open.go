package load

import (
	"context"
	"sync"
)

// lookAhead is how many prompts are ready before their time. They can be long, and their making must not delay a
// request.
const lookAhead = 32

// openLoop sends every arrival of the schedule at its time, or as soon after as it can, whatever the server does.
func (g *generator) openLoop() {
	ctx, stop := context.WithCancel(g.arriving)
	var preparing sync.WaitGroup
	defer preparing.Wait()
	defer stop()

	ready := make(chan due, lookAhead)
	preparing.Go(func() {
		defer close(ready)
		schedule := g.Plan.Schedule(g.Share, g.Prompts)
		for {
			a, ok := schedule.Next()
			if !ok {
				return
			}
			d := due{
				Turn:  Turn{Stage: a.Stage, Seq: a.Seq, PromptID: a.PromptID},
				phase: a.Phase, intended: a.After,
			}
			if !g.prepare(&d) {
				return
			}
			select {
			case ready <- d:
			case <-ctx.Done():
				return
			}
		}
	})

	end := g.Pacer.Begin()
	defer end()
	for d := range ready {
		if g.Pacer.Wait(ctx, g.began.Add(d.intended)) != nil {
			return
		}
		g.live.due.Add(1)
		if !g.takeSlot() {
			g.notSent(&d)
			continue
		}
		g.busy.Go(func() { g.session(d) })
	}
	_ = waitUntil(ctx, g.began.Add(g.Plan.Until)) // that it is cut short is seen by Run
}

// takeSlot takes one of MaxInFlight places, if one is free.
func (g *generator) takeSlot() bool {
	limit := int64(g.Load.MaxInFlight)
	if limit <= 0 {
		limit = DefaultMaxInFlight
	}
	if g.inFlight.Add(1) > limit {
		g.inFlight.Add(-1)
		return false
	}
	return true
}

// session makes the request d, whose slot is taken, and the later turns of its conversation. A later turn is due at the
// end of the answer before plus the think time, and needs a slot like any other request.
func (g *generator) session(d due) {
	for {
		answer := g.ask(&d)
		g.inFlight.Add(-1)
		next, ok := g.followUp(&d, answer)
		if !ok || waitUntil(g.arriving, g.began.Add(next.intended)) != nil {
			return
		}
		g.live.due.Add(1)
		if !g.takeSlot() {
			g.notSent(&next)
			return
		}
		d = next
	}
}
