package parquet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"

	"github.com/llmscen/llmscen/warehouse/spool"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// trial has every kind of column: maps, lists, texts, numbers and NULLs.
func trial() []tables.Trial {
	return []tables.Trial{{
		TrialID: "t", Run: "r", Cell: map[string]string{"b": "2", "a": "1"}, CellNumbers: map[string]float64{"a": 1}, RuntimeArgs: []string{"-x", ""},
		GPUsAllocated: tables.Some(0.0), Status: tables.StatusCompleted,
	}}
}

func TestNumbersAreDeltasTextsAreDictionaries(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	dir := t.TempDir()
	requests, err := Write(filepath.Join(dir, "requests.parquet"), "t", traffic(100, 5), Options{Allocator: mem})
	must(t, err)
	trials, err := Write(filepath.Join(dir, "trials.parquet"), "t", trial(), Options{Allocator: mem})
	must(t, err)
	for _, path := range []string{requests.Path, trials.Path} {
		r, err := file.OpenParquetFile(path, false)
		must(t, err)
		defer r.Close()
		meta := r.MetaData()
		if v := meta.KeyValueMetadata().FindValue(spool.MetaSchemaVersion); v == nil || *v != "1" {
			t.Errorf("the schema version is not in the file: %v", v)
		}
		if meta.KeyValueMetadata().FindValue("ARROW:schema") != nil {
			t.Error("the Arrow schema is stored")
		}
		group := meta.RowGroup(0)
		for i := range group.NumColumns() {
			c, err := group.ColumnChunk(i)
			must(t, err)
			if c.Compression() != compress.Codecs.Zstd {
				t.Errorf("%s is compressed by %v", c.PathInSchema(), c.Compression())
			}
			dictionary, delta := false, false
			for _, e := range c.Encodings() {
				dictionary = dictionary || e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict
				delta = delta || e == parquet.Encodings.DeltaBinaryPacked
			}
			whole := c.Type() == parquet.Types.Int32 || c.Type() == parquet.Types.Int64
			if delta != whole || dictionary != (c.Type() == parquet.Types.ByteArray) {
				t.Errorf("%s of type %v has the encodings %v", c.PathInSchema(), c.Type(), c.Encodings())
			}
		}
	}
}

func TestAFileIsWhatItsDigestSaysAndEqualRowsAreEqualBytes(t *testing.T) {
	dir := t.TempDir()
	var texts [][]byte
	for _, name := range []string{"a.parquet", "b.parquet"} {
		f, err := Write(filepath.Join(dir, name), "t", trial(), Options{})
		must(t, err)
		text, err := os.ReadFile(f.Path)
		must(t, err)
		sum := sha256.Sum256(text)
		if f.SHA256 != hex.EncodeToString(sum[:]) || f.Bytes != int64(len(text)) || f.Rows != 1 {
			t.Errorf("%+v is not what was written", f)
		}
		texts = append(texts, text)
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("equal rows are not equal bytes")
	}
}

func TestWithoutRowsThereIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.parquet")
	f, err := Write[tables.Event](path, "t", nil, Options{})
	must(t, err)
	c, _, err := Convert(nil, path, Options{})
	must(t, err)
	if _, err := os.Stat(path); f.Rows != 0 || c.Rows != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v, %+v, %v", f, c, err)
	}
}

// smallDisk takes so many bytes.
type smallDisk struct {
	*os.File
	room int
}

func (f *smallDisk) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return 0, syscall.ENOSPC
	}
	f.room -= len(b)
	return f.File.Write(b)
}

// No checked allocator here: after a failed write Arrow leaves some of its buffers to the garbage collector.
func TestAFullDiskLeavesNothing(t *testing.T) {
	rows := traffic(20_000, 20)
	for _, room := range []int{0, 100, 300_000} {
		dir := t.TempDir()
		create := func(path string) (spool.File, error) {
			f, err := os.Create(path)
			return &smallDisk{f, room}, err
		}
		_, err := Write(filepath.Join(dir, "x.parquet"), "t", rows, Options{Create: create})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "x.parquet") {
			t.Errorf("with %d bytes of room: %v", room, err)
		}
		left, err := os.ReadDir(dir)
		must(t, err)
		if len(left) > 0 {
			t.Errorf("with %d bytes of room %v is left", room, left)
		}
	}
}

func TestSegmentsBecomeRowGroupsOfBoundedSize(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	dir := t.TempDir()
	w, err := spool.Create(dir, "t", spool.Options{})
	must(t, err)
	rows := make([]tables.Sample, rowGroupRows/2)
	for range 5 {
		must(t, w.WriteSamples(rows))
	}
	must(t, w.Close())
	segments, err := spool.Open(dir)
	must(t, err)
	f, lost, err := Convert(segments, filepath.Join(dir, "x.parquet"), Options{Allocator: mem})
	must(t, err)
	r, err := file.OpenParquetFile(f.Path, false)
	must(t, err)
	defer r.Close()
	if f.Rows != int64(5*len(rows)) || len(lost) > 0 || r.NumRows() != f.Rows || r.NumRowGroups() != 3 {
		t.Errorf("%d rows in %d groups, %v lost", r.NumRows(), r.NumRowGroups(), lost)
	}
}
