package procfs

import "bytes"

// links are the network interfaces of one network namespace.
type links struct{ dev *file }

func openLinks(path string) *links { return &links{dev: tryOpen(path)} }

// traffic is what went over all interfaces but loopback.
type traffic struct {
	receivedBytes, receivedPackets, sentBytes, sentPackets float64
}

// headerBytes are the headers of a TCP packet: Ethernet 14, IPv4 20, TCP 20 and its timestamps 12.
const headerBytes = 66

// payload takes the headers off; it can't tell IPv6's 20 bytes more, nor packets without timestamps.
func (t traffic) payload() (received, sent float64) {
	return max(0, t.receivedBytes-headerBytes*t.receivedPackets), max(0, t.sentBytes-headerBytes*t.sentPackets)
}

// read sums up a file like /proc/net/dev: after two lines of headings, an interface a line, its name before a colon,
// then 8 fields of what was received (bytes, packets, …) and 8 of what was sent.
func (l *links) read() (traffic, bool) {
	b, ok := l.dev.read()
	if !ok {
		return traffic{}, false
	}
	var sum traffic
	for line := range bytes.Lines(b) {
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok || string(bytes.TrimSpace(name)) == "lo" {
			continue
		}
		var fields [10]float64
		for i := range fields {
			var word []byte
			word, rest = nextField(rest)
			if fields[i], ok = parseNumber(word); !ok {
				return traffic{}, false
			}
		}
		sum.receivedBytes += fields[0]
		sum.receivedPackets += fields[1]
		sum.sentBytes += fields[8]
		sum.sentPackets += fields[9]
	}
	return sum, true
}
