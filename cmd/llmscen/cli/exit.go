package cli

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes of all commands.
const (
	exitDone        = 0
	exitFailed      = 1
	exitWrong       = 2
	exitDifference  = 3
	exitMissed      = 4
	exitInvalid     = 5
	exitUndecided   = 6
	exitInterrupted = 130
	exitTerminated  = 143
)

// exitCodes is the one table of exit codes: --help and the manual print it.
var exitCodes = []struct {
	code    string
	meaning string
}{
	{"0", "done; every objective met"},
	{"1", "the work failed (cluster, network, disk)"},
	{"2", "what you wrote is wrong: flags or diagnostics"},
	{"3", "there is a difference, and you asked (fmt --check, plan --exit-code), or a regression past the gate (compare --max-regression)"},
	{"4", "ran to the end, an objective was missed"},
	{"5", "some trials could not be run, or are invalid (with --strict: or flagged); the rest is in the warehouse"},
	{"6", "undecided: the data can't tell (an objective, a gate)"},
	{"130, 143", "interrupted, terminated; all rows so far are in the warehouse"},
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %-9s %s\n", e.code, e.meaning)
	}
	b.WriteString("Where several hold, the first of 2, 130/143, 1, 5, 4, 6, 3 wins.")
	return b.String()
}

// exitError ends a command with a code; a nil err has been told already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// wrong is a mistake of the user's: exit 2.
func wrong(format string, args ...any) error {
	return &exitError{exitWrong, fmt.Errorf(format, args...)}
}

// told ends with a code after the command has said everything.
func told(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

func codeOf(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitFailed
}

// worst picks the code that wins where several hold.
func worst(codes ...int) int {
	for _, rank := range []int{exitWrong, exitInterrupted, exitTerminated, exitFailed, exitInvalid, exitMissed, exitUndecided, exitDifference} {
		for _, c := range codes {
			if c == rank {
				return c
			}
		}
	}
	return exitDone
}
