package tables

import "encoding/json"

// Instant is a moment in nanoseconds since the Unix epoch, UTC; 0 means that it is not known and is stored as NULL.
type Instant int64

// Null is a value that may be unknown; the zero Null is NULL. It stands where the type's zero is a real value.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some is a known value.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// MarshalJSON writes the value, or null.
func (n Null[T]) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(n.V)
}

// UnmarshalJSON reads the value, or null.
func (n *Null[T]) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Null[T]{}
		return nil
	}
	n.Valid = true
	return json.Unmarshal(b, &n.V)
}
