package load

import (
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// planCold lays out cold starts: how long they take is what they are made for. Each is a window of one request; who makes
// them starts the runtime before.
func (p *Plan) planCold() {
	p.MeasureFrom, p.coolDown = 0, 0 // there is no rate that they could be at
	p.Stages = []Stage{{Kind: "cold_start"}}
	p.Requests = int64(max(p.load.Requests, 1))
}

// coldStart asks once, at once. The request was intended when the load began, so that its latency is the whole wait.
func (g *generator) coldStart() {
	order := NewShuffle(g.Prompts, NewRand(g.Plan.seed, "prompts", "cold starts"))
	d := due{Turn: Turn{Stage: g.Plan.window.Stage, Seq: g.nextSeq()}, phase: tables.PhaseMeasure}
	d.PromptID = order.At(d.Seq)
	if g.arriving.Err() != nil || !g.prepare(&d) {
		return
	}
	g.live.due.Add(1)
	answered := make(chan struct{})
	g.busy.Go(func() {
		defer close(answered)
		g.ask(&d)
	})
	select {
	case <-answered:
		g.endMeasure(time.Since(g.began))
	case <-g.arriving.Done():
	}
}
