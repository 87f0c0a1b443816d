package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestAStrictReportRefusesTrialsThatAreNotValid(t *testing.T) {
	trial := func(status tables.Status, validity tables.Validity) report.Trial {
		return report.Trial{Trial: tables.Trial{TrialID: "r#1", Status: status, Validity: validity}}
	}
	valid := trial(tables.StatusCompleted, tables.Valid)
	if err := refuse([]report.Trial{valid, valid}); err != nil {
		t.Errorf("valid trials: %v", err)
	}
	for _, bad := range []report.Trial{
		trial(tables.StatusCompleted, tables.Flagged), trial(tables.StatusCompleted, tables.Invalid), trial(tables.StatusInterrupted, tables.Valid),
	} {
		err := refuse([]report.Trial{valid, bad})
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != exitInvalid || !strings.Contains(err.Error(), "1 of 2 trials are not valid: r#1") {
			t.Errorf("%s, %s: %v", bad.Status, bad.Validity, err)
		}
	}
}
