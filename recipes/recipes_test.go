package recipes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOwnRecipesAreRead(t *testing.T) {
	for _, name := range Names() {
		r, err := Find(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if r.Name != name || r.File != "" || r.Source == "" || r.Notes == "" || strings.Contains(r.About, "\n") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

const text = `about = "a test" # a comment

[train]
model = "resnet20"
epochs = 1_0
lr = 1e-2
nesterov = true
seeds = [0, 1,
  2]

[[run]]
name = "sgd"

[[run]]
name = "lookahead"
optimizer = 'lookahead:k=5'
epochs = 3

[sweep]
k = "1-4"
scheme = ["ema:decay=0.9", "swa"]
`

func TestParse(t *testing.T) {
	r, err := Parse("a/my.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "my" || r.About != "a test" || len(r.Runs) != 2 || r.Runs[1].Name != "lookahead" {
		t.Errorf("%+v", r)
	}
	say := func(settings []Setting) string {
		var out []string
		for _, s := range settings {
			out = append(out, s.Key+"="+strings.Join(s.Values, "|"))
		}
		return strings.Join(out, " ")
	}
	if got := say(r.Of(r.Runs[1])); got != "model=resnet20 epochs=3 lr=1e-2 nesterov=true seeds=0|1|2 optimizer=lookahead:k=5" {
		t.Error(got)
	}
	if got := say(r.Of(r.Runs[0])); got != "model=resnet20 epochs=10 lr=1e-2 nesterov=true seeds=0|1|2" {
		t.Error(got)
	}
	if s := r.Settings(Sweep)[1]; s.Line != 21 || !slices.Equal(s.Values, []string{"ema:decay=0.9", "swa"}) {
		t.Errorf("%+v", s)
	}
	if err := r.Set([]string{"train.epochs=4", "run.sgd.lr=0.5", "sweep.scheme=a", "sweep.scheme=b=c,d=e", "figures.lr=true"}); err != nil {
		t.Fatal(err)
	}
	if got := say(r.Of(r.Runs[0])) + "; " + say(r.Settings(Sweep)) + "; " + say(r.Settings(Figures)); got != "model=resnet20 epochs=4 lr=0.5 nesterov=true seeds=0|1|2; k=1-4 scheme=a|b=c,d=e; lr=true" {
		t.Error(got)
	}
	for set, want := range map[string]string{"epochs=3": "want TABLE.KEY=VALUE", "trian.epochs=3": "did you mean train?", "run.sdg.lr=1": "did you mean run.sgd?", "train.epochs": "want TABLE.KEY=VALUE"} {
		if err := r.Set([]string{set}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// What is wrong is named by its line, with the nearest name.
func TestErrorsNameTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"table":       {"[sweep]", "[swep]", `my.toml:19: unknown table "swep"; did you mean sweep?`},
		"key":         {"about =", "abuot =", `my.toml:1: unknown key "abuot"; did you mean about?`},
		"twice":       {"lr = 1e-2", "epochs = 3", "my.toml:6: "},
		"no TOML":     {"lr = 1e-2", "lr == 1e-2", "my.toml:6: "},
		"a date":      {"lr = 1e-2", "lr = 2024-01-01", "my.toml:6: lr: a localdate"},
		"lists":       {"lr = 1e-2", "lr = [[1]]", "my.toml:6: lr: a list of lists"},
		"empty":       {"lr = 1e-2", "lr = []", "my.toml:6: lr: an empty list"},
		"dots":        {"lr = 1e-2", "lr.x = 2", "my.toml:6: lr.x: keys and tables have one name"},
		"no name":     {`name = "sgd"`, "lr = 1", "my.toml:11: a run needs a name"},
		"bad name":    {`name = "sgd"`, `name = "../x"`, "my.toml:11: a run needs a name"},
		"same name":   {`name = "sgd"`, `name = "lookahead"`, "my.toml:14: a second run called lookahead"},
		"one run":     {"[[run]]\nname = \"sgd\"\n\n[[run]]", "[run]", "my.toml:11: runs are written [[run]]"},
		"no sweep":    {"[sweep]\nk = \"1-4\"\nscheme = [\"ema:decay=0.9\", \"swa\"]\n", "", "my.toml: the table [sweep] is missing or empty"},
		"no about":    {`about = "a test"`, "", "my.toml: about = "},
		"many trains": {"[train]", "[[train]]", "my.toml:3: runs are written [[run]]"},
	} {
		bad := strings.Replace(text, c.from, c.to, 1)
		if _, err := Parse("my.toml", []byte(bad)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", name, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "own.toml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := Find(file); err != nil || r.File != file {
		t.Errorf("%+v, %v", r, err)
	}
	for name, want := range map[string]string{"resnet8-minst": "did you mean resnet8-mnist?", "../recipes/resnet8-mnist": "unknown recipe", "none.toml": "none.toml"} {
		if _, err := Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRecipe(f *testing.F) {
	f.Add([]byte(text))
	for _, name := range Names() {
		r, _ := Find(name)
		f.Add([]byte(r.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse("f.toml", text)
		if err != nil {
			return
		}
		for _, run := range r.Runs {
			r.Of(run)
		}
	})
}
