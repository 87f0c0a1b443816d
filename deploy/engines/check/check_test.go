//go:build engines

// Package check holds llmscen against the real servers that deploy/engines builds, and the one that it carries: what a row
// says against what a server sent, each thing that a server can do wrong against the row that it must leave, and what is
// left after a server's death. A server that is not there is a failure.
//
// Nothing here is a measurement: servers answer as slowly as a busy machine makes them.
package check

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/deploy/binary"
	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/local"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/tables"
)

const (
	tiny = "tiny-austen-gemma3" // answers in words, and ends by itself
	big  = "random-gemma3-99mb" // ends when it must
)

// patience is how long anything may take on a busy machine; what takes longer hangs.
const patience = 2 * time.Minute

var (
	path  = flag.String("llmscen", "../../../bin/llmscen", "the program llmscen")
	kills = flag.Int("kills", 50, "how often each server is killed")
	seed  = flag.Uint64("seed", rand.Uint64(), "of the moments at which servers are killed")

	program binary.Program
	dir     string // .engines
)

func TestMain(m *testing.M) {
	flag.Parse()
	for _, p := range []struct {
		to   *string
		from string
	}{{(*string)(&program), *path}, {&dir, "../../../.engines"}} {
		absolute, err := filepath.Abs(p.from)
		if err == nil {
			_, err = os.Stat(absolute)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v: `make engines-check` builds what is needed\n", err)
			os.Exit(1)
		}
		*p.to = absolute
	}
	// Homes lie elsewhere: from there engines are found on the PATH.
	if err := os.Setenv("PATH", filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// model is the file of a model.
func model(name string) string { return filepath.Join(dir, "models", name+".gguf") }

// applied applies a scenario to its end, opens what it left, and sees to it that nothing of it runs.
func applied(t *testing.T, scenario string) *sql.DB {
	t.Helper()
	home := binary.Home(t.TempDir())
	return ended(t, home, begun(t, home, scenario))
}

func begun(t *testing.T, home binary.Home, scenario string) *binary.Apply {
	t.Helper()
	a, err := program.Apply(t.Context(), home, scenario)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ended(t *testing.T, home binary.Home, a *binary.Apply) *sql.DB {
	t.Helper()
	if err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	if left := ofHome(t, home); len(left) > 0 {
		t.Errorf("after the apply there still run %q", left)
	}
	w, err := warehouse.Open(home.Warehouse())
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// ofHome are the processes that came from an apply of a home: they have its environment or its folder, whoever their
// parent is by now.
func ofHome(t *testing.T, home binary.Home) (commands []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range all {
		environment, _ := os.ReadFile(filepath.Join(process, "environ")) // what ended meanwhile has none
		folder, _ := os.Readlink(filepath.Join(process, "cwd"))
		if folder != string(home) && !strings.Contains(string(environment), "LLMSCEN_STATE_DIR="+state(home)+"\x00") {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		if len(command) > 0 {
			commands = append(commands, filepath.Base(process)+": "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return commands
}

func state(home binary.Home) string { return filepath.Join(string(home), "state") }

// rows are those of the requests that a load made, in the order of trials and requests; where may be "".
func rows(t *testing.T, db *sql.DB, where string, args ...any) []tables.Request {
	t.Helper()
	if where != "" {
		where = " and " + where
	}
	all, err := warehouse.Rows[tables.Request](t.Context(), db, "from requests where seq >= 0"+where+" order by trial_id, seq, attempt", args...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// everyRow is every row, those of the identity prompts and of a warm-up included.
func everyRow(t *testing.T, db *sql.DB) ([]tables.Request, error) {
	t.Helper()
	return warehouse.Rows[tables.Request](t.Context(), db, "from requests order by trial_id, seq, attempt")
}

// number asks for one number.
func number(t *testing.T, db *sql.DB, query string) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// server is an engine that the driver of this machine started.
type server struct {
	runner.Endpoint
	engine, url string
	pid         int
}

// serve starts an engine as an apply does, with one thread, and ends it with the test.
func serve(t *testing.T, engine, name string, contextTokens, parallel int) server {
	t.Helper()
	r := scenarios.Runtime{
		Block: scenarios.Block{Addr: "runtime." + engine}, Engine: engine, Protocol: "openai", Model: name,
		ContextTokens: contextTokens, Parallel: parallel, Threads: 1,
	}
	if name != tiny && engine != "ollama" { // which has it in its store, with its template and one thread
		r.Model, r.ModelFile = model(name), model(name)
	}
	home := t.TempDir()
	driver := local.New(local.Options{Executable: string(program), Dir: home, SearchDir: dir})
	deployment := runner.Deployment{Name: engine + "-0a1b2c3d", Runtime: r}
	e, err := driver.Start(t.Context(), deployment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Stop(context.Background(), deployment); err != nil {
			t.Error(err)
		}
		if left := ofHome(t, binary.Home(home)); len(left) > 0 {
			t.Errorf("after %s was stopped there still run %q", engine, left)
		}
	})
	return server{e, engine, e.Targets[0].URL, e.Targets[0].PID}
}

// fetch is what a server answers to a GET.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	return post(t, url, nil)
}

// post is what a server answers to a POST of JSON; without a body it is a GET.
func post(t *testing.T, url string, body []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s, %v", method, url, response.Status, text, err)
	}
	return text
}
