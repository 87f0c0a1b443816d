package cli

import (
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
)

func TestARequestThatWasNotSentIsOneError(t *testing.T) {
	lines := progressLines(liveStatus{Load: load.Snapshot{Due: 10, Sent: 7, NotSent: 3, Finished: 10, Failed: 4}})
	if !strings.HasSuffix(lines[1], "6 done · 4 errors") {
		t.Errorf("%q", lines)
	}
}
