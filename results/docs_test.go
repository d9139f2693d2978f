package results

import (
	"os"
	"strings"
	"testing"
)

// Every column has its line in the documentation.
func TestColumnsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		if !strings.Contains(string(page), "\n| `"+c.field.Name+"` | "+map[string]string{"utf8": "string", "float64": "double"}[c.field.Type.Name()]) {
			t.Errorf("docs/results.md has no line of the column %s, %s", c.field.Name, c.field.Type.Name())
		}
	}
}
