package embedded

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// SentRequest is what a server did for one request: the truth that a client's measurements are held against. Instants
// are ns since the Unix epoch, by the clock that the kernel stamps packets with.
type SentRequest struct {
	Number       int64  `json:"number"` // from 1, in the order in which the requests ended
	RequestID    string `json:"request_id"`
	Outcome      string `json:"outcome"`
	ReceivedAt   int64  `json:"received_at"`
	PromptTokens int    `json:"prompt_tokens"`
	// SentAt is when each chunk was handed to the kernel, just before the call.
	SentAt []int64 `json:"sent_at"`
	// Tokens of each chunk; absent: one each.
	Tokens []int32 `json:"tokens,omitempty"`
}

// Sent is the document that GET /sent?after=NUMBER&limit=N answers with; without after it begins at the oldest that is
// remembered, without limit it has them all.
type Sent struct {
	Forgotten int64         `json:"forgotten"` // requests that were left out of memory
	Last      int64         `json:"last"`      // the after of the next question
	Requests  []SentRequest `json:"requests"`
}

// sentLog remembers the last requests, as many as there is room for their send times.
type sentLog struct {
	room int

	mu        sync.Mutex
	requests  []SentRequest
	first     int // index of the oldest that is remembered
	times     int
	last      int64
	forgotten int64
}

func newSentLog(room int) *sentLog { return &sentLog{room: room} }

// cost is the room that a request takes: itself counts too.
func cost(r SentRequest) int { return len(r.SentAt) + 8 }

func (l *sentLog) add(r SentRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	r.Number = l.last
	l.requests = append(l.requests, r)
	l.times += cost(r)
	for l.times > l.room && l.first < len(l.requests)-1 {
		l.times -= cost(l.requests[l.first])
		l.requests[l.first] = SentRequest{}
		l.first++
		l.forgotten++
	}
	if l.first > len(l.requests)/2 && l.first > 1024 {
		l.requests = append([]SentRequest(nil), l.requests[l.first:]...)
		l.first = 0
	}
}

func (l *sentLog) since(after int64, limit int) Sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.requests[l.first:]
	skip := min(max(after-(l.last-int64(len(kept))), 0), int64(len(kept)))
	kept = kept[skip:]
	if limit > 0 && limit < len(kept) {
		kept = kept[:limit]
	}
	s := Sent{Forgotten: l.forgotten, Last: max(after, 0), Requests: append([]SentRequest{}, kept...)}
	if n := len(kept); n > 0 {
		s.Last = kept[n-1].Number
	}
	return s
}

func (l *sentLog) serve(w http.ResponseWriter, r *http.Request) {
	number := func(name string) (int64, error) {
		if v := r.FormValue(name); v != "" {
			return strconv.ParseInt(v, 10, 64)
		}
		return 0, nil
	}
	after, err := number("after")
	if err != nil {
		refuseLlamaCPP(w, badJSON(err))
		return
	}
	limit, err := number("limit")
	if err != nil {
		refuseLlamaCPP(w, badJSON(err))
		return
	}
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(l.since(after, int(limit))) // a client that is gone needs no answer
}
