-- One row a token of a final attempt, in the order of arrival.
-- token and chunk count from 0 within the request; at is when the token's chunk arrived, ns since the epoch. gap_ns is the
-- time since the chunk before, shared evenly by the tokens of the chunk; NULL in the first chunk. kind is answer,
-- reasoning or tool. With many tokens ask itl instead, which needs no sorting.
CREATE OR REPLACE VIEW tokens AS
WITH chunks AS (
  SELECT scenario, apply, trial_id, stage, seq, attempt, phase, first_chunk_at,
    generate_subscripts(token_delta_us, 1) - 1 AS chunk,
    unnest(token_delta_us) AS delta_us,
    unnest(token_counts) AS counted,
    unnest(chunk_kinds) AS kind
  FROM requests WHERE final AND token_delta_us IS NOT NULL
), timed AS (
  SELECT * EXCLUDE (first_chunk_at, delta_us, counted, kind),
    greatest(coalesce(counted, 1), 0) AS chunk_tokens,
    CASE coalesce(kind, 0) WHEN 0 THEN 'answer' WHEN 1 THEN 'reasoning' ELSE 'tool' END AS kind,
    first_chunk_at + 1000 * CAST(sum(delta_us) OVER request AS BIGINT) AS "at",
    CASE WHEN chunk > 0 AND coalesce(counted, 1) > 0 THEN 1000.0 * delta_us / coalesce(counted, 1) END AS gap_ns,
    CAST(sum(greatest(coalesce(counted, 1), 0)) OVER request AS BIGINT) AS tokens_until
  FROM chunks
  WINDOW request AS (PARTITION BY apply, trial_id, seq, attempt ORDER BY chunk)
)
SELECT scenario, apply, trial_id, stage, seq, attempt, phase,
  tokens_until - chunk_tokens + unnest(range(CAST(chunk_tokens AS BIGINT))) AS token,
  chunk, chunk_tokens, kind, "at", gap_ns
FROM timed;
