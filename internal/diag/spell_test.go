package diag

import (
	"strings"
	"testing"
	"time"
)

func TestClosest(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	tests := []struct {
		name, of, want string
		among          []string
	}{
		{"one letter wrong", "Sigmod", "Sigmoid", []string{"Softmax", "Sigmoid"}},
		{"neighbours swapped", "Sigmiod", "Sigmoid", []string{"Softmax", "Sigmoid"}},
		{"case does not count", "RELU", "Relu", []string{"Relu"}},
		{"more than a third wrong", "Tanh", "", []string{"Relu", "Sigmoid"}},
		{"no candidates", "x", "", nil},
		{"of two as near, the first", "abcd", "abce", []string{"abce", "abcf"}},
		{"a name as long as a file", long, "", []string{long + "b", long}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			if got := Closest(tt.of, tt.among); got != tt.want {
				t.Errorf("closest is %q, want %q", got, tt.want)
			}
			if d := time.Since(start); d > 10*time.Second { // hours without the bound
				t.Errorf("it takes %v", d)
			}
		})
	}
}
