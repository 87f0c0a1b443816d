// Package tables is the contract of the warehouse: one struct a table, one field a column.
//
// The tag of a field is its column: `col:"name"`. With `col:"name,null"` the zero value is stored as NULL; where zero
// is a real value the field is a Null. Durations end in _ns, instants in _at (nanoseconds since the Unix epoch, UTC),
// sizes in _bytes. A value that is not known is NULL, never 0.
//
// The columns scenario and apply are not in the structs: they come from the path of a file (Hive partitions). Every
// key begins with apply, and every join uses it.
package tables

// SchemaVersion is the version of the contract, kept in every manifest.
const SchemaVersion = 1
