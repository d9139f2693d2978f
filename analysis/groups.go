package analysis

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/results"
)

// Group is runs that were trained alike, as far as the table says: seeds of one another.
type Group struct {
	Name string // what is another in other groups, such as "lr 0.05"; "" where there is only one
	Runs []results.Run
}

func groupOf(groups []*Group, run results.Run) *Group {
	for _, g := range groups {
		if slices.ContainsFunc(g.Runs, func(r results.Run) bool { return r.ID() == run.ID() }) {
			return g
		}
	}
	return nil
}

// Groups puts together the runs of one recipe, and says what a reader should know of them.
func Groups(runs []results.Run) (groups []*Group, notes []string) {
	index := map[string]*Group{}
	var configs []string
	for _, r := range runs {
		g := index[r.Config]
		if g == nil {
			g = &Group{}
			index[r.Config] = g
			groups = append(groups, g)
			configs = append(configs, r.Config)
		}
		g.Runs = append(g.Runs, r)
	}
	names := map[string]string{}
	for i, name := range results.RunNames(runs) {
		names[runs[i].ID()] = name
	}
	list := func(runs []results.Run) string {
		var out []string
		for _, r := range runs {
			out = append(out, names[r.ID()])
		}
		return strings.Join(out, ", ")
	}
	if len(groups) > 1 {
		var each []string
		for i, name := range differing(configs) {
			groups[i].Name = name
			each = append(each, fmt.Sprintf("%s (%s)", name, list(groups[i].Runs)))
		}
		notes = append(notes, "the runs were not trained alike and are shown apart: "+strings.Join(each, "; "))
	}
	for i, g := range groups {
		if len(g.Runs) == 1 {
			continue
		}
		switch settings := parseConfig(configs[i]); {
		case configs[i] == "":
			notes = append(notes, fmt.Sprintf("how %s were trained is not in this table, which an older version wrote: they are taken for seeds of one configuration (sweep again, which evaluates nothing, to know)", list(g.Runs)))
		case unknown(settings):
			notes = append(notes, fmt.Sprintf("how %s were trained is not recorded: as runs of one network and data they are taken for seeds of one configuration", list(g.Runs)))
		}
		seeds := map[int64]string{}
		for _, r := range g.Runs {
			if r.Seed == nil {
				continue
			}
			if first, twice := seeds[*r.Seed]; twice {
				notes = append(notes, fmt.Sprintf("%s and %s are both of seed %d", first, names[r.ID()], *r.Seed))
			}
			seeds[*r.Seed] = names[r.ID()]
		}
	}
	return groups, notes
}

// unknown says whether the settings of the training are not recorded.
func unknown(config map[string]any) bool {
	v, has := config["training"]
	return has && v == nil
}

func parseConfig(text string) map[string]any {
	m := map[string]any{}
	if json.Unmarshal([]byte(text), &m) != nil {
		m = map[string]any{"configuration": text}
	}
	return m
}

// differing names each of different configurations by the settings that are not the same in all, by the optimizer's name
// where that is enough.
func differing(configs []string) []string {
	names := differences(configs, byOptimizer)
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	if seen[""] || len(seen) < len(names) { // one optimizer, written in two ways
		return differences(configs, func(map[string]any) {})
	}
	return names
}

// differences are the settings that are not the same in all configurations, as read. What an imported run does not record
// is not compared.
func differences(configs []string, read func(map[string]any)) []string {
	parsed := make([]map[string]any, len(configs))
	keys, optimizers := map[string]bool{}, map[any]bool{}
	for i, text := range configs {
		parsed[i] = parseConfig(text)
		read(parsed[i])
		if o, has := parsed[i]["optimizer"]; has {
			optimizers[o] = true
		}
		if !unknown(parsed[i]) {
			parsed[i]["training"] = "recorded"
		}
		for key := range parsed[i] {
			keys[key] = true
		}
	}
	out := make([]string, len(configs))
	sorted := slices.Sorted(maps.Keys(keys))
	if i := slices.Index(sorted, "optimizer"); i > 0 { // first, for it is what recipes are called by
		sorted = slices.Insert(slices.Delete(sorted, i, i+1), 0, "optimizer")
	}
	for _, key := range sorted {
		values := map[string]bool{}
		// What only some optimizers have is compared among those.
		compared := func(m map[string]any) bool {
			_, has := m[key]
			return has || !unknown(m) && (len(optimizers) < 2 || !ofOptimizer[key])
		}
		for _, m := range parsed {
			if compared(m) {
				values[setting(m, key)] = true
			}
		}
		if len(values) < 2 {
			continue
		}
		for i, m := range parsed {
			if compared(m) {
				out[i] = strings.TrimPrefix(out[i]+", "+setting(m, key), ", ")
			}
		}
	}
	return out
}

// setting writes a setting as in lr 0.05.
func setting(config map[string]any, key string) string {
	v, has := config[key]
	if key == "training" {
		if v == nil {
			return "settings not recorded"
		}
		return "settings recorded"
	}
	text, isText := v.(string)
	switch {
	case key == "optimizer" && isText:
		return text
	case !has:
		text = "–"
	case !isText:
		b, _ := json.Marshal(v) // it came out of JSON
		text = string(b)
	}
	return strings.ReplaceAll(key, "_", " ") + " " + text
}
