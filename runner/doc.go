// Package runner is what happens: the plan, the apply trial by trial, and the journal of what was begun.
package runner
