-- What a judgement is made of: one row per request that counts, durations in seconds. A request counts with its final
-- attempt, in the measured phase, unless the run itself cancelled it. Latencies are of successes only; the columns are
-- NULL where there is none. good says whether a success kept every limit that the objectives put on a request.
create or replace temp table judged as
select * exclude (token_delta_us, token_counts), ok and coalesce({{good}}, false) as good
from (
    select
        l.stage, l.seq, l.intended_at, l.dispatched_at, l.done_at, l.error_kind, l.ok, r.token_delta_us, r.token_counts,
        case when l.ok then l.ttft_ns / 1e9 end as ttft,
        case when l.ok then c.start_ns / 1e9 end as cold_start_start,
        case when l.ok then c.load_ns / 1e9 end as cold_start_load,
        case when l.ok and c.stage is not null then l.ttft_sent_ns / 1e9 end as cold_start_first_token,
        case when l.ok and c.stage is not null then l.ttft_ns / 1e9 end as cold_start_total,
        case when l.ok then l.ttft_sent_ns / 1e9 end as ttft_sent,
        case when l.ok then l.e2e_ns / 1e9 end as end_to_end,
        case when l.ok then l.tpot_ns / 1e9 end as tpot,
        case when l.ok then l.output_tokens_per_second end as output_tokens_per_second,
        case when c.stage is null then l.lag_ns / 1e9 end as schedule_lag, -- before a cold start it is the server's time
        case when l.ok then l.server_queue_ns / 1e9 end as server_queue,
        case when l.ok then l.server_prefill_ns / 1e9 end as server_prefill,
        case when l.ok then l.server_decode_ns / 1e9 end as server_decode,
        case when l.ok then l.prompt_tokens::double end as prompt_tokens,
        case when l.ok then l.output_tokens::double end as output_tokens,
        case when l.ok and r.requested_prompt_tokens > 0
            then abs(l.prompt_tokens - r.requested_prompt_tokens) / r.requested_prompt_tokens end as prompt_length_error,
        l.cached_prompt_tokens, r.prompt_truncated, l.kernel_timestamps, l.coalesced_chunks,
        coalesce(l.chunks, 0) as chunks
    from latencies l join requests r using (trial_id, seq, attempt)
    left join (
        select (message->>'stage')::int as stage, (message->>'start_ns')::bigint as start_ns, (message->>'load_ns')::bigint as load_ns
        from events where kind = 'cold_start'
    ) c on c.stage = l.stage
    where l.phase = 'measure' and l.counted
);

-- One row per chunk of tokens after the first of a success: the time since the chunk before, by its n tokens. The n
-- tokens of a chunk count as n that came after an nth of the gap each.
create or replace temp view judged_gaps as
select stage, seq, intended_at, delta / 1e6 / n as inter_token, n
from (
    select stage, seq, intended_at, unnest(token_delta_us[2:]) as delta, greatest(coalesce(unnest(token_counts[2:]), 1), 1) as n
    from requests
    where final and phase = 'measure' and error_kind is null
)
where delta is not null;
