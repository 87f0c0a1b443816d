package cli

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/scenarios"
)

// limitFiles lets no file of the apply grow beyond so many bytes: the kernel refuses the write, as a full disk does.
func (p *process) limitFiles(bytes uint64) {
	p.t.Helper()
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: bytes}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// spooled waits until the spool holds requests, and tells how many bytes of them.
func (p *process) spooled() uint64 {
	p.t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		for _, path := range p.files("spool/*/*/requests-0000.arrows") {
			if info, err := os.Stat(path); err == nil && info.Size() > 0 {
				return uint64(info.Size())
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("nothing is spooled; standard error: %s", &p.stderr)
		}
	}
}

// files are those of the warehouse that match.
func (p *process) files(pattern string) []string {
	p.t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.dir, "results", pattern))
	if err != nil {
		p.t.Fatal(err)
	}
	return paths
}

// failed waits for the end, which must be exit 1 with one error that says all this.
func (p *process) failed(says ...string) {
	p.t.Helper()
	if got := p.ends(); got != exitFailed {
		p.t.Fatalf("it ended with %d, want %d; standard error: %s", got, exitFailed, &p.stderr)
	}
	text := p.stderr.String()
	for _, want := range append(says, "`llmscen recover --warehouse "+filepath.Join(p.dir, "results")+" "+p.journal().ID+"` seals them.") {
		if !strings.Contains(text, want) {
			p.t.Errorf("it does not say %q: %s", want, text)
		}
	}
	if n := strings.Count(text, "Error: "); n != 1 {
		p.t.Errorf("%d errors: %s", n, text)
	}
}

// recovers recovers the apply, and holds what the warehouse has then against what a failed write may cost. It returns the
// number of its requests.
func (p *process) recovers() int64 {
	p.t.Helper()
	for _, args := range [][]string{{"recover"}, {"verify"}, {"query", "from trial_summary"}, {"down"}} {
		if out, code := p.llmscen(args...); code != exitDone {
			p.t.Fatalf("%v ended with %d: %s", args, code, out)
		}
	}
	for what, query := range map[string]string{
		"trials too many or missing":             "select abs(count(*) - 1) from trials",
		"requests missing among those before it": "select coalesce(max(seq) + 1, 0) - count(*) from requests",
		"requests twice":                         "select count(*) - count(distinct seq) from requests",
		"requests without a trial":               "select count(*) from requests anti join trials using (apply, trial_id)",
		"trials said to be what they are not":    "select count(*) from trials where status not in ('failed', 'interrupted') or validity is null",
	} {
		if n := p.count(query); n != 0 {
			p.t.Errorf("%d %s", n, what)
		}
	}
	err := filepath.WalkDir(filepath.Join(p.dir, "results"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") || filepath.Base(path) == "spool" {
			p.t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.count("select count(*) from requests")
}

// oneUserAsksForever has neither a schedule nor samples: requests are the longest file.
var oneUserAsksForever = strings.NewReplacer(`load "constant_rate" "l" {
  rate_per_second = 50
  over            = "60s"`, `load "closed_loop" "l" {
  users    = 1
  requests = 1000000`, `load       = load.l`, `load       = load.l
  collect    = []`).Replace(longRun)

func TestADiskThatFillsUpUnderALoadCostsNoFinishedRequest(t *testing.T) {
	t.Parallel()
	p := startApply(t, oneUserAsksForever)
	p.await(runner.TrialStarted)
	p.limitFiles(3 * p.spooled()) // some batches: the one that goes beyond has room in the next segment
	p.failed("requests-0000.arrows: file too large")
	finished := p.count("select count(*) from requests where error_kind is null")
	if n := p.recovers(); n == 0 || finished == 0 || p.count("select count(*) from requests where error_kind is null") != finished {
		t.Errorf("%d requests, of which %d had finished when it failed", n, finished)
	}
	if n := p.count("select count(*) from trials where status = 'failed' and array_to_string(validity_reasons, '; ') like '%file too large%'"); n != 1 {
		t.Error("the trial does not say what stopped it")
	}
}

func TestADiskThatTakesNothingAnyMoreKeepsWhatWasFlushed(t *testing.T) {
	t.Parallel()
	p := startApply(t, longRun)
	p.await(runner.TrialStarted)
	p.spooled()
	p.limitFiles(0)
	p.failed("file too large")
	if n := p.recovers(); n == 0 {
		t.Error("no request was recovered, and some had been flushed")
	}
}

func TestASealThatFindsNoRoomLeavesNoPartAndIsDoneByRecover(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	engine := embedded.NewHandler(simulated.New(scenarios.Simulated{TimeToFirstToken: scenarios.Constant(0.001)}, simulated.Options{Model: "toy"}), embedded.Options{})
	gated := server{name: "gated", users: 4, patience: time.Minute, Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-gate
		}
		engine.ServeHTTP(w, r)
	}))}
	t.Cleanup(gated.Close)
	p := startApply(t, faulty("openai", gated))
	p.await(runner.TrialStarted)
	p.limitFiles(48 << 10) // enough for the rows of 100 requests, and not for views.sql, which is the last before the manifest
	close(gate)
	p.failed("Error: sealing trial r[server=\"gated\"]#1: writing "+filepath.Join(p.dir, "results", "views.sql"), "file too large")
	if left := p.files("*/scenario=*/apply=*/*"); len(left) > 0 {
		t.Errorf("a part of the trial was left: %v", left)
	}
	if out, code := p.llmscen("recover"); code != exitDone || !strings.Contains(out, "completed") {
		t.Errorf("recover ended with %d: %s", code, out)
	}
	if out, code := p.llmscen("verify"); code != exitDone {
		t.Errorf("verify ended with %d: %s", code, out)
	}
	if n := p.count("select count(*) from requests"); n != faultyRequests {
		t.Errorf("%d requests of %d", n, faultyRequests)
	}
}
