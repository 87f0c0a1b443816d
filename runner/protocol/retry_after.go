package protocol

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a server may ask for; more is taken as that much.
const maxRetryAfter = time.Hour

// retryAfter reads the header of RFC 9110, 10.2.3: seconds, or a date; 0: nothing that can be read, or the past.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if strings.Trim(value, "0123456789") == "" && value != "" {
		return maxRetryAfter // more digits than a number can have
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}
