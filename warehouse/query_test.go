package warehouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own binary be the child of a query, and the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case SandboxCommand:
			if err := ServeQuery(context.Background(), os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		case writeForeverCommand:
			writeForever(os.Args[2])
			return
		}
	}
	os.Exit(m.Run())
}

// digests is what lies in a folder.
func digests(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sum := sha256.Sum256(text)
		all[path] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

// hostile statements; DIR is the warehouse, PART a file in it, OUT a folder elsewhere.
var hostile = []string{
	"COPY (SELECT 1) TO 'PART'",
	"COPY (SELECT 1) TO 'DIR/new.parquet'",
	"COPY (SELECT 1) TO 'OUT/x.csv'",
	"COPY (SELECT 1) TO '/dev/stdout'",
	"COPY requests TO 'DIR/requests' (FORMAT parquet, PARTITION_BY (phase))",
	"EXPLAIN ANALYZE COPY (SELECT 1) TO 'DIR/explained.csv'",
	"EXPLAIN (FORMAT json) COPY (SELECT 1) TO 'DIR/explained.csv'",
	"EXPLAIN ANALYZE (FORMAT json) COPY (SELECT 1) TO 'DIR/explained.csv'",
	"/* */ EXPLAIN -- \n ANALYZE COPY (SELECT 1) TO 'DIR/explained.csv'",
	"SELECT 1; COPY (SELECT 1) TO 'DIR/second.csv'",
	"COPY (SELECT 1) TO 'DIR/first.csv'; SELECT 1",
	"SELECT 1; SELECT 2",
	"ATTACH 'DIR/new.duckdb'",
	"ATTACH 'OUT/new.duckdb' AS x",
	"ATTACH ':memory:' AS x",
	"EXPORT DATABASE 'DIR/exported'",
	"IMPORT DATABASE 'DIR'",
	"PRAGMA import_database('DIR')",
	"PRAGMA enable_profiling",
	"PRAGMA profiling_output='DIR/profile.json'",
	"SET profiling_output='DIR/profile.json'",
	"SET enable_external_access = true",
	"SET allowed_directories = ['/']",
	"SET lock_configuration = false",
	"RESET enable_external_access",
	"SET temp_directory = 'DIR'",
	"SELECT * FROM read_text('/etc/passwd')",
	"SELECT * FROM read_blob('/proc/self/environ')",
	"SELECT * FROM read_csv('/etc/passwd')",
	"SELECT * FROM '/etc/passwd'",
	"SELECT * FROM glob('/etc/*')",
	"SELECT * FROM read_text('DIR/../secret.txt')",
	"SELECT * FROM sniff_csv('/etc/passwd')",
	"SELECT * FROM read_text('LINK')",
	"SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
	"INSTALL httpfs",
	"LOAD httpfs",
	"LOAD 'DIR/evil.duckdb_extension'",
	"CREATE TABLE t AS SELECT 1",
	"CREATE OR REPLACE VIEW requests AS SELECT 1",
	"DROP VIEW requests",
	"CALL pragma_version()",
	"PREPARE p AS COPY (SELECT 1) TO 'DIR/p.csv'",
	"EXECUTE p",
	"CHECKPOINT",
	"BEGIN",
	"CREATE SECRET s (TYPE s3)",
	"WITH x AS (SELECT 1) INSERT INTO requests SELECT * FROM x",
	"SELECT * FROM query('COPY (SELECT 1) TO ''DIR/q.csv''')",
	"-- only a comment",
	"",
	";",
}

func TestNoHostileStatementReadsElsewhereOrWritesAnything(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	out := t.TempDir()
	root := filepath.Dir(w.Path())
	must(t, os.WriteFile(filepath.Join(root, "secret.txt"), []byte("secret"), 0o644))
	link := filepath.Join(w.Path(), "link.txt")
	must(t, os.Symlink(filepath.Join(root, "secret.txt"), link))
	parts, err := filepath.Glob(filepath.Join(w.Path(), "requests", "*", "*", "*.parquet"))
	must(t, err)
	before := digests(t, root)

	fill := strings.NewReplacer("PART", parts[0], "DIR", w.Path(), "OUT", out, "LINK", link)
	for _, statement := range hostile {
		statement = fill.Replace(statement)
		r, err := w.Query(t.Context(), Query{SQL: statement})
		var refused *QueryError
		if !errors.As(err, &refused) {
			t.Errorf("%s\ngave %v, error %v", statement, r, err)
		}
	}
	if after := digests(t, root); !reflect.DeepEqual(before, after) {
		t.Errorf("the files changed: before %v, after %v", before, after)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("files were written elsewhere: %v, %v", left, err)
	}
}

func TestWithoutTheKernelsWallTheOtherTwoStillHold(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	parts, err := filepath.Glob(filepath.Join(w.Path(), "requests", "*", "*", "*.parquet"))
	must(t, err)
	before := digests(t, w.Path())
	out := t.TempDir()
	words := strings.NewReplacer("PART", parts[0], "DIR", w.Path(), "OUT", out, "LINK", "/etc/passwd")
	db, err := openSandbox(t.Context(), sandboxRequest{Dir: w.Path(), Temp: t.TempDir(), Limits: Limits{}.orDefaults()})
	must(t, err)
	defer db.Close()
	for _, statement := range hostile {
		statement = words.Replace(statement)
		if readsOnly(t.Context(), db, statement) != nil {
			continue
		}
		if rows, err := db.QueryContext(t.Context(), statement); err == nil {
			rows.Close()
			t.Errorf("%s was run", statement)
		}
	}
	if after := digests(t, w.Path()); !reflect.DeepEqual(before, after) {
		t.Errorf("the files changed: before %v, after %v", before, after)
	}
}

func TestStatementsThatReadAreAnswered(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	for statement, rows := range map[string]int{
		"SELECT * FROM requests":                                1 * 3,
		"FROM latencies SELECT ttft_ns":                         3,
		"WITH x AS (SELECT 1) SELECT * FROM x;":                 1,
		"-- how many\nSELECT count(*) FROM requests":            1,
		"(SELECT 1) UNION ALL (SELECT 2)":                       2,
		"DESCRIBE targets":                                      8,
		"SUMMARIZE SELECT 1 AS a":                               1,
		"EXPLAIN SELECT 1":                                      1,
		"EXPLAIN ANALYZE SELECT * FROM requests":                1,
		"EXPLAIN (FORMAT json) SELECT 1":                        1,
		"VALUES (1), (2)":                                       2,
		"PIVOT requests ON phase IN ('measure') USING count(*)": 3,
		"SELECT fingerprint FROM trials":                        1,
		"SELECT * FROM trials":                                  1,
	} {
		r, err := w.Query(t.Context(), Query{SQL: statement})
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		if len(r.Rows) != rows {
			t.Errorf("%s gave %d rows, want %d", statement, len(r.Rows), rows)
		}
	}
	if r, err := w.Query(t.Context(), Query{SQL: "SHOW TABLES"}); err != nil || len(r.Rows) < len(tableNames()) {
		t.Errorf("SHOW TABLES gave %v, %v", r, err)
	}
}

func TestEveryKindOfValueIsCarriedWithoutLoss(t *testing.T) {
	n := func(s string) json.Number { return json.Number(s) }
	values := map[string]any{
		"9223372036854775807":                              n("9223372036854775807"),
		"-9223372036854775807 - 1":                         n("-9223372036854775808"),
		"18446744073709551615::UBIGINT":                    n("18446744073709551615"),
		"170141183460469231731687303715884105727::HUGEINT": n("170141183460469231731687303715884105727"),
		"1.10::DECIMAL(5,2)":                               n("1.10"),
		"-0.05::DECIMAL(5,2)":                              n("-0.05"),
		"0.1::DOUBLE":                                      n("0.1"),
		"0.1::FLOAT":                                       n("0.1"),
		"'nan'::DOUBLE":                                    "NaN",
		"'-inf'::DOUBLE":                                   "-Infinity",
		"true":                                             true,
		"NULL":                                             nil,
		"'naïve <&> \"x\"'":                                `naïve <&> "x"`,
		"DATE '2026-11-23'":                                "2026-11-23",
		"TIMESTAMP '2026-11-23 17:30:00.123456'":           "2026-11-23 17:30:00.123456",
		"TIMESTAMPTZ '2026-11-23 17:30:00+00'":             "2026-11-23 17:30:00+00",
		"TIMESTAMP_NS '2026-11-23 17:30:00.123456789'":     "2026-11-23 17:30:00.123456789",
		"TIME '17:30:00'":                                  "17:30:00",
		"INTERVAL '1 month 2 days 3 seconds'":              "1 months 2 days 3s",
		"'\\xAB'::BLOB":                                    `\xab`,
		"'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::UUID":     "4ac7a9e9-607c-4c8a-84f3-843f0191e3fd",
		"[1, NULL, 9007199254740993]":                      []any{n("1"), nil, n("9007199254740993")},
		"[DATE '2026-11-23']":                              []any{"2026-11-23"},
		"{'a': 1, 'b': [2]}":                               map[string]any{"a": n("1"), "b": []any{n("2")}},
		"MAP {'k': 1.5::DOUBLE}":                           map[string]any{"k": n("1.5")},
		`'{"n": 9007199254740993}'::JSON`:                  `{"n": 9007199254740993}`,
	}
	expressions := slices.Sorted(maps.Keys(values))
	r, err := openTest(t).Query(t.Context(), Query{SQL: "SELECT " + strings.Join(expressions, ", ")})
	must(t, err)
	for i, sql := range expressions {
		if got := r.Rows[0][i]; !reflect.DeepEqual(got, values[sql]) {
			t.Errorf("%s is %#v, want %#v", sql, got, values[sql])
		}
	}
}

func TestLimitsOfAQueryHold(t *testing.T) {
	w := openTest(t)
	r, err := w.Query(t.Context(), Query{SQL: "FROM range(100)", Limits: Limits{Rows: 10}})
	must(t, err)
	if len(r.Rows) != 10 || !r.Truncated {
		t.Errorf("%d rows, truncated %v, want 10 of more", len(r.Rows), r.Truncated)
	}
	var q *QueryError
	_, err = w.Query(t.Context(), Query{SQL: "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7", Limits: Limits{Time: time.Second / 2}})
	if !errors.As(err, &q) || !strings.Contains(q.Message, "limit") {
		t.Errorf("a query without end gave %v", err)
	}
	_, err = w.Query(t.Context(), Query{SQL: "SELECT list(range) FROM range(100000000)", Limits: Limits{Memory: 64 << 20}})
	if !errors.As(err, &q) || !strings.Contains(q.Message, "Memory") {
		t.Errorf("a query without measure gave %v", err)
	}
	r, err = w.Query(t.Context(), Query{SQL: "SELECT count(*) FROM (SELECT range, hash(range) AS h FROM range(6000000) ORDER BY h)", Limits: Limits{Memory: 64 << 20}})
	if err != nil || r.Rows[0][0] != json.Number("6000000") {
		t.Errorf("a sort that does not fit into memory gave %v, %v", r, err)
	}
}

func TestAMistakeInAQueryIsToldInTheWordsOfTheDatabase(t *testing.T) {
	_, err := openTest(t).Query(t.Context(), Query{SQL: "SELECT ttft FROM latencies"})
	var q *QueryError
	if !errors.As(err, &q) || q.Refused || !strings.Contains(q.Message, "ttft_ns") {
		t.Errorf("got %v", err)
	}
}
