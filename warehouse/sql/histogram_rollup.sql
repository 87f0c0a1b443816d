-- One row a log bucket of a latency of a trial: mergeable, because the buckets are the same everywhere, and exact to 1 %.
-- Bucket b holds the values from 1.02^b to 1.02^(b+1) ns; the same columns added up over trials are the histogram of all
-- of them. metric is ttft, e2e, tpot or itl. 10⁸ token gaps take seconds, where exact percentiles need their sorting.
CREATE OR REPLACE VIEW histogram_rollup AS
WITH value AS (
  SELECT scenario, apply, trial_id, stage, phase, unnest([
    {metric: 'ttft', ns: CAST(ttft_ns AS DOUBLE)}, {metric: 'e2e', ns: CAST(e2e_ns AS DOUBLE)}, {metric: 'tpot', ns: tpot_ns}
  ], recursive := true)
  FROM latencies WHERE ok
  UNION ALL
  SELECT scenario, apply, trial_id, stage, phase, 'itl', per_token_ns FROM itl WHERE ok
)
SELECT scenario, apply, trial_id, stage, phase, metric,
  CAST(floor(ln(greatest(ns, 1)) / ln(1.02)) AS INTEGER) AS bucket,
  pow(1.02, bucket) AS low_ns, pow(1.02, bucket + 1) AS high_ns, count(*) AS count
FROM value WHERE ns IS NOT NULL
GROUP BY ALL;
