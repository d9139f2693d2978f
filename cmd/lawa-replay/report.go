package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/report"
)

func newReport() *cobra.Command {
	var o choiceOptions
	var q questionOptions
	var out, title string
	c := &cobra.Command{
		Use:   "report SWEEP... --out report.html",
		Short: "Write a sweep as one web page that needs nothing else",
		Long: `Write a sweep as one page of HTML: answers in sentences with intervals, curves to play
with, tables that sort, the figures, and where all of it comes from. The page holds all
that it needs, loads nothing, and can be mailed or archived; without JavaScript the
curves are fixed figures. Several sweeps make one page.

The best scheme is chosen on one half of the examples, drawn by --seed, and reported on
the other. What is compared, and how, says lawa-replay compare --help.`,
		Example: `  lawa-replay report sweep --out report.html
  lawa-replay report sweep --metric loss --x tokens --title "RoBERTa on WikiText-103" --out report.html
  lawa-replay report sweep --reference annealed --x step --out report.html`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return wrong(cmd, errors.New("--out is missing: the page to write, such as report.html"))
			}
			if ext := filepath.Ext(out); ext != ".html" && ext != ".htm" {
				return wrong(cmd, fmt.Errorf("--out %s: the name of a page ends in .html", out))
			}
			question, err := q.parse()
			if err != nil {
				return wrong(cmd, err)
			}
			t, kept, err := readSweeps(args)
			if err != nil {
				return err
			}
			defer kept.Close()
			stores, err := readStores(args)
			if err != nil {
				return err
			}
			defer stores.Close()
			question.Took = stores.Seconds
			s := report.Source{Table: t, Kept: kept, Choice: o.parse(), Question: question, Title: title, Version: Version}
			if n := missing(t); n > 0 {
				s.Running = fmt.Sprintf("This sweep is not complete: %s missing.", english.Plural(n, "evaluation is", "evaluations are"))
			}
			size := int64(0)
			if err := atomicfile.Write(out, func(w io.Writer) error {
				n := counted{w: w}
				err := report.Write(&n, s)
				size = n.n
				return err
			}); err != nil {
				return err
			}
			say("wrote %s, %s", out, humanize.Bytes(uint64(size)))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&out, "out", "", "the page to write")
	f.StringVar(&title, "title", "", "of the page (default: the runs)")
	o.flags(f)
	q.flags(c)
	return c
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
