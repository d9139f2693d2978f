package checkpoint

// Options of opening a checkpoint of another program.
type Options struct {
	// Key says where the state dict stands, as in "state_dict" or "model.ema"; "" finds it where there is one. A dict of
	// state dicts, or several keys as in "model,generator", are one model.
	Key string
	// Strip is prefixes that are taken off the tensors' names, as in "model.", one after the other.
	Strip []string
	// Skip is names of tensors to leave out, or patterns of them (path.Match).
	Skip []string
	// Untie is names that are tensors of their own, though they share the bytes of another.
	Untie []string
	// Strict refuses a pickle that names anything but tensors, arrays, containers and numbers.
	Strict bool
	// MaxPickle is how many bytes of pickle are read, and an eighth of what they may build; 0 is pickle.MaxBytes.
	MaxPickle int64
}

// Format reads the checkpoints of one format.
type Format interface {
	// Kind says what the format is.
	Kind() Kind
	// Sniff says whether a file is of the format, by its path and its first HeadBytes bytes, or all where it has fewer.
	// A folder that is one checkpoint is known by the file in it that lists the tensors.
	Sniff(path string, head []byte) bool
	// Open reads the list of the tensors, and what stands beside them. The file is in use: the checkpoint closes it when
	// it is closed itself; where there is an error, the caller does. Errors do not name the file: the caller does.
	Open(f *File, o Options) (Checkpoint, error)
}

// Kind describes a format.
type Kind struct {
	Name     string   // for messages, as in "PyTorch zip"
	About    string   // what of it is read
	Source   string   // where it is defined
	Examples []string // names of such files
}
