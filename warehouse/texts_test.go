package warehouse

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTextsOfAParquetFileAreReadByRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's [one].parquet")
	db, err := openViews(t.Context(), "SELECT 1")
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "COPY (SELECT 'prompt ' || i AS prompt, i AS n, if(i = 7, NULL, 'x') AS gaps FROM range(5000) t(i)) TO "+
		quote(path)+" (FORMAT parquet, ROW_GROUP_SIZE 2048)")
	must(t, err)
	texts, err := OpenTexts(path, "prompt")
	must(t, err)
	defer texts.Close()
	if texts.Len() != 5000 {
		t.Errorf("%d rows", texts.Len())
	}
	for _, row := range []int64{4999, 0, 2048} {
		if got, err := texts.Text(row); err != nil || got != fmt.Sprintf("prompt %d", row) {
			t.Errorf("row %d is %q, %v", row, got, err)
		}
	}
	if _, err := texts.Text(5000); err == nil {
		t.Error("a row after the last was read")
	}
	gaps, err := OpenTexts(path, "gaps")
	must(t, err)
	defer gaps.Close()
	if _, err := gaps.Text(7); err == nil || !strings.Contains(err.Error(), "NULL") {
		t.Errorf("a NULL: %v", err)
	}
	if _, err := OpenTexts(path, "none"); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a column that is not there: %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.parquet")
	must(t, os.WriteFile(broken, []byte("PAR1 nothing PAR1"), 0o644))
	if _, err := OpenTexts(broken, "prompt"); err == nil {
		t.Error("a broken file was opened")
	}
}
