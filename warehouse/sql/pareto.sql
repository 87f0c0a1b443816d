-- One row a trial: its throughput against its latency, and whether another trial of the apply beats it in both.
-- on_frontier: none has at least the same output tokens per second with a lower median time to first token, or more with
-- the same. Trials that did not complete, are invalid or lack a figure are left out.
CREATE OR REPLACE VIEW pareto AS
WITH point AS (
  SELECT scenario, apply, trial_id, run, cell, repetition, output_tokens_per_second, ttft_p50_seconds, tpot_p50_seconds
  FROM trial_summary
  WHERE status = 'completed' AND validity IS DISTINCT FROM 'invalid'
    AND output_tokens_per_second IS NOT NULL AND ttft_p50_seconds IS NOT NULL
)
SELECT p.*, NOT EXISTS (
  SELECT 1 FROM point q
  WHERE q.apply = p.apply
    AND q.output_tokens_per_second >= p.output_tokens_per_second AND q.ttft_p50_seconds <= p.ttft_p50_seconds
    AND (q.output_tokens_per_second > p.output_tokens_per_second OR q.ttft_p50_seconds < p.ttft_p50_seconds)
) AS on_frontier
FROM point p;
