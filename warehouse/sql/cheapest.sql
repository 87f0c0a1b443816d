-- One row a trial that found its knee: what a million output tokens cost at the highest rate that met every objective,
-- the cheapest of each apply first.
-- The interval is that of the knee. Without a knee, a price or a mean length of the answers a trial is left out.
CREATE OR REPLACE VIEW cheapest AS
SELECT t.scenario, t.apply, t.trial_id, t.run, t.cell, t.node_pool, t.instance_type, t.replicas,
  t.knee_rate_per_second, t.price_per_hour, t.price_currency,
  t.price_per_hour / 3600 / (t.knee_rate_per_second * s.output_tokens_mean) * 1e6 AS price_per_million_tokens,
  t.price_per_hour / 3600 / (t.knee_ci_high * s.output_tokens_mean) * 1e6 AS price_low,
  t.price_per_hour / 3600 / (t.knee_ci_low * s.output_tokens_mean) * 1e6 AS price_high,
  rank() OVER (PARTITION BY t.apply ORDER BY price_per_million_tokens) AS rank
FROM trials t JOIN trial_summary s USING (apply, trial_id)
WHERE t.knee_rate_per_second > 0 AND s.output_tokens_mean > 0 AND t.price_per_hour IS NOT NULL
ORDER BY t.apply, rank;
