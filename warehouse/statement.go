package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/marcboeker/go-duckdb/mapping"
	"github.com/marcboeker/go-duckdb/v2"
)

// readWords are the words with which a statement that reads begins. DuckDB makes SELECTs of all but EXPLAIN.
var readWords = []string{"SELECT", "WITH", "FROM", "VALUES", "TABLE", "DESCRIBE", "DESC", "SHOW", "SUMMARIZE", "PIVOT", "UNPIVOT"}

// readsOnly is the first wall: it lets one statement pass that reads, and nothing that writes, attaches or sets. Nothing
// is run. The first word is looked at before any of DuckDB's parsers, because a PRAGMA can expand to the statements of
// a file; the statements are counted before they are prepared, because the driver runs all but the last of them; and
// what EXPLAIN explains must pass by itself, because EXPLAIN ANALYZE runs it.
func readsOnly(ctx context.Context, db *sql.DB, statement string) error {
	word, rest := firstWord(statement)
	if word == "EXPLAIN" {
		word, rest = explained(rest)
		statement = rest
	}
	if !slices.Contains(readWords, word) {
		if word == "" {
			return refused("there is no statement")
		}
		return refused(fmt.Sprintf("%s is not allowed: a query only reads, by SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN", word))
	}
	n, err := countStatements(statement)
	if err != nil {
		return err
	}
	if n != 1 {
		return refused(fmt.Sprintf("one statement at a time: this makes %d (a PIVOT without IN (…) makes two)", n))
	}
	t, err := statementType(ctx, db, statement)
	if err != nil {
		return err
	}
	if t != duckdb.STATEMENT_TYPE_SELECT {
		return refused("only statements that read are allowed")
	}
	return nil
}

func refused(why string) error { return &QueryError{Message: why, Refused: true} }

// firstWord gives the first word of a statement in capitals, after space, comments and parentheses, and the statement
// from that word on, without the word.
func firstWord(s string) (word, rest string) {
	s = skipSpace(s)
	for strings.HasPrefix(s, "(") {
		s = skipSpace(s[1:])
	}
	i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
	if i < 0 {
		i = len(s)
	}
	return strings.ToUpper(s[:i]), s[i:]
}

// explained gives the first word of what an EXPLAIN explains, and that statement.
func explained(s string) (word, statement string) {
	if word, rest := firstWord(s); word == "ANALYZE" {
		s = rest
	}
	s = skipSpace(s)
	if strings.HasPrefix(s, "(") { // options, as in (FORMAT json), or a statement in parentheses
		if word, _ := firstWord(s); !slices.Contains(readWords, word) {
			end := strings.IndexByte(s, ')')
			s = s[end+1:]
		}
	}
	word, _ = firstWord(s)
	return word, s
}

func skipSpace(s string) string {
	for {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
		switch {
		case strings.HasPrefix(s, "--"):
			i := strings.IndexAny(s, "\r\n")
			if i < 0 {
				return ""
			}
			s = s[i:]
		case strings.HasPrefix(s, "/*"):
			i := strings.Index(s[2:], "*/")
			if i < 0 {
				return ""
			}
			s = s[2+i+2:]
		default:
			return s
		}
	}
}

// countStatements parses, in a database of its own without views and without access to files, and runs nothing.
func countStatements(text string) (int, error) {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return 0, errors.New("configuring a parser failed")
	}
	defer mapping.DestroyConfig(&config)
	if mapping.SetConfig(config, "enable_external_access", "false") == mapping.StateError {
		return 0, errors.New("configuring a parser failed")
	}
	var db mapping.Database
	var problem string
	if mapping.OpenExt(":memory:", &db, config, &problem) == mapping.StateError {
		return 0, fmt.Errorf("opening a parser: %s", problem)
	}
	defer mapping.Close(&db)
	var conn mapping.Connection
	if mapping.Connect(db, &conn) == mapping.StateError {
		return 0, errors.New("connecting to a parser failed")
	}
	defer mapping.Disconnect(&conn)
	var statements mapping.ExtractedStatements
	n := mapping.ExtractStatements(conn, text, &statements)
	defer mapping.DestroyExtracted(&statements)
	if n == 0 {
		if problem := mapping.ExtractStatementsError(statements); problem != "" {
			return 0, &QueryError{Message: problem}
		}
	}
	return int(n), nil
}
