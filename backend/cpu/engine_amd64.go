//go:build amd64 && !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// available lists the kernel sets of this machine, the fastest first.
func available() []*kernels {
	ks := []*kernels{portable()}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		ks = append([]*kernels{avx2()}, ks...)
		if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ {
			ks = append([]*kernels{avx512()}, ks...)
		}
	}
	return ks
}

func avx512() *kernels {
	ks := portable()
	ks.kind, ks.mr, ks.nr, ks.lanes = AVX512, 14, 32, 16
	ks.tile, ks.tileT = byHeight(tiles512[:]), byHeight(tilesT512[:])
	ks.packN = func(kc, cols int, b []float32, ldb int, dst []float32) {
		packN512(kc, cols, at(b, 0), ldb, at(dst, 0))
	}
	ks.packT = func(kc, cols int, b []float32, ldb int, dst []float32) {
		for j := 0; j < cols; j += 16 {
			transpose512(min(16, cols-j), kc, at(b, j*ldb), ldb, at(dst, j), 32)
		}
	}
	ks.dots, ks.axpys, ks.transpose, ks.prefetch = dots512, axpys512, transpose512, prefetch
	ks.windows = byParts(windows512)
	ks.shifts, ks.evens, ks.largest = shifts512, evens512, largest512
	ks.widenHalf, ks.widenBrain = inWholes(16, widenHalf512, widenHalfGo), inWholes(16, widenBrain512, widenBrainGo)
	ks.scaleInts = [numInts]scaleFunc{scaleSignedBytes512, scaleBytes512, scaleSignedNibbles512, scaleNibbles512}
	ks.scaleIntsEach = [numInts]scaleEachFunc{scaleEachSignedBytes512, scaleEachBytes512, scaleEachSignedNibbles512, scaleEachNibbles512}
	ks.vector512()
	return ks
}

func avx2() *kernels {
	ks := portable()
	ks.kind, ks.mr, ks.nr, ks.lanes = AVX2, 6, 16, 8
	ks.tile, ks.tileT = byHeight(tiles256[:]), byHeight(tilesT256[:])
	ks.packN = func(kc, cols int, b []float32, ldb int, dst []float32) {
		packN256(kc, cols, at(b, 0), ldb, at(dst, 0))
	}
	ks.packT = func(kc, cols int, b []float32, ldb int, dst []float32) {
		for j := 0; j < cols; j += 8 {
			transpose256(min(8, cols-j), kc, at(b, j*ldb), ldb, at(dst, j), 16)
		}
	}
	ks.dots, ks.axpys, ks.transpose, ks.prefetch = dots256, axpys256, transpose256, prefetch
	ks.windows = byParts(windows256)
	ks.shifts, ks.evens, ks.largest = shifts256, evens256, largest256
	ks.widenBrain = inWholes(8, widenBrain256, widenBrainGo)
	if cpu.X86.HasF16C { // processors with AVX2 have it, but a virtual machine may hide it
		ks.widenHalf = inWholes(8, widenHalf256, widenHalfGo)
	}
	ks.scaleInts = [numInts]scaleFunc{scaleSignedBytes256, scaleBytes256, scaleSignedNibbles256, scaleNibbles256}
	ks.scaleIntsEach = [numInts]scaleEachFunc{scaleEachSignedBytes256, scaleEachBytes256, scaleEachSignedNibbles256, scaleEachNibbles256}
	ks.vector256()
	return ks
}

// byParts gives a kernel its list of parts: the generator knows no types of ours.
func byParts(f func(n int, src *float32, step int, parts, from, end *uint64, dst *float32, dstStep int)) windowsFunc {
	word := func(p *windowPart) *uint64 { return (*uint64)(unsafe.Pointer(p)) }
	return func(n int, src *float32, step int, parts, from, end *windowPart, dst *float32, dstStep int) {
		f(n, src, step, word(parts), word(from), word(end), dst, dstStep)
	}
}

// heightFunc is a tile of one height.
type heightFunc = func(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int)

func byHeight(tiles []heightFunc) tileFunc {
	return func(mr, k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, accumulate bool, cols int) {
		tiles[mr](k, a, lda, b, ldb, c, ldc, accumulate, cols)
	}
}

var tiles512 = [...]heightFunc{1: tile512m1, tile512m2, tile512m3, tile512m4, tile512m5, tile512m6, tile512m7, tile512m8, tile512m9, tile512m10, tile512m11, tile512m12, tile512m13, tile512m14}

var tiles256 = [...]heightFunc{1: tile256m1, tile256m2, tile256m3, tile256m4, tile256m5, tile256m6}

var tilesT512 = [...]heightFunc{1: tileT512m1, tileT512m2, tileT512m3, tileT512m4, tileT512m5, tileT512m6, tileT512m7, tileT512m8, tileT512m9, tileT512m10, tileT512m11, tileT512m12, tileT512m13, tileT512m14}

var tilesT256 = [...]heightFunc{1: tileT256m1, tileT256m2, tileT256m3, tileT256m4, tileT256m5, tileT256m6}
