package dataset

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// storeWriter decodes the images of a list into a folder, of which it has the lock.
type storeWriter struct {
	decoding
	dir           string
	skip          bool // broken images are left out
	ctx           context.Context
	progress      func(done, total int)
	index         []storeIndex
	meta          storeMeta
	pixels, entry *os.File
}

// partial are the names of what is not whole yet.
const partialPixels, partialIndex = storeFile + ".partial", "index.partial"

// makeStore decodes, or waits for another process that does.
func makeStore(dir string, d decoding, skip bool, ctx context.Context, progress func(done, total int)) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, noCache(err)
	}
	for {
		unlock, err := atomicfile.Lock(dir)
		if err == nil {
			defer unlock()
			break
		}
		if !errors.Is(err, atomicfile.ErrLocked) {
			return nil, noCache(err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	n := len(d.list.files)
	s, err := openStore(dir, n) // another may have made it meanwhile
	if err == nil {
		return s, nil
	}
	if !notThere(err) && !errors.Is(err, errDamaged) {
		return nil, err
	}
	w := &storeWriter{decoding: d, dir: dir, skip: skip, ctx: ctx, progress: progress, meta: storeMeta{Files: n, Broken: map[string]string{}}}
	if err := w.write(); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
			for _, name := range []string{partialPixels, partialIndex} {
				_ = atomicfile.RemoveBelow(dir, name)
			}
			err = noCache(fmt.Errorf("there is no room, and what had been decoded was removed: %w", err))
		}
		return nil, err
	}
	return openStore(dir, n)
}

func noCache(err error) error {
	return hint.With(fmt.Errorf("decoded images cannot be kept: %w", err), "data-cache", "names another folder for them")
}

// write goes on where an earlier one was interrupted.
func (w *storeWriter) write() (err error) {
	if w.pixels, err = atomicfile.OpenBelow(w.dir, partialPixels); err != nil {
		return err
	}
	defer w.pixels.Close()
	if w.entry, err = atomicfile.OpenBelow(w.dir, partialIndex); err != nil {
		return err
	}
	defer w.entry.Close()
	if err := w.resume(); err != nil {
		return err
	}
	if err := w.room(); err != nil {
		return err
	}
	if err := w.decodeRest(); err != nil {
		return err
	}
	return w.finish()
}

// resume takes over what is there and has its checksums. A file that was found broken is tried again.
func (w *storeWriter) resume() error {
	data, err := io.ReadAll(io.LimitReader(w.entry, int64(len(w.list.files))*storeEntry))
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(w.pixels, 1<<20)
	end := int64(0)
	for _, e := range parseIndex(data) {
		h := xxh3.New()
		if e.width == 0 {
			break
		}
		if _, err := io.CopyN(h, r, e.size()); err != nil || h.Sum64() != e.sum {
			break
		}
		w.index, end = append(w.index, e), e.begin+e.size()
	}
	for f, at := range map[*os.File]int64{w.pixels: end, w.entry: int64(len(w.index)) * storeEntry} {
		if err := f.Truncate(at); err != nil {
			return err
		}
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
	}
	return nil
}

// room compares what is needed with what the disk has.
func (w *storeWriter) room() error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(w.pixels.Fd()), &fs); err != nil {
		return nil // writing will say it
	}
	n, done := int64(len(w.list.files)), int64(len(w.index))
	need, free := w.need()*(n-done)/max(1, n), int64(fs.Bavail)*fs.Bsize
	if need > free {
		return noCache(fmt.Errorf("%d images of %s take %s, and %s has %s free", n-done, w.list.dir, humanize.IBytes(uint64(need)), w.dir, humanize.IBytes(uint64(free))))
	}
	return nil
}

// task is one image to decode, and where the answer goes.
type task struct {
	i      int
	answer chan result
}

// result is one decoded image.
type result struct {
	i   int
	p   *picture.Picture
	err error
}

// decodeRest decodes on all cores, a few images ahead of what is written, in the order of the list.
func (w *storeWriter) decodeRest() error {
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	ordered, work := make(chan chan result, 2*workers), make(chan task)
	from := len(w.index)
	go func() {
		defer close(ordered)
		defer close(work)
		for i := from; i < len(w.list.files) && ctx.Err() == nil; i++ {
			t := task{i, make(chan result, 1)}
			select {
			case ordered <- t.answer:
				work <- t
			case <-ctx.Done():
			}
		}
	}()
	for range workers {
		go func() {
			for t := range work {
				r := result{i: t.i}
				if ctx.Err() == nil {
					r.p, r.err = w.decode(t.i)
				}
				t.answer <- r
			}
		}()
	}
	return w.append(ctx, ordered)
}

// append writes images in their order; every now and then it makes them last, and then their index.
func (w *storeWriter) append(ctx context.Context, ordered <-chan chan result) error {
	out := bufio.NewWriterSize(w.pixels, 4<<20)
	const often = 2 * time.Second
	var entries []byte
	last := time.Now()
	flush := func() error {
		err := out.Flush()
		if err == nil {
			err = unix.Fdatasync(int(w.pixels.Fd()))
		}
		if err == nil {
			_, err = w.entry.Write(entries)
		}
		entries, last = entries[:0], time.Now()
		return err
	}
	at := int64(0)
	if n := len(w.index); n > 0 {
		at = w.index[n-1].begin + w.index[n-1].size()
	}
	for answer := range ordered {
		r := <-answer
		if ctx.Err() != nil {
			break
		}
		e := storeIndex{begin: at}
		if r.err != nil {
			if err := w.broken(r); err != nil {
				return errors.Join(err, flush())
			}
		} else {
			e.width, e.height, e.sum = r.p.Width, r.p.Height, xxh3.Hash(r.p.Pix)
			if _, err := out.Write(r.p.Pix); err != nil {
				return err
			}
		}
		at += e.size()
		w.index, entries = append(w.index, e), appendEntry(entries, e)
		if time.Since(last) > often {
			if err := flush(); err != nil {
				return err
			}
		}
		w.progress(len(w.index), len(w.list.files))
	}
	return errors.Join(flush(), context.Cause(ctx))
}

// broken notes an image that cannot be read, or says so.
func (w *storeWriter) broken(r result) error {
	f := w.list.files[r.i]
	if !w.skip {
		return brokenImage(filepath.Join(w.list.dir, f.path), r.err.Error())
	}
	w.meta.Broken[f.path] = r.err.Error()
	return nil
}

func brokenImage(path, why string) error {
	return hint.With(fmt.Errorf("%s: a broken image: %s", path, why), "skip-broken", "leaves broken images out, and counts them")
}

// finish puts the index behind the pixels, and gives the file its name.
func (w *storeWriter) finish() error {
	var index []byte
	size := int64(0)
	for _, e := range w.index {
		index = appendEntry(index, e)
		size += e.size()
	}
	meta, err := json.Marshal(w.meta)
	if err != nil {
		return err
	}
	size += int64(len(index)) + int64(len(meta)) + storeTail
	for _, part := range [][]byte{index, meta, tail(index, meta, size)} {
		if _, err := w.pixels.Write(part); err != nil {
			return err
		}
	}
	if err := w.pixels.Sync(); err != nil {
		return err
	}
	if err := atomicfile.RenameBelow(w.dir, partialPixels, storeFile); err != nil {
		return err
	}
	return atomicfile.RemoveBelow(w.dir, partialIndex)
}
