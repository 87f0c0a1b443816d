-- One row a final attempt that was due: its latencies in ns, NULL where it did not come so far.
-- ttft_ns, e2e_ns and normalized_latency_ns count from the intended time, so that a server which makes the client wait
-- does not look faster for it; ttft_sent_ns and e2e_sent_ns count from the time when the client began. lag_ns is the
-- client's own fault: dispatched − intended. tpot_ns is (last token − first token) / (output tokens − 1).
-- ok: the request succeeded. counted: it counts in ratios; what the run itself cut off does not.
CREATE OR REPLACE VIEW latencies AS
SELECT
  scenario, apply, trial_id, stage, seq, attempt, phase, worker, target_id, session_id, turn, prompt_id,
  intended_at, dispatched_at, first_token_at, last_token_at, done_at,
  error_kind,
  error_kind IS NULL AS ok,
  error_kind IS DISTINCT FROM 'cancelled_by_run' AS counted,
  dispatched_at - intended_at AS lag_ns,
  connected_at - connect_start_at AS connect_ns,
  first_token_at - intended_at AS ttft_ns,
  first_token_at - dispatched_at AS ttft_sent_ns,
  first_answer_token_at - intended_at AS ttft_answer_ns,
  done_at - intended_at AS e2e_ns,
  done_at - dispatched_at AS e2e_sent_ns,
  CASE WHEN output_tokens > 1 THEN (last_token_at - first_token_at) / (output_tokens - 1) END AS tpot_ns,
  CASE WHEN output_tokens > 0 THEN (done_at - intended_at) / output_tokens END AS normalized_latency_ns,
  CASE WHEN done_at > dispatched_at THEN output_tokens * 1e9 / (done_at - dispatched_at) END AS output_tokens_per_second,
  prompt_tokens, cached_prompt_tokens, output_tokens, reasoning_tokens,
  coalesced_chunks, len(token_delta_us) AS chunks, kernel_timestamps, conn_reused,
  request_bytes, response_bytes,
  server_queue_ns, server_prefill_ns, server_decode_ns, server_load_ns
FROM requests
WHERE final;
