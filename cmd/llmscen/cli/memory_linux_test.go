//go:build !race

package cli

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ownMemory is what a process holds and the kernel can't take back, in bytes: heap, stacks, and what DuckDB has. The pages
// of the binary, which are the file's and are read again when they are needed, are not in it. 0: it has ended.
func ownMemory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	var sum int64
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if name != "RssAnon" && name != "RssShmem" && name != "VmSwap" {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		sum += n << 10
	}
	return sum
}

// TestAPromptFileOfAGigabyteIsAskedInLessThan100MB looks at an apply from its start to its end, the seal included.
// (The race detector multiplies what a program holds: there is nothing to learn with it.)
func TestAPromptFileOfAGigabyteIsAskedInLessThan100MB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "prompts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	const line = 1 << 10
	lines := bytes.Repeat([]byte(`{"prompt":"`+strings.Repeat("why ", (line-14)/4)+"?\"}\n"), 1<<10)
	for size := 0; size < 1e9; size += len(lines) {
		if _, err := f.Write(lines); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p := startApplyIn(t, dir, strings.NewReplacer(
		`prompt_set "inline" "p" {
  prompts       = ["one", "two"]`, `prompt_set "jsonl" "p" {
  path          = "prompts.jsonl"`,
		`over            = "60s"`, `over            = "2s"`,
	).Replace(longRun))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p.events.Scan() { // they end with the process
		}
	}()
	var most int64
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		most = max(most, ownMemory(t, p.cmd.Process.Pid))
		select {
		case <-tick.C:
			continue
		case <-ended:
		}
		break
	}
	p.ends() // with what depends on how busy the machine is
	if n := p.count("select count(*) from requests where error_kind is null and request_bytes > 1000"); n != 100 {
		t.Errorf("%d requests of 100 asked a prompt of the file", n)
	}
	if most == 0 || most >= 100e6 {
		t.Errorf("it held %d bytes", most)
	}
	t.Logf("it held %.1f MB", float64(most)/1e6)
}
