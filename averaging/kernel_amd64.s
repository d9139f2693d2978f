#include "textflag.h"

// The loops of kernel.go for AVX2, 16 elements a turn. n is a multiple of 16 and not 0. Products are
// rounded before they are added (no fused multiply-add), and quotients are divided, as in the Go code:
// the bits are the same.

// Four vectors of four float64 from 16 float32, bfloat16, binary16, float64 at SI.
#define LOAD_F32 \
	VCVTPS2PD (SI), Y0 \
	VCVTPS2PD 16(SI), Y1 \
	VCVTPS2PD 32(SI), Y2 \
	VCVTPS2PD 48(SI), Y3 \
	ADDQ $64, SI

#define SPREAD \
	VEXTRACTF128 $1, Y0, X1 \
	VEXTRACTF128 $1, Y2, X3 \
	VCVTPS2PD X0, Y0 \
	VCVTPS2PD X1, Y1 \
	VCVTPS2PD X2, Y2 \
	VCVTPS2PD X3, Y3 \
	ADDQ $32, SI

#define LOAD_BF16 \
	VPMOVZXWD (SI), Y0 \
	VPMOVZXWD 16(SI), Y2 \
	VPSLLD $16, Y0, Y0 \
	VPSLLD $16, Y2, Y2 \
	SPREAD

#define LOAD_F16 \
	VCVTPH2PS (SI), Y0 \
	VCVTPH2PS 16(SI), Y2 \
	SPREAD

#define LOAD_F64 \
	VMOVUPD (SI), Y0 \
	VMOVUPD 32(SI), Y1 \
	VMOVUPD 64(SI), Y2 \
	VMOVUPD 96(SI), Y3 \
	ADDQ $128, SI

#define WEIGH \
	VMULPD Y15, Y0, Y0 \
	VMULPD Y15, Y1, Y1 \
	VMULPD Y15, Y2, Y2 \
	VMULPD Y15, Y3, Y3

#define SUM \
	VADDPD (DI), Y0, Y0 \
	VADDPD 32(DI), Y1, Y1 \
	VADDPD 64(DI), Y2, Y2 \
	VADDPD 96(DI), Y3, Y3

#define KEEP \
	VMOVUPD Y0, (DI) \
	VMOVUPD Y1, 32(DI) \
	VMOVUPD Y2, 64(DI) \
	VMOVUPD Y3, 96(DI)

#define DIVIDE \
	VDIVPD Y14, Y0, Y0 \
	VDIVPD Y14, Y1, Y1 \
	VDIVPD Y14, Y2, Y2 \
	VDIVPD Y14, Y3, Y3 \
	VCVTPD2PSY Y0, X0 \
	VCVTPD2PSY Y1, X1 \
	VCVTPD2PSY Y2, X2 \
	VCVTPD2PSY Y3, X3 \
	VINSERTF128 $1, X1, Y0, Y0 \
	VINSERTF128 $1, X3, Y2, Y2

#define NO_SUM

// func setNAME(acc *float64, x unsafe.Pointer, w float64, n int): acc = w·x
// func addNAME(acc *float64, x unsafe.Pointer, w float64, n int): acc += w·x
#define SUM_LOOP(NAME, LOAD, ADDITION) \
TEXT NAME(SB), NOSPLIT, $0-32 \
	MOVQ acc+0(FP), DI \
	MOVQ x+8(FP), SI \
	VBROADCASTSD w+16(FP), Y15 \
	MOVQ n+24(FP), CX \
loop: \
	LOAD \
	WEIGH \
	ADDITION \
	KEEP \
	ADDQ $128, DI \
	SUBQ $16, CX \
	JNZ loop \
	VZEROUPPER \
	RET

SUM_LOOP(·setF32, LOAD_F32, NO_SUM)
SUM_LOOP(·addF32, LOAD_F32, SUM)
SUM_LOOP(·setBF16, LOAD_BF16, NO_SUM)
SUM_LOOP(·addBF16, LOAD_BF16, SUM)
SUM_LOOP(·setF16, LOAD_F16, NO_SUM)
SUM_LOOP(·addF16, LOAD_F16, SUM)
SUM_LOOP(·setF64, LOAD_F64, NO_SUM)
SUM_LOOP(·addF64, LOAD_F64, SUM)

// func roundF32(dst unsafe.Pointer, acc *float64, norm float64, n int): dst = float32(acc/norm)
TEXT ·roundF32(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DX
	MOVQ acc+8(FP), DI
	VBROADCASTSD norm+16(FP), Y14
	MOVQ n+24(FP), CX
	TESTQ $31, DX
	JNZ plain
loop:
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	DIVIDE
	VMOVNTPS Y0, (DX)
	VMOVNTPS Y2, 32(DX)
	ADDQ $128, DI
	ADDQ $64, DX
	SUBQ $16, CX
	JNZ loop
	SFENCE
	VZEROUPPER
	RET
plain:
	VMOVUPD (DI), Y0
	VMOVUPD 32(DI), Y1
	VMOVUPD 64(DI), Y2
	VMOVUPD 96(DI), Y3
	DIVIDE
	VMOVUPS Y0, (DX)
	VMOVUPS Y2, 32(DX)
	ADDQ $128, DI
	ADDQ $64, DX
	SUBQ $16, CX
	JNZ plain
	VZEROUPPER
	RET

// func setRoundF32(dst unsafe.Pointer, acc *float64, x unsafe.Pointer, w, norm float64, n int)
// func addRoundF32(dst unsafe.Pointer, acc *float64, x unsafe.Pointer, w, norm float64, n int)
// set or add, then dst = float32(acc/norm), past the cache. dst is a multiple of 32.
#define AND_ROUND(NAME, ADDITION) \
TEXT NAME(SB), NOSPLIT, $0-48 \
	MOVQ dst+0(FP), DX \
	MOVQ acc+8(FP), DI \
	MOVQ x+16(FP), SI \
	VBROADCASTSD w+24(FP), Y15 \
	VBROADCASTSD norm+32(FP), Y14 \
	MOVQ n+40(FP), CX \
loop: \
	LOAD_F32 \
	WEIGH \
	ADDITION \
	KEEP \
	DIVIDE \
	VMOVNTPS Y0, (DX) \
	VMOVNTPS Y2, 32(DX) \
	ADDQ $64, DX \
	ADDQ $128, DI \
	SUBQ $16, CX \
	JNZ loop \
	SFENCE \
	VZEROUPPER \
	RET

AND_ROUND(·setRoundF32, NO_SUM)
AND_ROUND(·addRoundF32, SUM)
