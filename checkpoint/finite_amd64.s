#include "textflag.h"

// func exponents(data *byte, n int, mask, one uint64) uint64
// The OR over all words of (word & mask) + one. n is a multiple of 128 and not 0.
TEXT ·exponents(SB), NOSPLIT, $0-40
	MOVQ data+0(FP), SI
	MOVQ n+8(FP), CX
	VPBROADCASTQ mask+16(FP), Y14
	VPBROADCASTQ one+24(FP), Y15
	VPXOR Y8, Y8, Y8
loop:
	VPAND (SI), Y14, Y0
	VPAND 32(SI), Y14, Y1
	VPAND 64(SI), Y14, Y2
	VPAND 96(SI), Y14, Y3
	VPADDQ Y15, Y0, Y0
	VPADDQ Y15, Y1, Y1
	VPADDQ Y15, Y2, Y2
	VPADDQ Y15, Y3, Y3
	VPOR Y0, Y1, Y0
	VPOR Y2, Y3, Y2
	VPOR Y0, Y8, Y8
	VPOR Y2, Y8, Y8
	ADDQ $128, SI
	SUBQ $128, CX
	JNZ loop
	VEXTRACTI128 $1, Y8, X0
	VPOR X0, X8, X0
	VPEXTRQ $0, X0, AX
	VPEXTRQ $1, X0, BX
	ORQ BX, AX
	MOVQ AX, ret+32(FP)
	VZEROUPPER
	RET
