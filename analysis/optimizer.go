package analysis

import (
	"maps"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// ofOptimizer are the settings of a configuration that belong to its optimizer.
var ofOptimizer = map[string]bool{
	"momentum": true, "nesterov": true, "weight_decay": true, "beta1": true, "beta2": true, "eps": true, "lookahead_k": true, "lookahead_alpha": true,
}

// sgdDefaults are the settings of SGD where its text does not name them.
var sgdDefaults = map[string]any{"momentum": 0.0, "nesterov": false, "weight_decay": 0.0}

// byOptimizer gives a configuration its optimizer's name, as SGD, AdamW, Lookahead or Lookahead (AdamW), and the
// optimizer's settings one by one, so that those of SGD alone and of SGD within Lookahead can be compared.
func byOptimizer(config map[string]any) {
	text, named := config["optimizer"].(string)
	if _, momentum := config["momentum"]; !named || text == "" {
		if momentum { // SGD's settings stand for themselves
			config["optimizer"] = "SGD"
		}
		return
	}
	s, err := spec.Parse(text)
	if err != nil {
		return
	}
	name, settings := s.Name, map[string]any{}
	_, options, _ := strings.Cut(text, ":")
	for _, o := range strings.Split(options, ",") {
		key, value, has := strings.Cut(o, "=")
		switch {
		case !has:
			continue
		case s.Name == "lookahead" && (key == "k" || key == "alpha"):
			key = "lookahead_" + key
		case s.Name == "lookahead" && key == "optimizer":
			name = value
			continue
		}
		settings[strings.ReplaceAll(key, "-", "_")] = number(value)
	}
	if s.Name == "lookahead" && name == s.Name {
		name = "sgd"
	}
	if name == "sgd" {
		maps.Copy(config, sgdDefaults)
	}
	maps.Copy(config, settings)
	config["optimizer"] = optimizerLabel(s.Name, name)
}

// number is a value of an option as JSON would have it.
func number(text string) any {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v
	}
	if v, err := strconv.ParseBool(text); err == nil {
		return v
	}
	return text
}

// optimizerLabel names an optimizer as papers do, with the one that it goes around unless that is SGD.
func optimizerLabel(outer, inner string) string {
	names := map[string]string{"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "lookahead": "Lookahead"}
	label := func(name string) string {
		if names[name] != "" {
			return names[name]
		}
		return name
	}
	if outer == inner || inner == "sgd" {
		return label(outer)
	}
	return label(outer) + " (" + label(inner) + ")"
}
