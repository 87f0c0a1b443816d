// Package protocol asks servers of language models over HTTP, one file a wire format, and tells when each of their
// tokens arrived: by the kernel's receive stamps where there are any.
package protocol
