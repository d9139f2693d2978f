package trajectory

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/zeebo/xxh3"
)

// digest is what tells whether a file is the one that was recorded.
//
// SHA-256 is a checkpoint's identity: evaluations and averages name it, and nobody can make another file of the same
// digest. It takes longer than averaging does. XXH3 (128 bits, seed 0; github.com/Cyan4973/xxHash) is ten times as
// fast and notices every accident (a bad disk, a copy cut short, another run's file); it is no protection from somebody
// who means to deceive. Neither is SHA-256 where he can write into checkpoints.jsonl, too.
type digest struct {
	sha  hash.Hash // nil where it is not asked for
	fast *xxh3.Hasher
	n    int64
}

func newDigest(sha bool) *digest {
	d := &digest{fast: xxh3.New()}
	if sha {
		d.sha = sha256.New()
	}
	return d
}

// Write implements io.Writer; it does not fail.
func (d *digest) Write(p []byte) (int, error) {
	if d.sha != nil {
		d.sha.Write(p)
	}
	_, _ = d.fast.Write(p)
	d.n += int64(len(p))
	return len(p), nil
}

// SHA256 is that of what was written, in hexadecimal.
func (d *digest) SHA256() string { return hex.EncodeToString(d.sha.Sum(nil)) }

// XXH3 is that of what was written, in hexadecimal, as xxhsum -H2 prints it.
func (d *digest) XXH3() string {
	sum := d.fast.Sum128().Bytes()
	return hex.EncodeToString(sum[:])
}
