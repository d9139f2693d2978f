package checkpoint

// DType is a dtype by its name in the format: F32, BF16, I64, …
type DType string

// The dtypes that averaging treats as numbers, and I64; all others are copied.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	C64  DType = "C64"  // two float32
	C128 DType = "C128" // two float64; no file of the format may hold it
	I64  DType = "I64"
)

var width = map[DType]uint64{ // bits
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
	"I16": 16, "U16": 16, F16: 16, BF16: 16, "I32": 32, "U32": 32, F32: 32, C64: 64, F64: 64, I64: 64, "U64": 64, C128: 128,
}

// Size is the bytes of one element, or 0 for dtypes narrower than a byte and unknown ones.
func (d DType) Size() int {
	switch d { // the common ones without a look into the table
	case F64:
		return 8
	case F32:
		return 4
	case F16, BF16:
		return 2
	}
	return int(width[d] / 8)
}

// Float says whether d is a floating-point dtype that can be averaged: F64, F32, F16 or BF16.
func (d DType) Float() bool { return d == F64 || d == F32 || d == F16 || d == BF16 }

// Complex says whether d is a complex dtype: C64 or C128.
func (d DType) Complex() bool { return d == C64 || d == C128 }

// Within says whether every number of the floating dtype d is one of the floating dtype other.
func (d DType) Within(other DType) bool {
	return d == other || other == F64 || other == F32 && d != F64
}

// Part is the floating dtype of d's numbers: d itself, that of the two parts of a complex number, or "" of dtypes that
// are not averaged.
func (d DType) Part() DType {
	switch {
	case d.Float():
		return d
	case d == C64:
		return F32
	case d == C128:
		return F64
	}
	return ""
}
