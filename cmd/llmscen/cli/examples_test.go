package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/scenarios/examples"
)

// toy is a server of short, known latencies.
func toy() embedded.Engine {
	return simulated.New(scenarios.Simulated{
		TimeToFirstToken: scenarios.Constant(0.002), InterTokenLatency: scenarios.Constant(0.0005),
	}, simulated.Options{Model: "toy"})
}

// llamaServer stands in for the command that the example of that name starts, and for the program of engine llamacpp: it
// takes the flags of both and serves.
func llamaServer() {
	f := flag.NewFlagSet("llama-server", flag.ExitOnError)
	host, port := f.String("host", "", ""), f.Int("port", 0, "")
	f.String("model", "", "")
	alias := f.String("alias", "", "")
	for _, number := range []string{"ctx-size", "parallel", "threads", "threads-http"} {
		f.Int(number, 0, "")
	}
	f.Bool("metrics", false, "")
	f.Bool("slots", false, "")
	_ = f.Parse(os.Args[1:]) // ends the process where they are wrong
	o := embedded.ServeOptions{Listen: fmt.Sprintf("%s:%d", *host, *port), Options: embedded.Options{Aliases: []string{*alias}}}
	if err := embedded.Serve(context.Background(), toy(), o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestEveryExampleIsPlannedAndTheLocalOnesAreApplied does with each example what `init` says to do next.
func TestEveryExampleIsPlannedAndTheLocalOnesAreApplied(t *testing.T) {
	server := httptest.NewServer(embedded.NewHandler(toy(), embedded.Options{}))
	t.Cleanup(server.Close)
	elsewhere := map[string]string{ // what these need, and is not here
		"capacity":           "is a kubernetes pool",
		"three-backends":     "needs the program wllama-server",
		"models-by-runtimes": "has the model random-gemma3-99mb, which is neither the carried one nor one of .engines/models",
	}
	for _, example := range examples.List() {
		t.Run(example.Name, func(t *testing.T) {
			t.Parallel()
			dir, me := t.TempDir(), binary(t)
			// The stand-in for the server of the example "command" lies beside llmscen.
			if err := os.Link(me, filepath.Join(filepath.Dir(me), "llama-server")); err != nil {
				t.Fatal(err)
			}
			run := func(args ...string) (string, int) {
				cmd := exec.CommandContext(t.Context(), me, args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "LLMSCEN_STATE_DIR="+filepath.Join(dir, "state"), "LLMSCEN_WAREHOUSE=",
					"PATH="+filepath.Dir(me)+string(os.PathListSeparator)+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					return string(out), exit.ExitCode()
				}
				if err != nil {
					t.Fatal(err)
				}
				return string(out), 0
			}
			if out, code := run("init", "--example", example.Name); code != 0 {
				t.Fatalf("init ended with %d: %s", code, out)
			}
			file := example.Files[0].Path
			if out, code := run("plan", file); code != 0 || !strings.Contains(out, "trial") {
				t.Fatalf("plan ended with %d: %s", code, out)
			}
			out, code := run("apply", "--yes", "--var", "url="+server.URL, file)
			if example.Name != "endpoint" {
				if code != exitWrong || !strings.Contains(out, `"url"`) {
					t.Errorf("a variable that is not there ended with %d: %s", code, out)
				}
				out, code = run("apply", "--yes", file)
			}
			if why, ok := elsewhere[example.Name]; ok {
				if code != exitFailed || !strings.Contains(out, why) || !strings.Contains(out, "nothing was started") {
					t.Errorf("apply ended with %d: %s", code, out)
				}
				return
			}
			switch code { // whether trials are valid, and objectives met, depends on how busy the machine is
			case exitDone, exitMissed, exitInvalid, exitUndecided:
			default:
				t.Fatalf("apply ended with %d: %s", code, out)
			}
			if out, code := run("query", "-o", "csv", "select count(*) filter (status = 'completed') = count(*) as all_completed from trials"); code != 0 || !strings.Contains(out, "true") {
				t.Errorf("some trial did not complete (%d): %s", code, out)
			}
		})
	}
}
