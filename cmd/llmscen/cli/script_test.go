package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be llmscen, for the scripts and for the children that an apply starts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"llmscen":      func() { os.Exit(Main(os.Args[1:])) },
		"llama-server": llamaServer,
	})
}

// TestScripts runs testdata/<command>/*.txtar: what a user types and sees, a folder a command.
func TestScripts(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 dir,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("LLMSCEN_STATE_DIR", filepath.Join(env.WorkDir, "state"))
					env.Setenv("XDG_CACHE_HOME", cacheDir(t))
					env.Setenv("NO_COLOR", "1")
					return nil
				},
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"exits":   exits,
					"applies": applies,
				},
			})
		})
	}
}

// cacheDir is the user's cache: compiled WASM is found again from test to test.
func cacheDir(t *testing.T) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return dir
}

// exits runs a command that must end with a code: `exits 2 llmscen validate x`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := run(ts, args[1:]); got != want {
		ts.Fatalf("%v ended with %d, want %d", args[1:], got, want)
	}
}

// applies runs `llmscen apply --yes` with the arguments, to its end: whether the measurement is valid depends on how
// busy the machine is, and whether an objective was met too, so it may exit 0, 4, 5 or 6.
func applies(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: applies [ARG…]")
	}
	got := run(ts, append([]string{"llmscen", "apply", "--yes"}, args...))
	switch got {
	case exitDone, exitMissed, exitInvalid, exitUndecided:
	default:
		ts.Fatalf("apply %v ended with %d", args, got)
	}
}

func run(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	if err == nil {
		return exitDone
	}
	exit, ok := err.(interface{ ExitCode() int })
	if !ok {
		ts.Fatalf("%v: %v", args, err)
	}
	return exit.ExitCode()
}
