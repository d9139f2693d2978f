// Package checkpoint is what one stored checkpoint is made of: named tensors of a dtype, and their bytes in memory.
//
// It believes that a checkpoint is the same whatever file it lies in: a list of tensors, arranged as a safetensors
// file of them is, so that digests do not depend on the format. Bytes are mapped where they lie wherever that can be,
// and a file that shrinks under its reader is an error, not a crash.
package checkpoint
