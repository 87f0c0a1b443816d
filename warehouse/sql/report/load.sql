-- Time to first token and tokens a second against the load: a row a stage of a trial, and with it the medians of its
-- repetitions. The load is what was offered; in a closed loop, which offers no rate, what was sent.
WITH figure AS (
  SELECT s.apply, s.trial_id, s.stage, max(f.value) FILTER (f.metric = 'requests_per_second' AND f.stat = 'sent') AS sent,
    any_value(s.target_rate_per_second) AS target, any_value(s.outcome) AS outcome,
    max(f.value) FILTER (f.metric = 'ttft' AND f.stat = 'p50') AS ttft,
    max(f.value) FILTER (f.metric = 'output_tokens_per_second' AND f.stat = 'system') AS tokens
  FROM stages s JOIN summaries f ON f.apply = s.apply AND f.trial_id = s.trial_id AND coalesce(f.stage, 0) = s.stage
  WHERE f.stage IS NOT NULL OR NOT EXISTS (FROM stages o WHERE o.apply = s.apply AND o.trial_id = s.trial_id AND o.stage > 0)
  GROUP BY s.apply, s.trial_id, s.stage
), point AS (
  SELECT c.*, regexp_replace(trial_id, '#[0-9]+$', '') AS cell_id, stage, outcome, coalesce(target, sent) AS per_second, ttft, tokens
  FROM figure JOIN chosen c USING (apply, trial_id)
)
SELECT line, coalesce(validity, 'not judged') AS validity, coalesce(outcome, '') AS outcome, trial_id, per_second, ttft AS ttft_seconds, tokens AS tokens_per_second,
  median(per_second) OVER repetitions AS typical_per_second,
  median(ttft) OVER repetitions AS typical_ttft_seconds,
  median(tokens) OVER repetitions AS typical_tokens_per_second,
  count(*) OVER repetitions AS trials
FROM point WHERE per_second IS NOT NULL AND (ttft IS NOT NULL OR tokens IS NOT NULL)
WINDOW repetitions AS (PARTITION BY line, cell_id, stage)
ORDER BY line_at, line, typical_per_second, cell_id, stage, trial_id;
