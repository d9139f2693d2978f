package rooms

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Files are read by internal/input, which takes only regular ones within a limit, and written and removed by
// internal/atomicfile, which leaves none half written and follows no links. Nobody else calls what does either.
var (
	fileRooms = []string{"internal/input", "internal/atomicfile"}
	fileCalls = map[string][]string{
		"os": {"Open", "OpenFile", "OpenInRoot", "OpenRoot", "ReadFile", "Create", "WriteFile", "CreateTemp", "MkdirTemp", "Rename", "Remove",
			"RemoveAll", "Link", "Symlink", "Truncate", "Chmod", "DirFS", "CopyFS"},
		"archive/zip":           {"OpenReader"},
		"io/ioutil":             {"ReadFile", "ReadAll", "WriteFile", "TempFile", "TempDir"},
		"syscall":               {"Open", "Openat", "Creat", "Rename", "Unlink", "Link", "Symlink", "Mknod"},
		"golang.org/x/sys/unix": {"Open", "Openat", "Openat2", "Creat", "Rename", "Renameat", "Renameat2", "Unlink", "Unlinkat", "Link", "Linkat", "Symlink"},
	}
)

func TestFilesAreOpenedInOnePlace(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || slices.Contains(fileRooms, name)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		for _, call := range fileCallsOf(t, path) {
			t.Errorf("%s calls %s: files are opened by internal/input, and written and removed by internal/atomicfile", name, call)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fileCallsOf lists what of fileCalls a file names.
func fileCallsOf(t *testing.T, path string) (found []string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{} // by the name that the file gives them
	for _, i := range f.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		if fileCalls[p] == nil {
			continue
		}
		name := filepath.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		packages[name] = p
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(fileCalls[packages[x.Name]], s.Sel.Name) {
				found = append(found, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return found
}
