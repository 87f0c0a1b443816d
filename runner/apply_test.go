package runner

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// stage is a fake driver, worker, collector and recorder that write down what is done with them.
type stage struct {
	mu    sync.Mutex
	did   []string
	seals []Sealing

	startErr error
	died     chan struct{} // closed by the worker of the trial whose ID dies names
	dies     string
	late     time.Duration // from the load's end, at which a request was refused, to the news of the death
	findings chan string
	servedAs string
	served   []string // the models that assignments named
	resetErr error
	work     time.Duration
	drain    time.Duration // of the work, its end that no interrupt shortens
}

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what)
}

func (s *stage) Start(_ context.Context, d Deployment) (Endpoint, error) {
	s.note("start " + d.Name)
	if s.startErr != nil {
		return Endpoint{}, s.startErr
	}
	s.died = make(chan struct{})
	return Endpoint{
		Targets: []Target{{ID: "t", URL: "http://127.0.0.1:1"}}, Model: "m", Died: s.died,
		Death: func() string { return "killed by signal 9" }, Findings: s.findings, ServedAs: s.servedAs,
	}, nil
}

func (s *stage) ResetCache(_ context.Context, d Deployment) error {
	s.note("reset " + d.Name)
	return s.resetErr
}

func (s *stage) Stop(_ context.Context, d Deployment) error { s.note("stop " + d.Name); return nil }

func (s *stage) Trial(row tables.Trial) (TrialRecorder, error) {
	s.note("trial " + row.TrialID)
	return &rows{stage: s}, nil
}

func (s *stage) Open(_ context.Context, a benchclient.Assignment, sink load.Sink) (Maker, error) {
	return &maker{stage: s, assignment: a, sink: sink}, nil
}

// maker makes the one window of a trial.
type maker struct {
	*stage
	assignment benchclient.Assignment
	sink       load.Sink
	report     benchclient.Report
}

func (m *maker) Make(ctx context.Context, _ benchclient.Window) (benchclient.Made, error) {
	m.served = append(m.served, m.assignment.Runtime.Model)
	row := tables.Request{TrialID: m.assignment.TrialID}
	if m.assignment.TrialID == m.dies && m.late == 0 {
		close(m.died)
	}
	select {
	case <-ctx.Done():
		m.report.Interrupted = true
	case <-time.After(m.work - m.drain):
	}
	time.Sleep(m.drain)
	if m.assignment.TrialID == m.dies && m.late > 0 {
		row.ErrorKind = tables.ErrRefused
		died := m.died
		time.AfterFunc(m.late, func() { close(died) })
	}
	return benchclient.Made{}, m.sink.WriteRequests([]tables.Request{row})
}

func (m *maker) Report() benchclient.Report { return m.report }
func (m *maker) Close() error               { return nil }

// Collect samples until it is told to end, and then writes what it holds.
func (s *stage) Collect(ctx context.Context, sink SampleSink) error {
	<-ctx.Done()
	return sink.WriteSamples([]tables.Sample{{Value: 1}})
}

// rows records one trial.
type rows struct {
	*stage
	requests, samples int
	sealed            bool
}

func (r *rows) WriteRequests(q []tables.Request) error { r.requests += len(q); return nil }
func (r *rows) WriteArrivals([]tables.Arrival) error   { return nil }
func (r *rows) WriteBodies([]tables.Body) error        { return nil }
func (r *rows) WriteSeries([]tables.Series) error      { return nil }
func (r *rows) WriteSamples(q []tables.Sample) error {
	if r.sealed {
		return errors.New("a sample came after the seal")
	}
	r.samples += len(q)
	return nil
}
func (r *rows) Note([]tables.Event, []tables.Target) error { return nil }
func (r *rows) Seal(_ context.Context, s Sealing) (Verdict, error) {
	r.sealed = true
	if s.Begun && (r.requests != 1 || r.samples != 1) {
		return Verdict{}, errors.New("sealed before all rows were there")
	}
	r.note("seal " + s.Trial.TrialID + " " + string(s.Trial.Status))
	r.seals = append(r.seals, s)
	return Verdict{TrialID: s.Trial.TrialID, Status: s.Trial.Status}, nil
}

// perform applies a plan of the scenario on the stage.
func perform(ctx context.Context, t *testing.T, s *stage, sc *scenarios.Scenario) (Outcome, *Plan) {
	t.Helper()
	p, err := NewPlan(sc, "/results")
	if err != nil {
		t.Fatal(err)
	}
	j, err := OpenJournal(t.TempDir(), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	out, err := Apply(ctx, p, Deps{
		ApplyID: "id", Driver: s, Recorder: s, Journal: j,
		Equip: func(Trial, Endpoint, benchclient.Assignment, func(string)) (Equipment, error) {
			return Equipment{Worker: s, Collectors: []Collector{s}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, p
}

func TestTrialsOfOneDeploymentShareItAndOnlyOneIsUp(t *testing.T) {
	s := &stage{}
	out, p := perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 2))
	a, b := p.Deployments[0].Name, p.Deployments[1].Name
	var moves []string
	for _, d := range s.did {
		if strings.HasPrefix(d, "start") || strings.HasPrefix(d, "stop") {
			moves = append(moves, d)
		}
	}
	if want := []string{"start " + a, "stop " + a, "start " + b, "stop " + b}; !slices.Equal(moves, want) {
		t.Errorf("did %v, want %v", moves, want)
	}
	if len(out.Verdicts) != 4 || out.Interrupted {
		t.Errorf("outcome %+v", out)
	}
}

func TestARuntimeIsMadeFreshWhereTheRunAsksForIt(t *testing.T) {
	s := &stage{}
	sc := twoRuntimes(scenarios.OrderListed, 3)
	sc.Runs[0].Cells = sc.Runs[0].Cells[:1]
	sc.Runs[0].Cells[0].Reset = scenarios.ResetRuntime
	perform(t.Context(), t, s, sc)
	starts := 0
	for _, d := range s.did {
		if strings.HasPrefix(d, "start") {
			starts++
		}
	}
	if starts != 3 {
		t.Errorf("started %d times for three trials", starts)
	}
}

func TestACacheIsMadeColdBetweenTrialsOrElseTheRuntimeIsStartedAnew(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"it can":   {nil, []string{"start", "reset", "reset", "stop"}},
		"it can't": {errors.New("no such path"), []string{"start", "reset", "stop", "start", "reset", "stop", "start", "stop"}},
	} {
		s := &stage{resetErr: c.err, servedAs: "tiny"}
		sc := twoRuntimes(scenarios.OrderListed, 3)
		sc.Runs[0].Cells = sc.Runs[0].Cells[:1]
		sc.Runs[0].Cells[0].Reset = scenarios.ResetCache
		_, p := perform(t.Context(), t, s, sc)
		var moves []string
		for _, d := range s.did {
			if what, of, _ := strings.Cut(d, " "); of == p.Deployments[0].Name {
				moves = append(moves, what)
			}
		}
		if !slices.Equal(moves, c.want) || !p.Deployments[0].ResetsCache {
			t.Errorf("%s: did %v, want %v", name, moves, c.want)
		}
		if !slices.Equal(s.served, []string{"tiny", "tiny", "tiny"}) {
			t.Errorf("requests named %q, and the server calls its model tiny", s.served)
		}
	}
}

func TestWhatBefallsARuntimeThatLivesOnIsAFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{work: 10 * time.Second, findings: make(chan string, 1)}
		s.findings <- "a child of it was killed for memory"
		_, p := perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 1))
		if got := s.seals[0].RuntimeDied; got != "0s into the trial: a child of it was killed for memory" {
			t.Errorf("found %q", got)
		}
		if got := s.seals[1].RuntimeDied; got != "" || s.did[len(s.did)-1] != "stop "+p.Deployments[1].Name {
			t.Errorf("the trial after it found %q; %q", got, s.did)
		}
	})
}

func TestADeploymentThatDoesNotStartIsTriedOnceAndFailsItsTrials(t *testing.T) {
	s := &stage{startErr: errors.New("no such file")}
	out, _ := perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 2))
	if len(out.Verdicts) != 4 {
		t.Fatalf("%d verdicts, want 4", len(out.Verdicts))
	}
	for _, seal := range s.seals {
		if seal.Trial.Status != tables.StatusFailed || seal.Begun || !strings.Contains(seal.Failure, "no such file") {
			t.Errorf("sealed %s: %q", seal.Trial.Status, seal.Failure)
		}
	}
	starts := 0
	for _, d := range s.did {
		if strings.HasPrefix(d, "start") {
			starts++
		}
	}
	if starts != 2 {
		t.Errorf("started %d times, want once for each of two deployments", starts)
	}
}

func TestARuntimeThatDiesIsAFindingAndIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{work: 10 * time.Second, dies: `r[runtime="runtime.a"]#1`}
		out, p := perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 2))
		if got := s.seals[0]; got.Trial.Status != tables.StatusCompleted || !strings.Contains(got.RuntimeDied, "killed by signal 9") {
			t.Errorf("sealed %s, died %q", got.Trial.Status, got.RuntimeDied)
		}
		if got := s.seals[1]; got.RuntimeDied != "" {
			t.Errorf("the trial after it: died %q", got.RuntimeDied)
		}
		starts := 0
		for _, d := range s.did {
			if d == "start "+p.Deployments[0].Name {
				starts++
			}
		}
		if starts != 2 || len(out.Verdicts) != 4 {
			t.Errorf("started %d times, %d verdicts", starts, len(out.Verdicts))
		}
	})
}

func TestARuntimeThatDiesJustBeforeTheLoadEndsIsAFindingToo(t *testing.T) {
	for range 50 { // whoever of the two is heard first
		s := &stage{dies: `r[runtime="runtime.a"]#1`}
		perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 1))
		if got := s.seals[0].RuntimeDied; !strings.Contains(got, "killed by signal 9") {
			t.Fatalf("died %q", got)
		}
	}
}

func TestADeathThatIsToldAfterALoadThatLostConnectionsIsAFindingToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{work: time.Second, dies: `r[runtime="runtime.a"]#1`, late: time.Second}
		perform(t.Context(), t, s, twoRuntimes(scenarios.OrderListed, 1))
		if got := s.seals[0].RuntimeDied; !strings.Contains(got, "the runtime ended 2s into the trial: killed by signal 9") {
			t.Errorf("died %q", got)
		}
	})
}

func TestAnInterruptSealsTheTrialUnderWayAndTakesTheRuntimeDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{work: time.Minute}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		out, p := perform(ctx, t, s, twoRuntimes(scenarios.OrderListed, 2))
		if !out.Interrupted || len(out.Verdicts) != 2 {
			t.Fatalf("outcome %+v", out)
		}
		if s.seals[0].Trial.Status != tables.StatusCompleted || s.seals[1].Trial.Status != tables.StatusInterrupted {
			t.Errorf("sealed %s and %s", s.seals[0].Trial.Status, s.seals[1].Trial.Status)
		}
		if last := s.did[len(s.did)-1]; last != "stop "+p.Deployments[0].Name {
			t.Errorf("the last act was %q", last)
		}
	})
}

func TestATrialThatOnlyDrainedWhenTheInterruptCameIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{work: time.Minute, drain: 10 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 55*time.Second)
		defer cancel()
		out, _ := perform(ctx, t, s, twoRuntimes(scenarios.OrderListed, 2))
		if !out.Interrupted || len(s.seals) != 1 || s.seals[0].Trial.Status != tables.StatusCompleted {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestRequestsHaveTheHeadersThatTheEngineNeedsUnlessTheScenarioSaysThem(t *testing.T) {
	for _, c := range []struct {
		engine     string
		said, want map[string]string
	}{
		{"llamacpp", nil, map[string]string{"Connection": "close"}},
		{"llamacpp", map[string]string{"connection": "keep-alive", "X-A": "b"}, map[string]string{"connection": "keep-alive", "X-A": "b"}},
		{"ollama", map[string]string{"X-A": "b"}, map[string]string{"X-A": "b"}},
		{"ollama", nil, nil},
	} {
		r := scenarios.Runtime{Engine: c.engine, Headers: c.said, Model: "m"}
		asServed(&r, Endpoint{})
		if !maps.Equal(r.Headers, c.want) || r.Model != "m" {
			t.Errorf("%s with %v: %v, want %v", c.engine, c.said, r.Headers, c.want)
		}
	}
}

func TestTheNonceIsEqualAcrossCellsAndDiffersBetweenRepetitionsAndApplies(t *testing.T) {
	a := Trial{Run: "r", Repetition: 1, ID: "r[x=1]#1"}
	b := Trial{Run: "r", Repetition: 1, ID: "r[x=2]#1"}
	c := Trial{Run: "r", Repetition: 2, ID: "r[x=1]#2"}
	if nonce("one", a) != nonce("one", b) {
		t.Error("cells that are compared get different nonces")
	}
	if nonce("one", a) == nonce("one", c) || nonce("one", a) == nonce("two", a) {
		t.Error("a nonce came back")
	}
}
