package main

import (
	"context"
	"fmt"
	"time"

	"github.com/llmscen/llmscen/deploy/binary"
)

// clientScenario is the reference's load as a scenario: a closed loop without an end of its own would measure the
// start and the end of the program too, so there is a warm-up, and the cost is that of the measured part.
const clientScenario = `
scenario "client_cost" {}

runtime "endpoint" "server" {
  url   = %q
  model = "simulated"
}

prompt_set "synthetic" "short" {
  prompts       = 200
  prompt_tokens = 27
  output_tokens = %d
}

load "closed_loop" "streams" {
  users    = %d
  requests = %d
}

collect "procfs" "machine" {
  every = "100ms"
}

run "client" {
  warm_up    = "1s"
  runtime    = runtime.server
  prompt_set = prompt_set.short
  load       = load.streams
  collect    = [collect.machine]
}
`

// clientCost compares what a request costs llmscen's client (load, protocol, rows, spool, exporter and sampling) and
// one that only reads the stream, against the same server, in turn.
func (b *bench) clientCost(ctx context.Context) error {
	var ours, bare, ratios []float64
	err := withServer(ctx, func(url string) error {
		for range b.repetitions {
			reference, err := runReference(ctx, url)
			if err != nil {
				return err
			}
			own, err := b.ownCost(ctx, url)
			if err != nil {
				return err
			}
			ours = append(ours, own.perThousand())
			bare = append(bare, reference.perThousand())
			ratios = append(ratios, own.perThousand()/reference.perThousand())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measuring the client's cost: %w", err)
	}
	what := fmt.Sprintf("client, 1,000 requests of %d tokens, %d streams", tokensEach, streams)
	b.table.add(what, median(ours), "CPU-s", limit{})
	b.table.add("the same by bare net/http", median(bare), "CPU-s", limit{})
	b.table.add("client ÷ bare net/http", median(ratios), "×", limit{})
	return nil
}

// ownCost is the CPU time of an apply's process between the first and the last sample of the measured part, and the
// requests that ended between them.
func (b *bench) ownCost(ctx context.Context, url string) (c cost, err error) {
	err = home(func(h binary.Home) error {
		apply, err := b.program.Apply(ctx, h, fmt.Sprintf(clientScenario, url, tokensEach, streams, requestsOfLoad))
		if err != nil {
			return err
		}
		if err := apply.Wait(); err != nil {
			return err
		}
		var rows []struct {
			Seconds  float64
			Requests int
		}
		err = b.program.Query(ctx, h, `
			with measured as (
				select max(value) - min(value) as seconds, min(samples.at) as from_at, max(samples.at) as until_at
				from samples join series using (apply, trial_id, series_id) join trials using (apply, trial_id)
				where name = 'cpu_seconds_total' and target = 'client' and samples.at between measure_from and measure_until
			)
			select seconds, (select count(*) from requests where done_at between from_at and until_at and error_kind is null) as requests
			from measured`, &rows)
		if err != nil {
			return err
		}
		if len(rows) != 1 || rows[0].Requests == 0 || rows[0].Seconds == 0 {
			return fmt.Errorf("the warehouse does not tell the client's CPU time: %+v", rows)
		}
		c = cost{rows[0].Requests, rows[0].Seconds}
		return nil
	})
	return c, err
}

// firstTokenScenario asks the model that llmscen carries.
const firstTokenScenario = `
scenario "first_token" {}

runtime "wasm" "austen" {
  context_tokens = 512
}

prompt_set "synthetic" "short" {
  prompts       = 10
  output_tokens = 8
}

load "constant_rate" "gentle" {
  rate_per_second = %d
  over            = %q
}

run "first" {
  runtime    = runtime.austen
  prompt_set = prompt_set.short
  load       = load.gentle
}
`

// firstToken measures from the start of an apply to the first token that the WASM runtime sends it. The first apply
// compiles, and does not count.
func (b *bench) firstToken(ctx context.Context) error {
	var seconds []float64
	for i := range b.repetitions + 1 {
		err := home(func(h binary.Home) error {
			apply, err := b.program.Apply(ctx, h, fmt.Sprintf(firstTokenScenario, 5, time.Second))
			if err != nil {
				return err
			}
			if err := apply.Wait(); err != nil {
				return err
			}
			var rows []struct{ At int64 }
			if err := b.program.Query(ctx, h, "select min(first_token_at) as at from requests", &rows); err != nil {
				return err
			}
			if len(rows) != 1 || rows[0].At == 0 {
				return fmt.Errorf("no token came")
			}
			if i > 0 {
				seconds = append(seconds, time.Unix(0, rows[0].At).Sub(apply.Began).Seconds())
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("measuring the time to the first token: %w", err)
		}
	}
	b.table.add("apply to first token, WASM, compiled before", median(seconds), "s", limit{most: 3})
	return nil
}
