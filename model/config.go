package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// FromConfig reads the config.json of a HuggingFace folder: the text of its network, which New reads. Every field that changes what
// the network computes is honoured, or refused by its name; one that nothing is known of is refused too, unless it is null,
// false or empty. A field that is not there has the value that transformers gives it, and null the one that Python's None has there.
// What training alone asks for, shares of dropout and the spread of new weights, is not read: the text says nothing of it.
func FromConfig(config []byte) (string, error) {
	c := hfConfig{used: map[string]bool{}}
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	if err := d.Decode(&c.fields); err != nil {
		return "", fmt.Errorf("config.json: %w", err)
	}
	kind := c.text("model_type", "")
	make, ok := hfKinds[kind]
	if !ok {
		var known []string
		for k := range hfKinds {
			known = append(known, k)
		}
		slices.Sort(known)
		err := fmt.Errorf("model_type %q: there are networks for %s", kind, strings.Join(known, ", "))
		if kind == "" {
			err = errors.New("it has no model_type: it is not of a model of transformers")
		}
		return "", orScript(fmt.Errorf("config.json: %w", err))
	}
	c.heads(make.heads)
	text := make.read(&c)
	c.rest()
	if c.err == nil {
		return text, nil
	}
	err := fmt.Errorf("config.json of a %s: %w", kind, c.err)
	switch c.why {
	case otherwise:
		err = orScript(err)
	case unknown:
		err = orScript(hint.With(err, "model "+text, "is the network without it, where that changes nothing"))
	}
	return "", err
}

// hfConfig is a config.json that is being read; the first error sticks.
type hfConfig struct {
	fields map[string]any
	used   map[string]bool
	err    error
	why    reason // of err
}

// reason is why a config.json is refused, and so what could be done instead.
type reason int

const (
	malformed reason = iota // it says what no network has
	otherwise               // its network is computed in another way than here: no text of ours is that network
	unknown                 // nothing is known of a field: whether ours is that network is for people to say
)

func (c *hfConfig) stop(why reason, format string, args ...any) {
	if c.err == nil {
		c.err, c.why = fmt.Errorf(format, args...), why
	}
}

// fail refuses what is malformed.
func (c *hfConfig) fail(format string, args ...any) { c.stop(malformed, format, args...) }

// refuse refuses what is computed otherwise.
func (c *hfConfig) refuse(format string, args ...any) { c.stop(otherwise, format, args...) }

// take is a field, nil where it is not there or null.
func (c *hfConfig) take(name string) any {
	c.used[name] = true
	return c.fields[name]
}

// null tells a field that is null from one that is not there.
func (c *hfConfig) null(name string) bool {
	v, there := c.fields[name]
	return there && v == nil
}

// nullable are fields of which transformers' None is what an absent one is, or is looked at where they are read.
var nullable = []string{"model_type", "n_inner", "head_dim", "num_key_value_heads", "sliding_window", "pad_token_id"}

// said refuses null where transformers has no meaning for it.
func (c *hfConfig) said(name string) {
	if c.null(name) && !slices.Contains(nullable, name) {
		c.fail("%s is null", name)
	}
}

// list is a field that holds several values.
func (c *hfConfig) list(name string) []any {
	switch v := c.take(name).(type) {
	case nil:
	case []any:
		return v
	default:
		c.fail("%s is %v; a list is expected", name, v)
	}
	return nil
}

func (c *hfConfig) text(name, usual string) string {
	c.said(name)
	switch v := c.take(name).(type) {
	case nil:
	case string:
		return v
	default:
		c.fail("%s is %v; a text is expected", name, v)
	}
	return usual
}

func (c *hfConfig) bool(name string, usual bool) bool {
	switch v := c.take(name).(type) {
	case nil:
		return usual && !c.null(name)
	case bool:
		return v
	default:
		c.fail("%s is %v; true or false is expected", name, v)
	}
	return usual
}

func (c *hfConfig) int(name string, usual int) int {
	v := c.float(name, float64(usual))
	if v != float64(int32(v)) {
		if v == math.Trunc(v) {
			c.fail("%s is %.0f; at most %d is expected", name, v, math.MaxInt32)
		} else {
			c.fail("%s is %v; a whole number is expected", name, v)
		}
		return usual
	}
	return int(v)
}

func (c *hfConfig) float(name string, usual float64) float64 {
	c.said(name)
	return c.number(name, c.take(name), usual)
}

func (c *hfConfig) number(name string, value any, usual float64) float64 {
	switch v := value.(type) {
	case nil:
		return usual
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	c.fail("%s is %v; a number is expected", name, value)
	return usual
}

// must refuses a field of another value than the only one that is known, which it has where it is not there.
func (c *hfConfig) must(name string, known any) {
	v := c.take(name)
	if c.null(name) {
		v = false
	}
	if v != nil && fmt.Sprint(v) != fmt.Sprint(known) {
		c.refuse("%s is %v; only %v is known here", name, v, known)
	}
}

// activation is one of ours for one of transformers' names.
func (c *hfConfig) activation(name, usual string) string {
	v := c.text(name, usual)
	known := map[string]string{"gelu": "gelu", "gelu_new": "gelu-tanh", "gelu_pytorch_tanh": "gelu-tanh", "gelu_fast": "gelu-tanh", "silu": "silu", "swish": "silu", "relu": "relu"}
	a, ok := known[v]
	if !ok {
		c.refuse("%s is %q; gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, silu and relu are known here", name, v)
	}
	return a
}

// heads refuses architectures with other heads than a language model's.
func (c *hfConfig) heads(known []string) {
	for _, a := range c.list("architectures") {
		if !slices.Contains(known, fmt.Sprint(a)) {
			c.refuse("architectures is %v; %s is known here", a, strings.Join(known, " or "))
		}
	}
}

// harmless are fields that change nothing that is computed here: names, tokens, generation, what is returned, what training draws.
var harmless = []string{
	"_name_or_path", "_attn_implementation", "_attn_implementation_autoset", "transformers_version", "torch_dtype", "dtype", "use_cache", "return_dict", "output_hidden_states", "output_attentions", "torchscript",
	"use_bfloat16", "chunk_size_feed_forward", "finetuning_task", "id2label", "label2id", "num_labels", "task_specific_params", "problem_type", "tokenizer_class", "prefix", "bos_token_id", "eos_token_id", "pad_token_id",
	"sep_token_id", "decoder_start_token_id", "mask_token_id", "cls_token_id", "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
	"typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate",
	"forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "tf_legacy_loss", "initializer_range", "classifier_dropout",
	"summary_type", "summary_use_proj", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "n_ctx", "gradient_checkpointing", "is_llama_config", "max_window_layers",
	"hidden_dropout_prob", "attention_probs_dropout_prob", "embd_pdrop", "attn_pdrop", "resid_pdrop", "hidden_dropout", "attention_dropout", "directionality", "pooler_fc_size", "pooler_num_attention_heads",
	"pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "transformers.js_config", "auto_map",
}

// rest looks at the fields that nobody has asked for.
func (c *hfConfig) rest() {
	var names []string
	for name := range c.fields {
		if !c.used[name] && !slices.Contains(harmless, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		switch v := c.fields[name].(type) {
		case nil:
			continue
		case bool:
			if !v {
				continue
			}
		case []any:
			if len(v) == 0 {
				continue
			}
		case map[string]any:
			if len(v) == 0 {
				continue
			}
		}
		c.stop(unknown, "the field %s, which is %v, is not known: it may change what the network computes", name, c.fields[name])
	}
}

// hfKind is what is known of a model_type.
type hfKind struct {
	heads []string
	read  func(*hfConfig) string
}

var hfKinds = map[string]hfKind{
	"gpt2":     {[]string{"GPT2LMHeadModel"}, gpt2Config},
	"bert":     {[]string{"BertForMaskedLM", "BertForPreTraining"}, func(c *hfConfig) string { return bertConfig(c, "bert", 30522, 512, 0, 1e-12, 2) }},
	"roberta":  {[]string{"RobertaForMaskedLM"}, func(c *hfConfig) string { return bertConfig(c, "roberta", 50265, 512, 1, 1e-12, 2) }},
	"gpt_neox": {[]string{"GPTNeoXForCausalLM"}, neoxConfig},
	"llama":    {[]string{"LlamaForCausalLM"}, func(c *hfConfig) string { return llamaConfig(c, 32000, 4096, 11008, 32, 2048, "", false) }},
	"mistral":  {[]string{"MistralForCausalLM"}, func(c *hfConfig) string { return llamaConfig(c, 32000, 4096, 14336, 32, 4096*32, "none", true) }},
	"qwen2":    {[]string{"Qwen2ForCausalLM"}, func(c *hfConfig) string { return llamaConfig(c, 151936, 4096, 22016, 32, 32768, "qkv", false) }},
}

func gpt2Config(c *hfConfig) string {
	hidden := c.int("n_embd", 768)
	c.must("scale_attn_weights", true)
	c.must("scale_attn_by_inverse_layer_idx", false)
	c.must("reorder_and_upcast_attn", false)
	c.must("add_cross_attention", false)
	return fmt.Sprintf("gpt2:layers=%d,hidden=%d,heads=%d,vocab=%d,positions=%d,intermediate=%d,activation=%s,eps=%v,tied=%v",
		c.int("n_layer", 12), hidden, c.int("n_head", 12), c.int("vocab_size", 50257), c.int("n_positions", 1024), c.int("n_inner", 4*hidden),
		c.activation("activation_function", "gelu_new"), c.float("layer_norm_epsilon", 1e-5), c.bool("tie_word_embeddings", true))
}

func bertConfig(c *hfConfig, name string, vocab, positions, padding int, eps float64, types int) string {
	c.must("position_embedding_type", "absolute")
	c.must("is_decoder", false)
	c.must("add_cross_attention", false)
	return fmt.Sprintf("%s:layers=%d,hidden=%d,heads=%d,vocab=%d,positions=%d,intermediate=%d,activation=%s,eps=%v,types=%d,padding=%d,tied=%v", name,
		c.int("num_hidden_layers", 12), c.int("hidden_size", 768), c.int("num_attention_heads", 12), c.int("vocab_size", vocab), c.int("max_position_embeddings", positions),
		c.int("intermediate_size", 3072), c.activation("hidden_act", "gelu"), c.float("layer_norm_eps", eps), c.int("type_vocab_size", types), c.int("pad_token_id", padding), c.bool("tie_word_embeddings", true))
}

func neoxConfig(c *hfConfig) string {
	one := func(name, also string, usual float64) float64 { // two names of one number
		v := c.float(name, c.float(also, usual))
		if other := c.float(also, v); other != v {
			c.fail("%s is %v and %s is %v: they are one number", name, v, also, other)
		}
		return v
	}
	theta, share := one("rope_theta", "rotary_emb_base", 10000), one("partial_rotary_factor", "rotary_pct", 0.25)
	scaling, base, part := c.rope()
	if scaling != "none" {
		c.refuse("rope_scaling is %s; for a gpt_neox none is known here", scaling)
	}
	if base > 0 {
		theta = base
	}
	if part > 0 {
		share = part
	}
	return fmt.Sprintf("gpt-neox:layers=%d,hidden=%d,heads=%d,vocab=%d,positions=%d,intermediate=%d,activation=%s,eps=%v,rotary=%v,theta=%v,parallel=%v,bias=%v,tied=%v",
		c.int("num_hidden_layers", 44), c.int("hidden_size", 6144), c.int("num_attention_heads", 64), c.int("vocab_size", 50432), c.int("max_position_embeddings", 2048),
		c.int("intermediate_size", 24576), c.activation("hidden_act", "gelu"), c.float("layer_norm_eps", 1e-5), share, theta,
		c.bool("use_parallel_residual", true), c.bool("attention_bias", true), c.bool("tie_word_embeddings", false))
}

// llamaConfig reads a network like Llama; bias is what the type has without saying so, windowed whether its attention is in a window
// where nothing is said of it: of 4096 tokens then.
func llamaConfig(c *hfConfig, vocab, hidden, intermediate, layers, positions int, bias string, windowed bool) string {
	hidden = c.int("hidden_size", hidden)
	positions = c.int("max_position_embeddings", positions)
	heads := c.int("num_attention_heads", 32)
	kv := heads
	if bias != "" { // Mistral and Qwen2
		kv = map[string]int{"none": 8, "qkv": 32}[bias]
	}
	if kv = c.int("num_key_value_heads", kv); c.null("num_key_value_heads") {
		kv = heads
	}
	c.must("rope_interleaved", false)
	theta := c.float("rope_theta", 10000)
	scaling, base, share := c.rope()
	if base > 0 {
		theta = base
	}
	if share == 0 {
		share = c.float("partial_rotary_factor", 1)
	}
	if c.used["partial_rotary_factor"] = true; share != 1 {
		c.refuse("partial_rotary_factor is %v; only 1 is known here", share)
	}
	c.must("pretraining_tp", 1)
	windowText := ""
	// Of a sliding window nothing is seen by examples that are not longer. Llama has none, whatever its config says of one.
	if window := c.int("sliding_window", 4096); c.bool("use_sliding_window", windowed) && !c.null("sliding_window") {
		if bias == "" {
			c.fail("use_sliding_window is true; a llama has no window")
		}
		if window < positions {
			windowText = fmt.Sprintf(",window=%d", window)
		}
	}
	c.layerTypes()
	mlp := false
	if bias == "" {
		bias = "none"
		if c.bool("attention_bias", false) {
			bias = "all"
		}
		mlp = c.bool("mlp_bias", false)
	} else {
		c.must("attention_bias", bias == "qkv")
	}
	usual := 0
	if heads > 0 {
		usual = hidden / heads
	}
	return fmt.Sprintf("llama:layers=%d,hidden=%d,heads=%d,vocab=%d,positions=%d,intermediate=%d%s,kv-heads=%d,head-width=%d,activation=%s,eps=%v,theta=%v,scaling=%s,bias=%s,mlp-bias=%v,tied=%v",
		c.int("num_hidden_layers", layers), hidden, heads, c.int("vocab_size", vocab), positions, c.int("intermediate_size", intermediate), windowText, kv, c.int("head_dim", usual),
		c.activation("hidden_act", "silu"), c.float("rms_norm_eps", 1e-6), theta, scaling, bias, mlp, c.bool("tie_word_embeddings", false))
}

// layerTypes refuses layers with another attention than the full one.
func (c *hfConfig) layerTypes() {
	for i, t := range c.list("layer_types") {
		if t != "full_attention" {
			c.refuse("layer_types says %v of layer %d; only full_attention is known here", t, i)
		}
	}
}

// ropeFields are the fields that each kind of rope_scaling is computed of, beside those of all kinds.
var ropeFields = map[string][]string{
	"default": nil,
	"linear":  {"factor"},
	"llama3":  {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"},
}

// rope reads rope_scaling, or rope_parameters, which newer versions write: the scaling's text, and the base and the share of columns
// where they say them, otherwise 0. A field of it that its kind is not known to have is refused.
func (c *hfConfig) rope() (scaling string, theta, share float64) {
	scaling, from := "none", ""
	for _, name := range []string{"rope_scaling", "rope_parameters"} {
		v := c.take(name)
		if v == nil {
			continue
		}
		m, ok := v.(map[string]any)
		if !ok {
			c.fail("%s is %v; an object is expected", name, v)
			continue
		}
		kind := "default"
		for _, key := range []string{"type", "rope_type"} {
			if m[key] != nil {
				kind = fmt.Sprint(m[key])
			}
		}
		own, ok := ropeFields[kind]
		if !ok {
			c.refuse("%s is of type %s; default, linear and llama3 are known here", name, kind)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !slices.Contains([]string{"type", "rope_type", "rope_theta", "partial_rotary_factor"}, key) && !slices.Contains(own, key) && m[key] != nil {
				c.refuse("%s has %s, which is %v, and nothing is known of it in one of type %s", name, key, m[key], kind)
			}
		}
		number := func(key string) float64 { return c.number(name+"."+key, m[key], 0) }
		theta, share = number("rope_theta"), number("partial_rotary_factor")
		text := "none"
		for i, key := range own {
			if i == 0 {
				text = kind
			}
			if m[key] == nil {
				c.fail("%s, of type %s, has no %s", name, kind, key)
			}
			text += fmt.Sprintf("/%v", number(key))
		}
		if from != "" && scaling != text {
			c.fail("%s says %s and %s says %s", from, scaling, name, text)
		}
		scaling, from = text, name
	}
	return scaling, theta, share
}
