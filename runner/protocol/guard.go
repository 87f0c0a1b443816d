package protocol

import (
	"fmt"
	"net/netip"
	"syscall"
)

// AddressError says why a runtime must not be reached at an address.
type AddressError struct {
	Address string
	Reason  string
}

func (e *AddressError) Error() string { return fmt.Sprintf("%s is refused: %s", e.Address, e.Reason) }

// guard judges addresses after names have been resolved, so that no name leads around it.
type guard struct{ allowMetadata, allowPublic bool }

// control is a net.Dialer's Control.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &AddressError{Address: address, Reason: "it is no IP address and port"}
	}
	return g.check(ap.Addr())
}

func (g guard) check(a netip.Addr) error {
	a = plain(a)
	switch {
	case isMetadata(a):
		if !g.allowMetadata {
			return &AddressError{a.String(), "it is link-local or a cloud's metadata server; allow_metadata = true in the runtime lets it"}
		}
	case isPublic(a):
		if !g.allowPublic {
			return &AddressError{a.String(), "it is a public address; allow_public = true in the runtime lets it"}
		}
	}
	return nil
}

var (
	// nat64 is the well-known prefix that carries IPv4 addresses over IPv6 (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// shared is the address space of carriers and of some clusters' pods (RFC 6598).
	shared = netip.MustParsePrefix("100.64.0.0/10")

	// metadata are metadata servers that are not link-local: AWS and Google over IPv6, Alibaba, and Azure's host agent.
	metadata = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("fd20:ce::254"),
		netip.MustParseAddr("100.100.100.200"),
		netip.MustParseAddr("168.63.129.16"),
	}
)

// plain takes an IPv4 address out of the IPv6 forms of it.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

func isMetadata(a netip.Addr) bool {
	if a.IsLinkLocalUnicast() {
		return true
	}
	for _, m := range metadata {
		if a == m {
			return true
		}
	}
	return false
}

// isPublic counts everything that is not this machine or a private network. The unspecified address is this machine.
func isPublic(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsUnspecified() && !shared.Contains(a)
}
