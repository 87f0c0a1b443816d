-- The share of the successful requests of a line that took at most so long: a row a percent. Its trials are pooled.
WITH took AS (
  SELECT line, panel, line_at, panel_at, unnest([
    {latency: 'time to first token', ns: ttft_ns}, {latency: 'whole request', ns: e2e_ns}], recursive := true)
  FROM latencies JOIN chosen USING (apply, trial_id) WHERE phase = 'measure' AND ok
), shares AS (
  SELECT line, panel, latency, min(line_at) AS line_at, min(panel_at) AS panel_at, count(ns) AS n,
    quantile_cont(ns, [i / 100 FOR i IN range(0, 101)]) AS quantiles
  FROM took GROUP BY line, panel, latency
)
SELECT line, panel, panel_at, latency, n, i / 100 AS share, quantiles[i + 1] / 1e9 AS seconds
FROM shares, range(0, 101) AS percent(i)
WHERE n > 0 ORDER BY panel_at, panel, latency, line_at, line, i;
