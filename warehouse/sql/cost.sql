-- One row a trial: price and energy of a million output tokens, at the throughput that was measured.
-- price_per_hour is of everything that the runtime ran on, as the scenario gave it; without it the price is NULL.
CREATE OR REPLACE VIEW cost AS
SELECT t.scenario, t.apply, t.trial_id, t.run, t.cell, t.repetition, t.node_pool, t.instance_type, t.replicas, t.validity, t.slo,
  t.price_per_hour, t.price_currency, s.output_tokens_per_second,
  t.price_per_hour / 3600 / nullif(s.output_tokens_per_second, 0) * 1e6 AS price_per_million_tokens,
  e.joules / nullif(e.output_tokens, 0) * 1e6 AS joules_per_million_tokens
FROM trials t
LEFT JOIN trial_summary s USING (apply, trial_id)
LEFT JOIN efficiency e USING (apply, trial_id);
