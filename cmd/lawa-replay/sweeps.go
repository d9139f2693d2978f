package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/sweep"
)

// readSweeps reads the tables of sweeps' folders, or of the .parquet files in them, as one, and opens what each example gave. The caller
// closes that.
func readSweeps(paths []string) (*results.Table, *examples.Store, error) {
	t, err := readTables(paths)
	if err != nil {
		return nil, nil, err
	}
	kept, err := readExamples(paths)
	return t, kept, err
}

// readTables reads the tables of sweeps as one.
func readTables(paths []string) (*results.Table, error) {
	var tables []*results.Table
	for _, path := range paths {
		t, err := readResults(path)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	names, err := sweep.Folders(foldersOf(paths))
	if err != nil {
		return nil, err
	}
	t, err := results.Join(names, tables)
	if err != nil {
		return nil, fmt.Errorf("these sweeps are not of one kind: %w", err)
	}
	return t, nil
}

// foldersOf are the folders of sweeps that are named by them, or by the tables in them.
func foldersOf(paths []string) []string {
	var out []string
	for _, path := range paths {
		if strings.HasSuffix(path, ".parquet") {
			path = filepath.Dir(path)
		}
		out = append(out, path)
	}
	return out
}

// readExamples opens what each example gave in the evaluations of sweeps, and of their shards.
func readExamples(paths []string) (*examples.Store, error) {
	var all []string
	for _, path := range foldersOf(paths) {
		folders, err := sweep.StoreFolders(path)
		if err != nil {
			return nil, err
		}
		all = append(all, folders...)
	}
	return examples.Read(sayNote, all...)
}

// readStores opens the stores of sweeps, which know how long evaluations took.
func readStores(paths []string) (sweep.Stores, error) {
	var out sweep.Stores
	for _, path := range foldersOf(paths) {
		stores, err := sweep.ReadStores(path, "", sayNote)
		if err != nil {
			out.Close()
			return nil, err
		}
		out = append(out, stores...)
	}
	return out, nil
}
