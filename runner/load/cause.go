package load

import "errors"

// Why a request's context ended: causes as context.Cause tells them.
var (
	// ErrRunEnded cancels what is still on its way when the load has ended and drained.
	ErrRunEnded = errors.New("the run ended")
	// ErrTotalTimeout ends a request that took longer than the load allows.
	ErrTotalTimeout = errors.New("the request took longer than its timeout")
)
