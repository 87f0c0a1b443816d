// Package spool keeps the rows of a trial while it runs: append-only segments of Arrow IPC streams, one series of
// segments a table.
//
// After the writer was killed at any moment, every batch that was flushed can be read again; a Parquet file without its
// footer would give back nothing. A segment is named <table>-<number>.arrows and its schema carries the trial's ID and
// the version of the contract.
package spool

// The keys in the metadata of a segment's schema, and so of the Parquet file that becomes of it.
const (
	MetaSchemaVersion = "llmscen.schema_version"
	MetaTable         = "llmscen.table"
	MetaTrialID       = "llmscen.trial_id"
)

const extension = ".arrows"
