//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package onnx

import (
	"io"
	"os"
)

// mapFile reads the first size bytes of f, where the system offers no mapping
// by the standard library.
func mapFile(f *os.File, size int) (data []byte, unmap func() error, err error) {
	data = make([]byte, size)
	_, err = io.ReadFull(f, data)
	return data, nil, err
}
