package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// spare is the file that holds the room which an apply set aside.
func (a *ApplyWriter) spare() string { return filepath.Join(a.w.spoolDir(a.info.ID), spareFile) }

func TestWhileATrialRunsRoomIsSetAside(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "a1", Scenario: "chat"})
	must(t, err)
	for _, id := range []string{"capacity#1", "capacity#2"} {
		tw, err := a.Trial(trialRow(id))
		must(t, err)
		info, err := os.Stat(a.spare())
		must(t, err)
		if blocks := info.Sys().(*syscall.Stat_t).Blocks; info.Size() != spareBytes || blocks*512 < spareBytes {
			t.Errorf("%d bytes in %d blocks are set aside", info.Size(), blocks)
		}
		must(t, a.setRoomAside()) // once more
		must(t, tw.Seal(t.Context(), trialRow(id), func(_ context.Context, _ *sql.DB, row tables.Trial) (Conclusion, error) {
			if exists(a.spare()) {
				t.Error("the room is not given to the seal")
			}
			return Conclusion{Trial: row}, nil
		}))
	}
	must(t, a.Finish())
}

func TestRoomIsTakenByWritingWhereItCantBeAllocated(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	must(t, err)
	defer f.Close()
	for range 2 {
		must(t, writeNoise(f, 1<<20))
		info, err := f.Stat()
		must(t, err)
		if info.Size() != 1<<20 {
			t.Errorf("it has %d bytes", info.Size())
		}
	}
}

// full makes a file to which the kernel writes nothing: no space left on device.
func full(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.Symlink("/dev/full", path))
}

func TestASealWithoutRoomSaysWhatLacksAndLeavesNoPart(t *testing.T) {
	w := openTest(t)
	a, err := w.Begin(Apply{ID: "a1", Scenario: "chat"})
	must(t, err)
	row := trialRow("capacity#1")
	tw, err := a.Trial(row)
	must(t, err)
	must(t, tw.WriteRequests([]tables.Request{request(row.TrialID, 0)}))
	// The requests are a part already when the trial's own row finds the disk full.
	err = tw.Seal(t.Context(), row, func(_ context.Context, _ *sql.DB, row tables.Trial) (Conclusion, error) {
		full(t, w.partPath("trials", a.info, Slug(row.TrialID), 0)+".tmp")
		return Conclusion{Trial: row}, nil
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("sealing gave %v", err)
	}
	for _, want := range []string{"sealing trial capacity#1: ", w.Path() + " has ", " are needed", "the rows are safe in " + tw.dir, "`llmscen recover`"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	parts, err := filepath.Glob(filepath.Join(w.Path(), "*", "scenario=*", "apply=*", "*"))
	if err != nil || len(parts) > 0 {
		t.Errorf("left are %v, %v", parts, err)
	}
	must(t, a.Close())
	recovered, err := w.Recover(t.Context(), "a1", nil)
	if err != nil || len(recovered) != 1 || recovered[0].Trials[0].Requests != 1 {
		t.Errorf("recovered %+v, %v", recovered, err)
	}
}
