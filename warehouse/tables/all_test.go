package tables

import (
	"slices"
	"strings"
	"testing"
)

// The columns as the contract lists them, schema version 1. A column may be added; none may change or go.
var contract = map[string]string{
	"requests":          "trial_id stage seq attempt final worker target_id prompt_id session_id turn phase intended_at dispatched_at connect_start_at connected_at wrote_at headers_at first_chunk_at first_token_at first_answer_token_at last_token_at done_at token_delta_us token_counts chunk_kinds kernel_timestamps coalesced_chunks conn_reused requested_prompt_tokens prompt_tokens cached_prompt_tokens prompt_truncated requested_output_tokens output_tokens reasoning_tokens token_source finish_reason request_bytes response_bytes http_status error_kind error_text server_queue_ns server_prefill_ns server_decode_ns server_load_ns prompt_sha256",
	"stages":            "trial_id stage kind from_at until_at target_rate_per_second target_users achieved_rate_per_second attainment ci_low ci_high outcome",
	"series":            "trial_id series_id collector target target_id pod node name unit labels",
	"samples":           "trial_id series_id at value",
	"trials":            "trial_id run cell cell_numbers labels repetition seed runtime engine engine_version protocol model model_digest quantization image image_digest runtime_args context_tokens parallel cpus_allocated gpus_allocated node_pool node_names instance_type replicas client_workers via prompt_set load load_shape started_at measure_from measure_until ended_at status validity validity_reasons slo knee_rate_per_second knee_ci_low knee_ci_high binding_objective clock_offset_ns fingerprint git_commit price_per_hour price_currency resumes_apply",
	"targets":           "trial_id target_id url metrics_url pod node",
	"events":            "at trial_id kind object message",
	"verdicts":          "trial_id stage metric stat limit measured ci_low ci_high unit met",
	"summaries":         "trial_id stage metric stat value unit ci_low ci_high n method",
	"schedules":         "trial_id stage seq intended_after_ns prompt_id",
	"bodies":            "trial_id seq attempt prompt output",
	"request_resources": "trial_id seq attempt window from_at until_at target name unit mean max samples resolution_ns",
}

func TestEveryColumnOfTheContractExists(t *testing.T) {
	for name, columns := range contract {
		table, ok := Named(name)
		if !ok {
			t.Errorf("there is no table %s", name)
			continue
		}
		for c := range strings.FieldsSeq(columns) {
			if !slices.ContainsFunc(table.Columns, func(have Column) bool { return have.Name == c }) {
				t.Errorf("%s has no column %s", name, c)
			}
		}
	}
	if len(All()) != len(contract) {
		t.Errorf("%d tables, want %d", len(All()), len(contract))
	}
}

func TestEveryTableAndColumnTellsWhatItMeans(t *testing.T) {
	for _, table := range All() {
		if table.Comment == "" {
			t.Errorf("%s has no comment", table.Name)
		}
		for _, c := range table.Columns {
			if c.Name == "" || c.Comment == "" {
				t.Errorf("%s.%s has no name or no comment", table.Name, c.Name)
			}
		}
	}
}

func TestTimesAndSizesAreBigints(t *testing.T) {
	for _, table := range All() {
		for _, c := range table.Columns {
			for _, suffix := range []string{"_at", "_ns", "_bytes"} {
				if strings.HasSuffix(c.Name, suffix) && c.SQLType != "BIGINT" {
					t.Errorf("%s.%s is %s", table.Name, c.Name, c.SQLType)
				}
			}
		}
	}
}

func TestTypesOfColumns(t *testing.T) {
	want := map[string]string{
		"requests.token_delta_us": "INTEGER[]", "requests.token_counts": "SMALLINT[]", "requests.chunk_kinds": "TINYINT[]",
		"requests.prompt_truncated": "BOOLEAN", "requests.phase": "VARCHAR", "requests.prompt_tokens": "INTEGER",
		"trials.cell": "MAP(VARCHAR, VARCHAR)", "trials.cell_numbers": "MAP(VARCHAR, DOUBLE)", "trials.fingerprint": "JSON",
		"trials.validity_reasons": "VARCHAR[]", "samples.value": "DOUBLE",
	}
	for _, table := range All() {
		for _, c := range table.Columns {
			if w, ok := want[table.Name+"."+c.Name]; ok && w != c.SQLType {
				t.Errorf("%s.%s is %s, want %s", table.Name, c.Name, c.SQLType, w)
			}
		}
	}
}
