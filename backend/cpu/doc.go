// Package cpu is draft.
package cpu
