-- Throughput against latency: a row a trial, with the medians of its repetitions, and whether no other choice of what is
-- drawn gives more tokens a second at a lower time to first token.
WITH typical AS (
  SELECT any_value(line) AS line, any_value(panel) AS panel, min(line_at) AS line_at, regexp_replace(trial_id, '#[0-9]+$', '') AS cell_id,
    median(output_tokens_per_second) AS tokens, median(ttft_p50_seconds) AS ttft, count(*) AS trials
  FROM trial_summary JOIN chosen USING (apply, trial_id)
  WHERE output_tokens_per_second IS NOT NULL AND ttft_p50_seconds IS NOT NULL GROUP BY apply, cell_id
)
SELECT t.line, t.panel, t.tokens AS tokens_per_second, t.ttft AS ttft_seconds, t.trials, NOT EXISTS (
  FROM typical o WHERE o.tokens >= t.tokens AND o.ttft <= t.ttft AND (o.tokens > t.tokens OR o.ttft < t.ttft)
) AS best
FROM typical t ORDER BY line_at, line, tokens;
