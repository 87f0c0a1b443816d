-- The percentiles of a line's successful requests, NULL below the sample that each needs (MLPerf's early stopping, 95 %).
WITH took AS (
  SELECT line, panel, line_at, panel_at, unnest([
    {latency: 'time to first token', ns: ttft_ns}, {latency: 'whole request', ns: e2e_ns}], recursive := true)
  FROM latencies JOIN chosen USING (apply, trial_id) WHERE phase = 'measure' AND ok
)
SELECT panel, latency, line, count(ns) AS n,
  CASE WHEN count(ns) >= 8 THEN quantile_cont(ns, 0.5) / 1e9 END AS p50,
  CASE WHEN count(ns) >= 46 THEN quantile_cont(ns, 0.9) / 1e9 END AS p90,
  CASE WHEN count(ns) >= 93 THEN quantile_cont(ns, 0.95) / 1e9 END AS p95,
  CASE WHEN count(ns) >= 473 THEN quantile_cont(ns, 0.99) / 1e9 END AS p99
FROM took GROUP BY panel, latency, line ORDER BY min(panel_at), panel, latency, min(line_at), line;
