package gorgonia

import (
	"fmt"
	"testing"
	"time"

	"github.com/lxtc/lxtc/backend"
)

// layers are convolutions of VGG-16, ResNet-50 and EfficientNet-B0 at 224×224.
var layers = []struct {
	name                            string
	channels, size, filters, kernel int
	stride, group                   int
}{
	{"vgg1.1", 3, 224, 64, 3, 1, 1},
	{"vgg1.2", 64, 224, 64, 3, 1, 1},
	{"vgg2.2", 128, 112, 128, 3, 1, 1},
	{"vgg3.2", 256, 56, 256, 3, 1, 1},
	{"vgg4.2", 512, 28, 512, 3, 1, 1},
	{"vgg5.2", 512, 14, 512, 3, 1, 1},
	{"resnet.stem", 3, 224, 64, 7, 2, 1},
	{"resnet.reduce", 256, 56, 64, 1, 1, 1},
	{"resnet.expand", 64, 56, 256, 1, 1, 1},
	{"resnet.stride", 128, 56, 128, 3, 2, 1},
	{"efficient.stem", 3, 224, 32, 3, 2, 1},
	{"efficient.expand", 16, 112, 96, 1, 1, 1},
	{"efficient.project", 240, 28, 40, 1, 1, 1},
	{"efficient.dw3", 32, 112, 32, 3, 1, 32},
	{"efficient.dw3s2", 96, 112, 96, 3, 2, 96},
	{"efficient.dw5", 672, 14, 672, 5, 1, 672},
	{"efficient.head", 320, 7, 1280, 1, 1, 1},
}

// BenchmarkConv reports GFLOP/s: go test -bench Conv -cpu 1.
func BenchmarkConv(b *testing.B) {
	for _, l := range layers {
		b.Run(l.name, func(b *testing.B) {
			pad := l.kernel / 2
			out := (l.size+2*pad-l.kernel)/l.stride + 1
			text := fmt.Sprintf(`g (float[1,%d,%d,%d] x, float[%d,%d,%d,%d] w, float[%d] b) => (y) {
  y = Conv <strides = [%d, %d], pads = [%d, %d, %d, %d], group = %d> (x, w, b)
}`, l.channels, l.size, l.size, l.filters, l.channels/l.group, l.kernel, l.kernel, l.filters, l.stride, l.stride, pad, pad, pad, pad, l.group)
			benchmark(b, text, 2*out*out*l.filters*l.channels/l.group*l.kernel*l.kernel)
		})
	}
}

// BenchmarkConvTranspose is the derivative of each layer.
func BenchmarkConvTranspose(b *testing.B) {
	for _, l := range layers {
		b.Run(l.name, func(b *testing.B) {
			pad := l.kernel / 2
			out := (l.size+2*pad-l.kernel)/l.stride + 1
			text := fmt.Sprintf(`g (float[1,%d,%d,%d] x, float[%d,%d,%d,%d] w) => (y) {
  y = ConvTranspose <strides = [%d, %d], pads = [%d, %d, %d, %d], group = %d> (x, w)
}`, l.filters, out, out, l.filters, l.channels/l.group, l.kernel, l.kernel, l.stride, l.stride, pad, pad, pad, pad, l.group)
			benchmark(b, text, 2*out*out*l.filters*l.channels/l.group*l.kernel*l.kernel)
		})
	}
}

func BenchmarkMaxPool(b *testing.B) {
	benchmark(b, `g (float[1,64,224,224] x) => (y) { y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) }`, 0)
}

// benchmark runs the only node of a model, without the machine and without
// copies of its output.
func benchmark(b *testing.B, text string, flops int) {
	s := open(b, parsed(b, text), backend.Options{})
	s.memory.poison = false
	n := s.plans[0].steps[0].n
	c := &call{session: s, n: n, ids: s.plans[0].ids[0]}
	for _, v := range n.In {
		shape, _ := v.Type.Static()
		x := ones(count(shape))
		x.Shape = shape
		c.in = append(c.in, borrow(x))
	}
	copy(s.left, s.uses)
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		if _, err := s.plans[0].steps[0].run(c); err != nil {
			b.Fatal(err)
		}
		c.settle()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(best)/1e6, "best-ms")
	if flops > 0 {
		b.ReportMetric(float64(flops)/float64(best), "GFLOP/s")
	}
}
