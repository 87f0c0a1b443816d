-- tpot_as(tool): the time per output token of each success by the formula of another tool, to reproduce its numbers.
-- llmscen: (last token − first token) / (n − 1). vllm: the same from the first chunk, also an empty one. aiperf and
-- inference-perf: (end − first token) / (n − 1). guidellm: (last token − start) / n. ntpot: (end − start) / n, the
-- normalized time. ollama: the server's own time of decoding / n. n is output_tokens; all from the real start, in ns.
CREATE OR REPLACE MACRO tpot_as(tool) AS TABLE
SELECT scenario, apply, trial_id, stage, seq, attempt, phase, output_tokens,
  CASE tool
    WHEN 'llmscen' THEN (last_token_at - first_token_at) / nullif(output_tokens - 1, 0)
    WHEN 'vllm' THEN (last_token_at - first_chunk_at) / nullif(output_tokens - 1, 0)
    WHEN 'aiperf' THEN (done_at - first_token_at) / nullif(output_tokens - 1, 0)
    WHEN 'inference-perf' THEN (done_at - first_token_at) / nullif(output_tokens - 1, 0)
    WHEN 'guidellm' THEN (last_token_at - dispatched_at) / nullif(output_tokens, 0)
    WHEN 'ntpot' THEN (done_at - dispatched_at) / nullif(output_tokens, 0)
    WHEN 'ollama' THEN server_decode_ns / nullif(output_tokens, 0)
    ELSE error('tpot_as knows llmscen, vllm, aiperf, inference-perf, guidellm, ntpot and ollama, not ' || tool)
  END AS tpot_ns
FROM requests WHERE final AND error_kind IS NULL;
