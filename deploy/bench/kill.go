package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/llmscen/llmscen/deploy/binary"
)

// kill measures how long children live after an apply was killed, and that its rows can be recovered.
func (b *bench) kill(ctx context.Context) error {
	var seconds []float64
	for range b.repetitions {
		err := home(func(h binary.Home) error {
			apply, err := b.program.Apply(ctx, h, fmt.Sprintf(firstTokenScenario, 20, time.Minute))
			if err != nil {
				return err
			}
			if _, err := apply.Await(func(e binary.Event) bool { return e.Type == "trial_started" }); err != nil {
				return err
			}
			// Rows are flushed every two seconds: what came before the last flush is what must be there.
			if err := pause(ctx, 3*time.Second); err != nil {
				return err
			}
			children, err := descendants(apply.PID)
			if err != nil {
				return err
			}
			if len(children) == 0 {
				return fmt.Errorf("the apply has no children")
			}
			if err := apply.Signal(syscall.SIGKILL); err != nil {
				return err
			}
			killed := time.Now()
			for _, pid := range children {
				for alive(pid) {
					if err := pause(ctx, time.Millisecond); err != nil {
						return err
					}
				}
			}
			seconds = append(seconds, time.Since(killed).Seconds())
			if err := apply.Wait(); err != nil {
				return err
			}
			return b.recovers(ctx, h)
		})
		if err != nil {
			return fmt.Errorf("measuring the end of children: %w", err)
		}
	}
	b.table.add("children's end after SIGKILL of apply", quantile(seconds, 1), "s", limit{most: 2})
	return nil
}

func (b *bench) recovers(ctx context.Context, h binary.Home) error {
	if err := b.program.Recover(ctx, h); err != nil {
		return err
	}
	var rows []struct{ N int }
	if err := b.program.Query(ctx, h, "select count(*) as n from requests", &rows); err != nil {
		return err
	}
	if len(rows) != 1 || rows[0].N == 0 {
		return fmt.Errorf("no row was recovered")
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// descendants are the processes below pid.
func descendants(pid int) ([]int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	var all []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", list, err)
			}
			below, err := descendants(child)
			if err != nil {
				return nil, err
			}
			all = append(append(all, child), below...)
		}
	}
	return all, nil
}

// alive tells whether a process runs; one that has ended and waits for its parent does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state is behind the name, which is in brackets and may hold any character: proc(5).
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
