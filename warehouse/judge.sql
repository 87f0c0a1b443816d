-- What a judgement is made of: one row per request that counts, durations in seconds. A request counts with its final
-- attempt, in the measured phase, unless the run itself cancelled it. Latencies are of successes only; the columns are
-- NULL where there is none. good says whether a success kept every limit that the objectives put on a request.
create or replace temp table judged as
select * exclude (token_delta_us, token_counts), ok and coalesce({{good}}, false) as good
from (
    select
        stage, seq, intended_at, dispatched_at, done_at, error_kind, token_delta_us, token_counts,
        error_kind is null as ok,
        case when ok then (first_token_at - intended_at) / 1e9 end as ttft,
        case when ok then (first_token_at - dispatched_at) / 1e9 end as ttft_sent,
        case when ok then (done_at - intended_at) / 1e9 end as end_to_end,
        case when ok and output_tokens > 1 then (last_token_at - first_token_at) / 1e9 / (output_tokens - 1) end as tpot,
        case when ok and done_at > intended_at then output_tokens / ((done_at - intended_at) / 1e9) end as output_tokens_per_second,
        (dispatched_at - intended_at) / 1e9 as schedule_lag,
        case when ok then server_queue_ns / 1e9 end as server_queue,
        case when ok then server_prefill_ns / 1e9 end as server_prefill,
        case when ok then server_decode_ns / 1e9 end as server_decode,
        case when ok then prompt_tokens::double end as prompt_tokens,
        case when ok then output_tokens::double end as output_tokens,
        cached_prompt_tokens, prompt_truncated, kernel_timestamps, coalesced_chunks,
        coalesce(len(token_delta_us), 0) as chunks
    from requests
    where final and phase = 'measure' and error_kind is distinct from 'cancelled_by_run'
);

-- One row per token after the first of a success: the time since the token before. A chunk of n tokens counts as n
-- tokens that came after an nth of the gap each.
create or replace temp view judged_gaps as
with chunk as (
    select r.stage, r.seq, r.intended_at, unnest(r.token_delta_us[2:]) / 1e6 as gap, unnest(r.token_counts[2:]) as n
    from requests r
    where final and phase = 'measure' and error_kind is null
)
select stage, seq, intended_at, gap as inter_token from chunk where coalesce(n, 1) <= 1 and gap is not null
union all
select stage, seq, intended_at, gap / n from chunk, range(n::bigint) where n > 1 and gap is not null;
