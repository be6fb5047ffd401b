package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// Exit codes, as `lxtc help exit-codes` documents them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInput       = 3
	exitUnsupported = 4
	exitCheck       = 5
	exitInterrupted = 130 // 128 and the number of SIGINT, as shells do
)

const exitCodes = `  0    done
  1    the run failed
  2    the command line is wrong: a flag, a target, or a name that does not exist
  3    an input cannot be read or understood: model, rule map, tokenizer, picture, arrays
  4    an operator or a rule is not supported; all of them are listed
  5    a check failed: outputs changed, relevance got lost or out of bounds, or a NaN appeared
  130  interrupted, by Ctrl-C or SIGTERM`

// coded is an error with an exit code of its own.
type coded struct {
	code int
	err  error
}

func (e coded) Error() string { return e.err.Error() }
func (e coded) Unwrap() error { return e.err }

func usageError(err error) error { return coded{exitUsage, err} }

func usagef(format string, args ...any) error { return usageError(fmt.Errorf(format, args...)) }

// unreadable marks an error over an input.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return coded{exitInput, err}
}

// codeOf returns the exit code for an error.
func codeOf(err error) int {
	var c coded
	var d *diag.Error
	var syntax *ir.SyntaxError
	var path *fs.PathError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &d) && d.Code != "":
		return codeOfDiag(d.Code)
	case errors.As(err, &syntax):
		return exitInput
	case errors.As(err, &path) && path.Op == "open" && errors.Is(err, fs.ErrNotExist):
		return exitInput
	}
	return exitFailed
}

// codeOfDiag returns the exit code for the code of a message.
func codeOfDiag(code string) int {
	switch code {
	case "LX1003", "LX1008", "LX1010", "LX1013", "LX3001", "LX3002", "LX3005":
		return exitUnsupported
	case "LX1099":
		return exitFailed
	case "LX3003", "LX3004", "LX3006", "LX3007":
		return exitUsage
	case "LX5002", "LX5003":
		return exitInput
	}
	if len(code) == 6 && code[:3] == "LX1" {
		return exitInput
	}
	return exitFailed
}

// message is the text of an error for a user.
func message(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	var d *diag.Error
	if errors.As(err, &d) && codeOfDiag(d.Code) == exitUsage {
		return d.Error() // it does not matter to the user which pass found out
	}
	return err.Error()
}
