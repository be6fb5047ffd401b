//go:build !linux && !darwin

package main

import "os"

// memory is not known here.
func memory(*os.ProcessState) string { return "?" }
