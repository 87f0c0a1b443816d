package runner

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/scenarios"
)

// gentle is a cell on the simulated engine; parallel tells runtimes apart.
func gentle(parallel int, values map[string]string) scenarios.Cell {
	return scenarios.Cell{
		Values: values,
		Runtime: scenarios.Runtime{
			Block: scenarios.Block{Addr: "runtime.toy"}, Engine: "simulated", Protocol: "openai", Parallel: parallel,
		},
		PromptSet: scenarios.PromptSet{Block: scenarios.Block{Addr: "prompt_set.short"}, Kind: "synthetic", Prompts: 5},
		Load: scenarios.Load{
			Block: scenarios.Block{Addr: "load.gentle"}, Shape: "constant_rate", Over: 10 * time.Second, RatePerSecond: 5,
			Arrivals: scenarios.Arrivals{Process: "even"},
		},
		WarmUp: 2 * time.Second,
	}
}

func twoRuntimes(order scenarios.Order, trials int) *scenarios.Scenario {
	return &scenarios.Scenario{
		Name: "two", SHA256: "digest",
		Runs: []scenarios.Run{{
			Name: "r", Trials: trials, Order: order, Seed: 1,
			Cells: []scenarios.Cell{
				gentle(1, map[string]string{"runtime": "runtime.a"}),
				gentle(2, map[string]string{"runtime": "runtime.b"}),
			},
		}},
	}
}

func ids(t *testing.T, s *scenarios.Scenario) []string {
	t.Helper()
	p, err := NewPlan(s, "/results")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, trial := range p.Trials {
		out = append(out, trial.ID)
	}
	return out
}

func TestInterleavedTrialsTakeTurnsAndListedOnesDoNot(t *testing.T) {
	a, b := `r[runtime="runtime.a"]`, `r[runtime="runtime.b"]`
	if got, want := ids(t, twoRuntimes(scenarios.OrderInterleaved, 2)), []string{a + "#1", b + "#1", a + "#2", b + "#2"}; !slices.Equal(got, want) {
		t.Errorf("interleaved: %v, want %v", got, want)
	}
	if got, want := ids(t, twoRuntimes(scenarios.OrderListed, 2)), []string{a + "#1", a + "#2", b + "#1", b + "#2"}; !slices.Equal(got, want) {
		t.Errorf("listed: %v, want %v", got, want)
	}
}

func TestShuffledTrialsStayWithTheirDeployment(t *testing.T) {
	p, err := NewPlan(twoRuntimes(scenarios.OrderShuffled, 20), "/results")
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	for i := 1; i < len(p.Trials); i++ {
		if p.Trials[i].Deployment != p.Trials[i-1].Deployment {
			changes++
		}
	}
	if changes != 1 || len(p.Deployments) != 2 {
		t.Errorf("%d changes of deployment among %d deployments, want 1 and 2", changes, len(p.Deployments))
	}
	sorted := slices.IsSortedFunc(p.Trials[:20], func(a, b Trial) int { return a.Repetition - b.Repetition })
	if sorted {
		t.Error("twenty shuffled repetitions came out in order")
	}
}

func TestCellsOfARepetitionShareTheirSeedAndRepetitionsDoNot(t *testing.T) {
	p, err := NewPlan(twoRuntimes(scenarios.OrderInterleaved, 2), "/results")
	if err != nil {
		t.Fatal(err)
	}
	if p.Trials[0].Seed != p.Trials[1].Seed {
		t.Error("the two cells of the first repetition meet different loads")
	}
	if p.Trials[0].Seed == p.Trials[2].Seed {
		t.Error("two repetitions meet the same load")
	}
	if p.Trials[0].Seed < 0 {
		t.Error("a seed is negative")
	}
}

func TestAPlanSurvivesJSON(t *testing.T) {
	p, err := NewPlan(twoRuntimes(scenarios.OrderInterleaved, 2), "/results")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*p, back) {
		t.Errorf("read back: %+v\nwant: %+v", back, *p)
	}
}

func TestAPlanEstimatesTimeAndRequests(t *testing.T) {
	p, err := NewPlan(twoRuntimes(scenarios.OrderListed, 1), "/results")
	if err != nil {
		t.Fatal(err)
	}
	// 2 s of warm-up and 10 s at 5/s, twice.
	if p.EstimatedDuration != 24*time.Second || p.EstimatedRequests != 120 {
		t.Errorf("estimated %s and %d requests, want 24s and 120", p.EstimatedDuration, p.EstimatedRequests)
	}
}

func TestAPlanSaysWhatCannotBeApplied(t *testing.T) {
	s := twoRuntimes(scenarios.OrderListed, 1)
	c := &s.Runs[0].Cells[0]
	c.NodePool = &scenarios.NodePool{Block: scenarios.Block{Addr: "node_pool.gpu"}, Kind: "kubernetes"}
	s.Runs[0].Cells[1].Load.Shape = "replay"
	p, err := NewPlan(s, "/results")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"node_pool.gpu is a kubernetes pool", "load.gentle is of shape replay"} {
		if i >= len(p.NotExecutable) || !strings.Contains(p.NotExecutable[i], want) {
			t.Errorf("said %q, want %q in sentence %d", p.NotExecutable, want, i+1)
		}
	}
	if _, err := NewPlan(s, "/results", "nope"); err == nil || !strings.Contains(err.Error(), `there is no run "nope"`) {
		t.Errorf("an unknown run: %v", err)
	}
}

func TestAPlanSaysWhatAnEngineCannotDo(t *testing.T) {
	for _, c := range []struct {
		change func(*scenarios.Cell)
		want   string
	}{
		{func(c *scenarios.Cell) { c.Runtime.Engine, c.Runtime.Protocol = "vllm", "ollama" }, "runtime.toy speaks ollama, which engine vllm does not: it has openai, openai_completions."},
		{func(c *scenarios.Cell) { c.Runtime.Image = "x" }, "runtime.toy has an image, and engine simulated is in llmscen itself: leave it out."},
		{func(c *scenarios.Cell) { c.Runtime.Engine, c.Reset = "tgi", scenarios.ResetCache }, `Run "r" resets the cache before each trial, which engine tgi can't`},
		{func(c *scenarios.Cell) { c.Runtime.Engine = "nope" }, "runtime.toy is of engine nope, which this version does not know."},
		{func(c *scenarios.Cell) { c.Reset = scenarios.ResetCache }, ""},
		{func(c *scenarios.Cell) { c.Runtime.Engine = "llamacpp" }, ""},
	} {
		s := twoRuntimes(scenarios.OrderListed, 1)
		s.Runs[0].Cells = s.Runs[0].Cells[:1]
		c.change(&s.Runs[0].Cells[0])
		p, err := NewPlan(s, "/results")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.NotExecutable, " "); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("said %q, want %q", got, c.want)
		}
	}
}

func TestSlugsAreWhatKubernetesAllows(t *testing.T) {
	for in, want := range map[string]string{
		`llama["8b"]`:            "llama-8b",
		"Über":                   "ber",
		strings.Repeat("a-", 60): strings.TrimSuffix(strings.Repeat("a-", 20), "-"),
	} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOnlyRunsOfSeveralRuntimesAreAskedWhetherTheyAreTheSameModel(t *testing.T) {
	s := twoRuntimes(scenarios.OrderInterleaved, 2)
	p, err := NewPlan(s, "/results")
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range p.Trials {
		if trial.Identity {
			t.Errorf("%s is asked, and its run has one runtime", trial.ID)
		}
	}
	s.Runs[0].Cells[1].Runtime.Addr = "runtime.other"
	if p, err = NewPlan(s, "/results"); err != nil {
		t.Fatal(err)
	}
	for _, trial := range p.Trials {
		if !trial.Identity {
			t.Errorf("%s is not asked, and its run has two runtimes", trial.ID)
		}
	}
}
