// Package parquet turns the segments of a spool, and rows in memory, into Parquet files that every tool reads.
//
// A file appears under its name only when it is whole and safe against the loss of power: it is written as <name>.tmp,
// synced, renamed, and its folder is synced. Equal rows give equal bytes.
//
// The encodings were chosen by measurement: DELTA_BINARY_PACKED for all whole numbers took half the CPU time and two
// thirds of the size of dictionaries everywhere; dictionaries serve strings only; pages are compressed by zstd. The Arrow
// schema is not stored: pyarrow refuses a dictionary column of it beside a Hive key.
package parquet
