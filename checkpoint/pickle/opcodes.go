package pickle

import (
	"fmt"
	"slices"
)

// The opcodes, by the names of pickletools.
const (
	opMark, opStop, opPop, opPopMark, opDup                        = '(', '.', '0', '1', '2'
	opFloat, opInt, opBinInt, opBinInt1, opLong, opBinInt2         = 'F', 'I', 'J', 'K', 'L', 'M'
	opNone, opPersID, opBinPersID, opReduce, opString, opBinString = 'N', 'P', 'Q', 'R', 'S', 'T'
	opShortBinString, opUnicode, opBinUnicode, opAppend, opBuild   = 'U', 'V', 'X', 'a', 'b'
	opGlobal, opDict, opEmptyDict, opAppends, opGet, opBinGet      = 'c', 'd', '}', 'e', 'g', 'h'
	opInst, opLongBinGet, opList, opEmptyList, opObj, opPut        = 'i', 'j', 'l', ']', 'o', 'p'
	opBinPut, opLongBinPut, opSetItem, opTuple, opEmptyTuple       = 'q', 'r', 's', 't', ')'
	opSetItems, opBinFloat                                         = 'u', 'G'
	opProto, opNewObj, opExt1, opExt2, opExt4                      = 0x80, 0x81, 0x82, 0x83, 0x84
	opTuple1, opTuple2, opTuple3, opNewTrue, opNewFalse            = 0x85, 0x86, 0x87, 0x88, 0x89
	opLong1, opLong4                                               = 0x8a, 0x8b
	opBinBytes, opShortBinBytes                                    = 'B', 'C'
	opShortBinUnicode, opBinUnicode8, opBinBytes8, opEmptySet      = 0x8c, 0x8d, 0x8e, 0x8f
	opAddItems, opFrozenSet, opNewObjEx, opStackGlobal, opMemoize  = 0x90, 0x91, 0x92, 0x93, 0x94
	opFrame, opByteArray8, opNextBuffer, opReadonlyBuffer          = 0x95, 0x96, 0x97, 0x98
)

// opcodes are what each opcode does; nil is none.
var opcodes = [256]func(m *machine){
	opProto:   (*machine).protocol,
	opFrame:   func(m *machine) { m.unsigned(8) },
	opMark:    (*machine).mark,
	opPop:     (*machine).discard,
	opPopMark: func(m *machine) { m.popMark() },
	opDup:     func(m *machine) { m.push(m.top()) },

	opNone:     func(m *machine) { m.push(nil) },
	opNewTrue:  func(m *machine) { m.push(true) },
	opNewFalse: func(m *machine) { m.push(false) },
	opInt:      (*machine).integerOrBool,
	opLong:     func(m *machine) { m.decimal(m.line()) },
	opBinInt:   func(m *machine) { m.push(int64(int32(m.unsigned(4)))) },
	opBinInt1:  func(m *machine) { m.push(int64(m.unsigned(1))) },
	opBinInt2:  func(m *machine) { m.push(int64(m.unsigned(2))) },
	opLong1:    func(m *machine) { m.long(m.unsigned(1)) },
	opLong4:    func(m *machine) { m.long(m.unsigned(4)) },
	opFloat:    (*machine).float,
	opBinFloat: (*machine).binaryFloat,

	opString:          (*machine).quoted,
	opUnicode:         func(m *machine) { m.push(unescape(m.line())) },
	opBinUnicode:      func(m *machine) { m.text(m.unsigned(4)) },
	opShortBinUnicode: func(m *machine) { m.text(m.unsigned(1)) },
	opBinUnicode8:     func(m *machine) { m.text(m.unsigned(8)) },
	opBinString:       func(m *machine) { m.str(m.unsigned(4)) },
	opShortBinString:  func(m *machine) { m.str(m.unsigned(1)) },
	opBinBytes:        func(m *machine) { m.push(m.bytes(m.unsigned(4))) },
	opShortBinBytes:   func(m *machine) { m.push(m.bytes(m.unsigned(1))) },
	opBinBytes8:       func(m *machine) { m.push(m.bytes(m.unsigned(8))) },
	opByteArray8:      func(m *machine) { m.push(m.bytes(m.unsigned(8))) },

	opEmptyTuple: func(m *machine) { m.push(Tuple{}) },
	opTuple:      func(m *machine) { m.tuple(m.popMark()) },
	opTuple1:     func(m *machine) { m.tupleOf(1) },
	opTuple2:     func(m *machine) { m.tupleOf(2) },
	opTuple3:     func(m *machine) { m.tupleOf(3) },
	opEmptyList:  func(m *machine) { m.pay(64); m.push(&List{}) },
	opEmptySet:   func(m *machine) { m.pay(64); m.push(&List{}) },
	opList:       (*machine).list,
	opFrozenSet:  (*machine).list,
	opAppend:     func(m *machine) { v := m.pop(); m.extend(m.top(), []any{v}) },
	opAppends:    func(m *machine) { items := m.popMark(); m.extend(m.top(), items) },
	opAddItems:   func(m *machine) { items := m.popMark(); m.extend(m.top(), items) },
	opEmptyDict:  func(m *machine) { m.pay(64); m.push(&Dict{}) },
	opDict:       func(m *machine) { items, d := m.popMark(), &Dict{}; m.setItems(d, items); m.push(d) },
	opSetItem:    func(m *machine) { v, k := m.pop(), m.pop(); m.setItems(m.top(), []any{k, v}) },
	opSetItems:   func(m *machine) { items := m.popMark(); m.setItems(m.top(), items) },

	opGet:        func(m *machine) { m.get(m.key()) },
	opPut:        func(m *machine) { m.put(m.key()) },
	opBinGet:     func(m *machine) { m.get(m.unsigned(1)) },
	opLongBinGet: func(m *machine) { m.get(m.unsigned(4)) },
	opBinPut:     func(m *machine) { m.put(m.unsigned(1)) },
	opLongBinPut: func(m *machine) { m.put(m.unsigned(4)) },
	opMemoize:    func(m *machine) { m.put(uint64(len(m.memo))) },

	opGlobal:      func(m *machine) { module := m.line(); m.global(module, m.line()) },
	opStackGlobal: func(m *machine) { name := m.pop(); m.global(m.pop(), name) },
	opReduce:      func(m *machine) { args := m.pop(); m.call(m.pop(), args) },
	opNewObj:      func(m *machine) { args := m.pop(); m.call(m.pop(), args) },
	opNewObjEx:    func(m *machine) { m.pop(); args := m.pop(); m.call(m.pop(), args) }, // without the keyword arguments
	opInst:        (*machine).inst,
	opObj:         (*machine).obj,
	opBuild:       (*machine).build,
	opPersID:      func(m *machine) { m.persistent(m.line()) },
	opBinPersID:   func(m *machine) { m.persistent(m.pop()) },
}

// beyond are opcodes of what a file alone does not hold: extensions by number, and buffers beside it.
var beyond = []byte{opExt1, opExt2, opExt4, opNextBuffer, opReadonlyBuffer}

func (m *machine) step(op byte) {
	switch do := opcodes[op]; {
	case do != nil:
		do(m)
	case slices.Contains(beyond, op):
		m.fail(fmt.Errorf("opcode 0x%02x needs what is not in the file", op))
	default:
		m.fail(fmt.Errorf("0x%02x is not an opcode", op))
	}
}

func (m *machine) protocol() {
	if v := m.byte(); v > 5 {
		m.fail(fmt.Errorf("protocol %d; 0 to 5 are known", v))
	}
}

func (m *machine) mark() {
	if m.marks = append(m.marks, len(m.stack)); len(m.marks) > maxMarks {
		m.fail(fmt.Errorf("more than %d nested marks", maxMarks))
	}
}

// discard is POP, which discards a mark too.
func (m *machine) discard() {
	if n := len(m.marks); n > 0 && len(m.stack) == m.marks[n-1] {
		m.marks = m.marks[:n-1]
		return
	}
	m.pop()
}
