package main

import (
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
)

// choiceOptions are the flags that say which part of a sweep's results is looked at.
type choiceOptions struct {
	choice       analysis.Choice
	policy, runs string
}

func (o *choiceOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.choice.Metric, "metric", "", "metric, such as top1, loss, perplexity, or one of a worker (default: top1, of language models the loss, or what is nearest to it)")
	f.StringVar(&o.choice.Better, "better", "", "which way the metric is better, higher or lower (default: as the results describe it, else as its name says)")
	f.StringVar(&o.choice.Split, "split", "", "split (default: val, where the sweep has it)")
	f.StringVar(&o.policy, "policy", "", "policies of the averages, side by side where there are several (default: recompute, where the sweep has it)")
	f.StringVar(&o.policy, "bn", "", "the same as --policy, as sweep calls it")
	f.StringVar(&o.runs, "run", "", "only these runs, by name, folder, recipe (as in the table), or one of them with /seed=N, as in a,b (default: all)")
	f.StringArrayVar(&o.choice.Schemes, "scheme", nil, "only this scheme; may be repeated")
}

// parse reads what stands in the flags.
func (o choiceOptions) parse() analysis.Choice {
	out := o.choice
	if o.policy != "" {
		out.Policies = bn.SplitPolicies(o.policy)
	}
	if o.runs != "" {
		out.Runs = splitNames(o.runs)
	}
	out.Schemes = nil
	for _, s := range o.choice.Schemes {
		// As the table writes it, where it can be read: a file of weights need not be there any more.
		parsed, err := averaging.ParseAll([]string{s})
		if err != nil {
			out.Schemes = append(out.Schemes, s)
		}
		for _, p := range parsed {
			out.Schemes = append(out.Schemes, p.Spec())
		}
	}
	return out
}
