package procfs

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// memory is a sink that keeps everything, and fails the test when a sample comes before its series.
type memory struct {
	t      *testing.T
	series map[int32]tables.Series
	values map[string][]float64 // by target and name
	times  map[string][]tables.Instant
	notes  []string
}

func newMemory(t *testing.T) *memory {
	return &memory{t: t, series: map[int32]tables.Series{}, values: map[string][]float64{}, times: map[string][]tables.Instant{}}
}

func (m *memory) WriteSeries(rows []tables.Series) error {
	for _, s := range rows {
		if _, twice := m.series[s.SeriesID]; twice {
			m.t.Errorf("series %d was written twice", s.SeriesID)
		}
		m.series[s.SeriesID] = s
	}
	return nil
}

func (m *memory) WriteSamples(rows []tables.Sample) error {
	for _, s := range rows {
		series, ok := m.series[s.SeriesID]
		if !ok {
			m.t.Errorf("a sample of series %d came before the series", s.SeriesID)
		}
		key := series.Target + " " + series.Name
		m.values[key] = append(m.values[key], s.Value)
		m.times[key] = append(m.times[key], s.At)
	}
	return nil
}

func (m *memory) note(s string) { m.notes = append(m.notes, s) }

func (m *memory) source(target, name string) string {
	for _, s := range m.series {
		if s.Target == target && s.Name == name {
			return s.Labels["source"]
		}
	}
	return ""
}

func (m *memory) wantValues(key string, want ...float64) {
	m.t.Helper()
	got := m.values[key]
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }) {
		m.t.Errorf("%s: got %v, want %v", key, got, want)
	}
}

// machine is a made-up / with the files of testdata.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T, archives ...string) *machine {
	m := &machine{t: t, root: t.TempDir()}
	for _, name := range archives {
		a, err := txtar.ParseFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			m.write(f.Name, string(f.Data))
		}
	}
	m.write("proc/77/comm", "llmscen\n")
	m.link("proc/self", "77")
	m.link("proc/77/ns/net", "net:[1]")
	return m
}

func (m *machine) write(name, content string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) link(name, to string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		m.t.Fatal(err)
	}
}

// replace changes what a file says.
func (m *machine) replace(name, old, new string) {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.root, name))
	if err != nil {
		m.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		m.t.Fatalf("%s does not say %q", name, old)
	}
	m.write(name, strings.Replace(string(b), old, new, 1))
}

// collect runs a collector on the machine in virtual time; each step changes the machine between two samples.
func (m *machine) collect(o Options, steps ...func()) *memory {
	m.t.Helper()
	sink := newMemory(m.t)
	o.Note = sink.note
	synctest.Test(m.t, func(t *testing.T) {
		c := New(o)
		c.root = m.root
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Collect(ctx, sink) }()
		for _, step := range steps {
			synctest.Wait()
			step()
			time.Sleep(c.o.Every)
		}
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return sink
}

func TestASampleIsTakenAtEveryTickAndOnceMoreAtTheEnd(t *testing.T) {
	m := newMachine(t, "node.txtar")
	sink := m.collect(Options{Node: true, Every: time.Second}, func() {}, func() {})
	sink.wantValues("node memory_available_bytes", 24175696*1024, 24175696*1024, 24175696*1024, 24175696*1024)
	times := sink.times["node memory_available_bytes"]
	if times[1]-times[0] != 1e9 || times[2]-times[1] != 1e9 || times[3] != times[2] {
		t.Errorf("the samples are at %v", times)
	}
}

func TestEveryRowNamesItsTrialAndSeriesAreNumberedFromTheFirst(t *testing.T) {
	m := newMachine(t, "node.txtar", "v2.txtar")
	sink := m.collect(Options{
		TrialID: "chat#1", FirstSeriesID: 100, Node: true, NodeName: "here",
		Processes: []Process{{Target: TargetRuntime, TargetID: "chat-0", PID: 4242}},
	})
	if len(sink.series) == 0 {
		t.Fatal("no series was written")
	}
	for i, id := range slices.Sorted(maps.Keys(sink.series)) {
		s := sink.series[id]
		if int(id) != 100+i || s.TrialID != "chat#1" || s.Collector != "procfs" || s.Node != "here" || s.Unit == "" || s.Labels["source"] == "" {
			t.Errorf("series %d is %+v", id, s)
		}
		if want := map[string]string{TargetRuntime: "chat-0"}[s.Target]; s.TargetID != want {
			t.Errorf("%s of the %s has target_id %q, want %q", s.Name, s.Target, s.TargetID, want)
		}
	}
}

func TestEverySeriesHasADefinitionThatNamesItsTargets(t *testing.T) {
	defined := map[string]Definition{}
	for _, d := range Definitions() {
		if _, twice := defined[d.Name]; twice {
			t.Errorf("%s is defined twice", d.Name)
		}
		if d.Unit == "" || !strings.HasSuffix(d.Doc, ".") {
			t.Errorf("%s is not defined in a sentence with a unit: %+v", d.Name, d)
		}
		defined[d.Name] = d
	}
	m := newMachine(t, "node.txtar", "v1.txtar")
	m.link("proc/4242/ns/net", "net:[1]")
	sink := m.collect(Options{Node: true, ClientBytes: func() (int64, int64) { return 0, 0 }, Processes: []Process{
		{Target: TargetRuntime, PID: 4242, Cgroup: "/x/llmscen-chat-1f2e", ListenPort: 1},
	}}, func() {})
	for _, s := range sink.series {
		if d := defined[s.Name]; d.Unit != s.Unit || !slices.Contains(d.Targets, s.Target) {
			t.Errorf("the series %s of the %s in %s is not as defined: %+v", s.Name, s.Target, s.Unit, d)
		}
	}
}

func TestAFailingSinkEndsTheCollection(t *testing.T) {
	m := newMachine(t, "node.txtar")
	c := New(Options{Node: true})
	c.root = m.root
	full := errors.New("no space left")
	if err := c.Collect(t.Context(), failing{full}); !errors.Is(err, full) || !strings.Contains(err.Error(), "writing resource series: no space left") {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) WriteSeries([]tables.Series) error  { return f.err }
func (f failing) WriteSamples([]tables.Sample) error { return f.err }

func TestWhatIsNotThereIsANoteAndNotAnError(t *testing.T) {
	m := newMachine(t, "node.txtar")
	for _, file := range []string{"proc/pressure/cpu", "proc/meminfo", "proc/net/dev"} {
		if err := os.Remove(filepath.Join(m.root, file)); err != nil {
			t.Fatal(err)
		}
	}
	sink := m.collect(Options{Node: true, Processes: []Process{{Target: TargetRuntime, TargetID: "chat-0", PID: 4242}}}, func() {})
	if want := []string{"The resources of the runtime chat-0 are not known: no process 4242 is there."}; !slices.Equal(sink.notes, want) {
		t.Errorf("got the notes %q, want %q", sink.notes, want)
	}
	for _, s := range sink.series {
		if s.Target == TargetRuntime || s.Name == SeriesPSICPU || s.Name == SeriesMemoryAvailable {
			t.Errorf("%s of the %s was written", s.Name, s.Target)
		}
	}
	if len(sink.values["node psi_io_some_ratio"]) == 0 {
		t.Error("the pressure that can be read was not written")
	}
}

func TestAMachineWithoutProcIsANote(t *testing.T) {
	sink := newMemory(t)
	c := New(Options{Node: true, Note: sink.note})
	c.root = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Collect(ctx, sink); err != nil {
		t.Fatal(err)
	}
	if len(sink.notes) != 1 || !strings.HasPrefix(sink.notes[0], "No resources are sampled: opening ") {
		t.Errorf("got the notes %q", sink.notes)
	}
}
