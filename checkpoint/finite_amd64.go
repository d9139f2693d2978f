package checkpoint

import "golang.org/x/sys/cpu"

//go:noescape
func exponents(data *byte, n int, mask, one uint64) uint64

// vectorExponents does what it can of data, and says how much.
func vectorExponents(data []byte, mask, one uint64) (found uint64, done int) {
	n := len(data) &^ 127
	if n == 0 || !cpu.X86.HasAVX2 {
		return 0, 0
	}
	return exponents(&data[0], n, mask, one), n
}
