package warehouse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Limits bound what a query may use.
type Limits struct {
	// Memory is in bytes; 0 means 1 GiB.
	Memory int64 `json:"memory"`
	// TempBytes is for what does not fit into memory; 0 means 4 GiB, on the disk of the system's folder for such files.
	TempBytes int64 `json:"temp_bytes"`
	// Threads of the database; 0 means 2.
	Threads int `json:"threads"`
	// Time from start to last row; 0 means 5 minutes.
	Time time.Duration `json:"-"`
	// Rows after which the result ends as Truncated; 0 means all.
	Rows int64 `json:"rows"`
}

func (l Limits) orDefaults() Limits {
	if l.Memory <= 0 {
		l.Memory = 1 << 30
	}
	if l.TempBytes <= 0 {
		l.TempBytes = 4 << 30
	}
	if l.Threads <= 0 {
		l.Threads = 2
	}
	if l.Time <= 0 {
		l.Time = 5 * time.Minute
	}
	return l
}

// Query is one statement of a person's own.
type Query struct {
	SQL    string
	Limits Limits
	// Command is a program that calls ServeQuery; none means this program with the argument SandboxCommand.
	Command []string
}

// SandboxCommand is the argument with which a program is started to serve a query.
const SandboxCommand = "query-sandbox"

// ResultColumn is a column of a result.
type ResultColumn struct {
	Name string `json:"name"`
	// Type is DuckDB's name of the type.
	Type string `json:"type"`
}

// Result is what a query gave. A value is nil, a bool, a json.Number with all its digits, a string, a []any or a
// map[string]any; dates, times, intervals and UUIDs are strings, and so are the floats that JSON lacks.
type Result struct {
	Columns []ResultColumn
	Rows    [][]any
	// Truncated: there were more rows than the limit.
	Truncated bool
}

// QueryError is what is wrong with the statement, in the words of the database, or why it was refused.
type QueryError struct {
	Message string
	// Refused: the statement is not one that only reads.
	Refused bool
}

func (e *QueryError) Error() string { return e.Message }

// Query asks a statement and gives all rows.
func (w *Warehouse) Query(ctx context.Context, q Query) (*Result, error) {
	var r Result
	truncated, err := w.QueryEach(ctx, q,
		func(columns []ResultColumn) error { r.Columns = columns; return nil },
		func(row []any) error { r.Rows = append(r.Rows, row); return nil })
	if err != nil {
		return nil, err
	}
	r.Truncated = truncated
	return &r, nil
}

// QueryEach asks a statement and hands over the columns, then row by row. What a person may have copied from anywhere is
// run in a child process behind two walls: only one statement that reads, and an environment in which nothing but the
// warehouse can be read and nothing written.
func (w *Warehouse) QueryEach(ctx context.Context, q Query, head func([]ResultColumn) error, row func([]any) error) (truncated bool, err error) {
	limits := q.Limits.orDefaults()
	temp, err := os.MkdirTemp("", "llmscen-query-")
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	defer os.RemoveAll(temp)
	limited, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	truncated, err = w.ask(limited, q, sandboxRequest{Dir: w.dir, Temp: temp, SQL: q.SQL, Limits: limits}, head, row)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return false, &QueryError{Message: fmt.Sprintf("the query took longer than its limit of %v", limits.Time)}
	}
	return truncated, err
}

// sandboxRequest is what the child is asked, as one line of JSON.
type sandboxRequest struct {
	Dir    string `json:"dir"`
	Temp   string `json:"temp"`
	SQL    string `json:"sql"`
	Limits Limits `json:"limits"`
}

// sandboxLine is a line of the child's answer: columns, then rows, then the end or an error.
type sandboxLine struct {
	Columns   []ResultColumn `json:"columns,omitempty"`
	Row       []any          `json:"row,omitempty"`
	End       bool           `json:"end,omitempty"`
	Truncated bool           `json:"truncated,omitempty"`
	// Error is what is wrong with the statement, Failure what kept it from being asked.
	Error   string `json:"error,omitempty"`
	Refused bool   `json:"refused,omitempty"`
	Failure string `json:"failure,omitempty"`
}

func (w *Warehouse) ask(ctx context.Context, q Query, request sandboxRequest, head func([]ResultColumn) error, row func([]any) error) (bool, error) {
	command := q.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return false, fmt.Errorf("asking: %w", err)
		}
		command = []string{self, SandboxCommand}
	}
	line, err := json.Marshal(request)
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// Nothing of our own environment: it may hold secrets. The loader's path is what a binary may need to start.
	cmd.Env = []string{"LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	cmd.Dir = request.Temp
	var stderr tail
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("starting the process that asks: %w", err)
	}
	// The pipe stays open while we live: its end tells the child to give up.
	_, err = stdin.Write(append(line, '\n'))
	var truncated bool
	if err == nil {
		truncated, err = readAnswer(stdout, head, row)
	}
	cancel() // it has said all, or we will not listen
	waited := cmd.Wait()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("the process that asks ended without an answer (%v): %s", waited, strings.TrimSpace(stderr.String()))
	}
	return truncated, err
}

func readAnswer(r io.Reader, head func([]ResultColumn) error, row func([]any) error) (truncated bool, err error) {
	d := json.NewDecoder(bufio.NewReaderSize(r, 256<<10))
	d.UseNumber()
	for {
		var line sandboxLine
		if err := d.Decode(&line); err != nil {
			return false, io.ErrUnexpectedEOF
		}
		switch {
		case line.Failure != "":
			return false, fmt.Errorf("asking: %s", line.Failure)
		case line.Error != "":
			return false, &QueryError{Message: line.Error, Refused: line.Refused}
		case line.End:
			return line.Truncated, nil
		case line.Columns != nil:
			err = head(line.Columns)
		default:
			err = row(line.Row)
		}
		if err != nil {
			return false, err
		}
	}
}

// tail keeps the last bytes of what a process complains of.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	const most = 4096
	n := len(b)
	if len(b) > most {
		b = b[len(b)-most:]
	}
	if over := t.Len() + len(b) - most; over > 0 {
		t.Next(over)
	}
	t.Buffer.Write(b)
	return n, nil
}
