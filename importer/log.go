package importer

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"lawa-replay/internal/input"
	"lawa-replay/trajectory"
)

// maxLog bounds a training log, in bytes, and maxLogLine one line of JSON.
const (
	maxLog     = 256 << 20
	maxLogLine = 1 << 20
)

// readLog gives the checkpoints what a training log says of their epoch or step.
func (u *Understood) readLog(path string) error {
	f, _, err := input.Open(path, maxLog)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := parseLog(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	matched := 0
	for i := range u.Checkpoints {
		f := &u.Checkpoints[i]
		hit := false
		for _, row := range rows {
			if !row.of(f, u.StepsUnknown) {
				continue
			}
			hit = true
			for k, v := range row.values {
				f.logged(k, v)
			}
		}
		if hit {
			matched++
		}
	}
	if matched == 0 {
		return fmt.Errorf("%s: none of its %d rows is of an epoch or step of the checkpoints", path, len(rows))
	}
	if n := len(u.Checkpoints); matched < n {
		u.note("%s has rows for %d of %d checkpoints", path, matched, n)
	}
	return nil
}

// row is one line of a log. NaN stands for what it does not say.
type row struct {
	epoch, step float64
	values      map[string]float64
}

func (r row) of(f *Found, stepsUnknown bool) bool {
	if !math.IsNaN(r.epoch) {
		return math.Abs(r.epoch-f.Epoch) < trajectory.EpochSlack
	}
	return !stepsUnknown && r.step == float64(f.Step)
}

// parseLog reads CSV with a header, or one JSON object a line.
func parseLog(in io.Reader) ([]row, error) {
	r := bufio.NewReader(in)
	var rows []row
	add := func(fields map[string]any) {
		one := row{math.NaN(), math.NaN(), map[string]float64{}}
		for k, v := range fields {
			n, ok := v.(float64)
			if text, isText := v.(string); isText {
				var err error
				n, err = strconv.ParseFloat(strings.TrimSpace(text), 64)
				ok = err == nil
			}
			if !ok {
				continue
			}
			switch strings.ToLower(strings.TrimSpace(k)) {
			case "epoch":
				one.epoch = n
			case "step", "global_step", "iteration", "iter":
				one.step = n
			default:
				one.values[k] = n
			}
		}
		rows = append(rows, one)
	}
	head, _ := r.Peek(1)
	if len(head) == 0 {
		return nil, errors.New("the log is empty")
	}
	if head[0] == '{' {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxLogLine)
		for n := 1; lines.Scan(); n++ {
			if strings.TrimSpace(lines.Text()) == "" {
				continue
			}
			var fields map[string]any
			if err := json.Unmarshal(lines.Bytes(), &fields); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			add(fields)
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	} else {
		table := csv.NewReader(r)
		table.TrimLeadingSpace = true
		columns, err := table.Read()
		if err != nil {
			return nil, err
		}
		for {
			record, err := table.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			fields := map[string]any{}
			for i, c := range columns {
				fields[c] = record[i]
			}
			add(fields)
		}
	}
	for _, one := range rows {
		if !math.IsNaN(one.epoch) || !math.IsNaN(one.step) {
			return rows, nil
		}
	}
	return nil, errors.New("no column called epoch or step")
}
