-- One row a gap between two token chunks of a final attempt: what an inter-token latency is made of.
-- gap_ns is from chunk to chunk; per_token_ns is the same shared by the tokens that the later chunk brought. The time to
-- the first token is no gap.
CREATE OR REPLACE VIEW itl AS
SELECT scenario, apply, trial_id, stage, seq, attempt, phase, ok, chunk,
  CAST(delta_us AS BIGINT) * 1000 AS gap_ns,
  coalesce(counted, 1) AS chunk_tokens,
  CASE WHEN coalesce(counted, 1) > 0 THEN 1000.0 * delta_us / coalesce(counted, 1) END AS per_token_ns
FROM (
  SELECT scenario, apply, trial_id, stage, seq, attempt, phase, error_kind IS NULL AS ok,
    generate_subscripts(token_delta_us[2:], 1) AS chunk,
    unnest(token_delta_us[2:]) AS delta_us,
    unnest(token_counts[2:]) AS counted
  FROM requests WHERE final AND len(token_delta_us) > 1
);
