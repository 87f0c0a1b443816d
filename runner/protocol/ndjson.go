package protocol

// ndjson reads one JSON value a line.
type ndjson struct{ lines *lines }

// next is the next line that is not empty. It is valid until the call after.
func (n *ndjson) next() (data []byte, ok bool, err error) {
	for {
		line, err := n.lines.next()
		if err != nil {
			return nil, false, err
		}
		if len(line) > 0 {
			return line, true, nil
		}
	}
}
