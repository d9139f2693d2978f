package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/dataset"
)

func newTokenize() *cobra.Command {
	var o struct{ tokenizer, unit, column, out, examples string }
	c := &cobra.Command{
		Use:   "tokenize FILE… --tokenizer DIR --out FILE.tokens",
		Short: "Write the token ids of texts, once for all sweeps",
		Long: `Tokenize plain files, JSON lines or Parquet (or patterns of such names in quotes)
with the tokenizer of a HuggingFace folder, and write the ids into a file that
--data tokens:FILE.tokens reads, wherever it is. (--data text:FILE does the same by
itself, and keeps the ids in the user's cache folder.)

With --examples SPEC, a data set's text, the examples of its validation split are
written instead, packed and masked as every network of a sweep gets them, into a
safetensors file that --data tensors:FILE and Python read.`,
		Example: `  lawa-replay tokenize val.txt --tokenizer run/checkpoint-500 --out val.tokens
  lawa-replay tokenize 'wiki/*.parquet' --column text --tokenizer ~/models/gpt2 --out wiki.tokens
  lawa-replay tokenize --examples text:val.txt,tokenizer=models/roberta,length=128,mask=0.15 --out val.safetensors`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.out == "":
				return wrong(cmd, errors.New("--out is missing: the file to write"))
			case o.examples != "" && (len(args) > 0 || o.tokenizer != ""):
				return wrong(cmd, errors.New("--examples says the files and the tokenizer itself"))
			case o.examples != "":
				return writeExamples(cmd.Context(), o.examples, o.out)
			case len(args) == 0:
				return wrong(cmd, errors.New("no file of texts is named"))
			case o.tokenizer == "":
				return wrong(cmd, errors.New("--tokenizer is missing: a folder with tokenizer.json, or vocab.json and merges.txt, or vocab.txt"))
			case strings.ToLower(filepath.Ext(o.out)) != ".tokens":
				return wrong(cmd, fmt.Errorf("--out %s: the name must end in .tokens, by which --data tokens:FILE knows it", o.out))
			case o.unit != "line" && o.unit != "paragraph" && o.unit != "file":
				return wrong(cmd, fmt.Errorf("--unit %s: line, paragraph or file is wanted", o.unit))
			}
			if err := replacing([]string{o.out}, append(slices.Clone(args), o.tokenizer)...); err != nil {
				return wrong(cmd, inFlag("out", err))
			}
			t, err := dataset.Tokenize(dataset.Opening{Context: cmd.Context()}, args, o.tokenizer, o.unit, o.column, o.out)
			if err != nil {
				return err
			}
			for _, note := range t.Notes {
				say("note: %s", note)
			}
			say("wrote %s: %d tokens of %d texts, %d bytes of text, %.2f a token; digest %.16s…", o.out, t.Tokens, t.Texts, t.Bytes, float64(t.Bytes)/float64(max(1, t.Tokens)), t.Digest)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.tokenizer, "tokenizer", "", "folder with tokenizer.json, or vocab.json and merges.txt, or vocab.txt")
	f.StringVar(&o.unit, "unit", "line", "what one text is in a plain file: line, paragraph or file")
	f.StringVar(&o.column, "column", "text", "of JSON lines and Parquet")
	f.StringVar(&o.examples, "examples", "", "a data set's text, whose validation examples are written")
	f.StringVar(&o.out, "out", "", "the file to write")
	return c
}

// replacing says which files that are there already are going to be replaced; it is an error where one is of those that are read.
func replacing(outs []string, read ...string) error {
	var there []string
	for _, out := range outs {
		info, err := os.Stat(out)
		if err != nil {
			continue
		}
		for _, path := range read {
			other, err := os.Stat(path)
			if err == nil && other.IsDir() { // a checkpoint of several files
				other, err = os.Stat(filepath.Join(path, filepath.Base(out)))
			}
			if err == nil && os.SameFile(info, other) {
				return fmt.Errorf("%s is read itself: it would be replaced", out)
			}
		}
		there = append(there, out)
	}
	switch {
	case len(there) == 1:
		say("note: %s is there already, and is replaced", there[0])
	case len(there) > 1:
		say("note: %d of %d files are there already, and are replaced", len(there), len(outs))
	}
	return nil
}

// writeExamples writes a data set's validation split.
func writeExamples(ctx context.Context, text, out string) error {
	if strings.ToLower(filepath.Ext(out)) != ".safetensors" {
		return fmt.Errorf("--out %s: examples are written as .safetensors", out)
	}
	source, err := dataset.Parse(text)
	if err != nil {
		return err
	}
	set, err := source.OpenAs(dataset.Opening{Context: ctx})
	if err != nil {
		return err
	}
	for _, note := range set.Notes {
		say("note: %s", note)
	}
	if err := replacing([]string{out}); err != nil {
		return inFlag("out", err)
	}
	if err := dataset.WriteExamples(out, set.Val); err != nil {
		return err
	}
	say("wrote %s: %d examples of %s", out, set.Val.Len(), strings.Join(dataset.Names(set.Val.Fields()), ", "))
	return nil
}
