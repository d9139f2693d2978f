package model

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// languageCase is a network of bench/language_reference.py.
type languageCase struct {
	Config           json.RawMessage
	IDs, Mask        []int64
	Logits, BFloat16 []float64
	Loss             float64
	Gradients        map[string][2]float64 // sum and sum of magnitudes
}

func languageCases(t *testing.T) (n, length int64, cases []languageCase) {
	t.Helper()
	all := languageReference(t)
	return all.Shape[0], all.Shape[1], all.Cases
}

// fromTransformers is what bench/language_reference.py wrote.
type fromTransformers struct {
	Shape   [2]int64
	Cases   []languageCase
	Trained []struct {
		Config  json.RawMessage
		Losses  []float64
		Weights map[string][2]float64
	}
}

func languageReference(t *testing.T) (all fromTransformers) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "reference", "language.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// network makes a case's network of its config, for its data.
func (c languageCase) network(length int64) (Network, error) {
	text, err := FromConfig(c.Config)
	if err != nil {
		return nil, err
	}
	data := []dataset.Field{{Name: dataset.Inputs, DType: "I64", Shape: []int64{length}}}
	if c.Mask != nil {
		data = append(data, dataset.Field{Name: dataset.AttentionMask, DType: "I64", Shape: []int64{length}})
	}
	return New(text, data...)
}

// run puts a case's tokens through a new instance, whose weights follow from their names.
func (c languageCase) run(n, length int64, o Options, use func(in Headed, s *Scope, x []*Tensor) error) (Network, error) {
	net, err := c.network(length)
	if err != nil {
		return nil, err
	}
	return net, torch.Worker(1, o.Trainable, func() error {
		in, err := net.On(torch.CPU, o)
		if err != nil {
			return err
		}
		defer in.Free()
		if err := fillByName(in.Weights()); err != nil {
			return err
		}
		var s Scope
		defer s.Close()
		var x []*Tensor
		for _, values := range [][]int64{c.IDs, c.Mask} {
			if values != nil {
				v, err := torch.From(torch.CPU, values, n, length)
				if err != nil {
					return err
				}
				s.Own(v)
				x = append(x, v)
			}
		}
		return errors.Join(use(in.(Headed), &s, x), s.Err())
	})
}

// apart is how far values are from a reference, beside the reference's size. Places that are padding do not count.
func (c languageCase) apart(have, want []float64) float64 {
	difference, size := 0.0, 0.0
	vocab := len(c.Logits) / len(c.IDs)
	for i, w := range want {
		if c.Mask != nil && c.Mask[i/vocab] == 0 {
			continue
		}
		difference, size = math.Max(difference, math.Abs(have[i]-w)), math.Max(size, math.Abs(w))
	}
	return difference / size
}

// Networks made of config.json give transformers' logits: with padding, at an odd length, tied and not, with all that the configs say.
func TestLanguageEqualsTransformers(t *testing.T) {
	n, length, cases := languageCases(t)
	for _, c := range cases {
		for _, p := range []Precision{torch.Float32, torch.BFloat16} {
			net, err := c.run(n, length, Options{Precision: p}, func(in Headed, s *Scope, x []*Tensor) error {
				y, err := in.Forward(s, x, Evaluate).Values()
				if err != nil {
					return errors.Join(s.Err(), err)
				}
				if p == torch.BFloat16 {
					if d := c.apart(y, c.BFloat16); d > 3e-2 {
						t.Errorf("%s: in bfloat16 %.2g from PyTorch's autocast", c.Config[:80], d)
					}
					return nil
				}
				if d := c.apart(y, c.Logits); d > 1e-5 {
					t.Errorf("%s: %.2g from transformers", c.Config[:80], d)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", c.Config, err)
				continue
			}
			if again, err := New(net.Spec(), dataset.Field{Name: dataset.Inputs, DType: "I64", Shape: []int64{length}}); err != nil || again.Spec() != net.Spec() {
				t.Errorf("%s: read again %v, %v", net.Spec(), again, err)
			}
		}
	}
}

// Gradients are transformers'.
func TestLanguageGradients(t *testing.T) {
	n, length, cases := languageCases(t)
	checked := 0
	for _, c := range cases {
		if c.Gradients == nil {
			continue
		}
		_, err := c.run(n, length, Options{Trainable: true}, func(in Headed, s *Scope, x []*Tensor) error {
			hidden := in.Body(s, x, Evaluate)
			places, labels := s.Scored(x[0], nil, true)
			shape, err := hidden.Shape()
			if err != nil {
				return errors.Join(s.Err(), err)
			}
			loss := s.ClassLoss(in.Head(s, s.Take(s.Reshape(hidden, -1, shape[2]), places), Evaluate), labels, 0)
			s.Backward(loss)
			v, err := loss.Values()
			if err != nil || math.Abs(v[0]-c.Loss) > 1e-5*c.Loss {
				t.Errorf("%s: a loss of %v, transformers' is %v, %v", c.Config[:80], v, c.Loss, err)
			}
			g, err := in.Weights().Gradients().Values()
			if err != nil {
				return errors.Join(s.Err(), err)
			}
			for _, e := range in.Weights().Entries {
				want, ok := c.Gradients[e.Name]
				sum, size := 0.0, 0.0
				for _, v := range g[e.Offset : e.Offset+e.Elements()] {
					sum, size = sum+v, size+math.Abs(v)
				}
				if !ok || math.Abs(sum-want[0]) > 1e-4*want[1]+1e-6 || math.Abs(size-want[1]) > 1e-4*want[1]+1e-6 {
					t.Errorf("%s: the gradient of %s is %v and %v, transformers' %v", c.Config[:80], e.Name, sum, size, want)
				}
			}
			checked++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if checked < 2 {
		t.Errorf("%d networks' gradients were compared", checked)
	}
}

// Twenty steps of AdamW, without dropout, are those of transformers and PyTorch: losses and weights.
func TestLanguageTraining(t *testing.T) {
	all := languageReference(t)
	n, length := all.Shape[0], all.Shape[1]
	for _, c := range all.Trained {
		text, err := FromConfig(c.Config)
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(text + ",dropout=0,attention-dropout=0")
		if err != nil {
			t.Fatal(err)
		}
		masked := net.(Language).Masked()
		err = torch.Worker(1, true, func() error {
			in, err := net.On(torch.CPU, Options{Trainable: true})
			if err != nil {
				return err
			}
			defer in.Free()
			if err := fillByName(in.Weights()); err != nil {
				return err
			}
			m, err := torch.New[float32](torch.CPU, in.Weights().Parameters())
			if err != nil {
				return err
			}
			v, err := torch.New[float32](torch.CPU, in.Weights().Parameters())
			if err != nil {
				return err
			}
			for step, want := range c.Losses {
				ids, labels := make([]int64, n*length), make([]int64, n*length)
				for i := range n {
					for j := range length {
						at := i*length + j
						ids[at] = (7*i+5*j*j+3*int64(step)+2)%30 + 5
						labels[at] = ids[at]
						if masked {
							if labels[at] = torch.Ignored; (i+j+int64(step))%5 == 0 {
								labels[at], ids[at] = ids[at], 3
							}
						}
					}
				}
				var s Scope
				x, err := torch.From(torch.CPU, ids, n, length)
				if err != nil {
					return err
				}
				y, err := torch.From(torch.CPU, labels, n, length)
				if err != nil {
					return err
				}
				s.Own(x)
				s.Own(y)
				net := in.(Headed)
				hidden := net.Body(&s, []*Tensor{x}, Train)
				places, asked := s.Scored(y, nil, !masked)
				loss := s.ClassLoss(net.Head(&s, s.Take(s.Reshape(hidden, n*length, 16), places), Train), asked, 0)
				s.Backward(loss)
				if err := s.Err(); err != nil {
					return err
				}
				have, err := loss.Values()
				if err != nil || math.Abs(have[0]-want) > 1e-5*want {
					t.Errorf("%.30s…: step %d: a loss of %v, transformers' %v, %v", text, step+1, have, want, err)
				}
				if err := torch.Adam(in.Weights().Flat(), in.Weights().Gradients(), m, v, 2e-3, 0.9, 0.98, 1e-6, 0.01, true, int64(step)+1); err != nil {
					return err
				}
				s.Close()
			}
			values, err := in.Weights().Values()
			if err != nil {
				return err
			}
			for _, e := range in.Weights().Entries {
				// A key's bias changes no softmax: its gradient is rounding alone, of which Adam makes steps as large as any.
				if strings.HasSuffix(e.Name, "key.bias") || strings.HasSuffix(e.Name, "c_attn.bias") {
					continue
				}
				want, ok := c.Weights[e.Name]
				sum, size := 0.0, 0.0
				for _, v := range values[e.Offset : e.Offset+e.Elements()] {
					sum, size = sum+float64(v), size+math.Abs(float64(v))
				}
				if !ok || math.Abs(sum-want[0]) > 1e-5*want[1] || math.Abs(size-want[1]) > 1e-5*want[1] {
					t.Errorf("%.30s…: %s sums up to %v and %v, transformers' %v", text, e.Name, sum, size, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Configs of published models, by the fields that they have, and what cannot be computed here.
func TestFromConfig(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`{"architectures":["RobertaForMaskedLM"],"model_type":"roberta","attention_probs_dropout_prob":0.1,"bos_token_id":0,"eos_token_id":2,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,"initializer_range":0.02,"intermediate_size":3072,"layer_norm_eps":1e-05,"max_position_embeddings":514,"num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":1,"type_vocab_size":1,"vocab_size":50265}`,
			"roberta:layers=12,hidden=768,heads=12,vocab=50265,positions=514,intermediate=3072,activation=gelu,eps=1e-05,types=1,padding=1,tied=true"},
		{`{"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"n_ctx":1024,"n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"vocab_size":50257,"task_specific_params":{"text-generation":{"do_sample":true}},"activation_function":"gelu_new"}`,
			"gpt2:layers=12,hidden=768,heads=12,vocab=50257,positions=1024,intermediate=3072,activation=gelu-tanh,eps=1e-05,tied=true"},
		{`{"model_type":"mistral","architectures":["MistralForCausalLM"],"hidden_size":4096,"intermediate_size":14336,"max_position_embeddings":32768,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,"vocab_size":32000}`,
			"llama:layers=32,hidden=4096,heads=32,vocab=32000,positions=32768,intermediate=14336,window=4096,kv-heads=8,head-width=128,activation=silu,eps=1e-05,theta=10000,scaling=none,bias=none,mlp-bias=false,tied=false"},
		{`{"model_type":"qwen2","architectures":["Qwen2ForCausalLM"],"hidden_size":896,"intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":24,"num_attention_heads":14,"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,"use_sliding_window":false,"vocab_size":151936}`,
			"llama:layers=24,hidden=896,heads=14,vocab=151936,positions=32768,intermediate=4864,kv-heads=2,head-width=64,activation=silu,eps=1e-06,theta=1e+06,scaling=none,bias=qkv,mlp-bias=false,tied=true"},
		{`{"model_type":"llama","hidden_size":2048,"num_hidden_layers":16,"num_attention_heads":32,"num_key_value_heads":8,"intermediate_size":8192,"vocab_size":128256,"max_position_embeddings":131072,"tie_word_embeddings":true,"rms_norm_eps":1e-5,"head_dim":64,"rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,"factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}}`,
			"llama:layers=16,hidden=2048,heads=32,vocab=128256,positions=131072,intermediate=8192,kv-heads=8,head-width=64,activation=silu,eps=1e-05,theta=500000,scaling=llama3/32/1/4/8192,bias=none,mlp-bias=false,tied=true"},
	} {
		if have, err := FromConfig([]byte(c.config)); err != nil || have != c.want {
			t.Errorf("%s: %v\n%s", c.config, err, have)
		}
	}
	// A field that is not there is not null: Mistral's window, its heads of keys, and what is true without being said.
	for config, want := range map[string]string{
		`{"model_type":"mistral"}`: "positions=131072,intermediate=14336,window=4096,kv-heads=8",
		`{"model_type":"mistral","sliding_window":null,"num_key_value_heads":null}`: "positions=131072,intermediate=14336,kv-heads=32",
		`{"model_type":"qwen2","sliding_window":128}`:                               "positions=32768",
		`{"model_type":"qwen2","sliding_window":128,"use_sliding_window":true}`:     "positions=32768,intermediate=22016,window=128",
		`{"model_type":"llama","sliding_window":128}`:                               "positions=2048",
		`{"model_type":"gpt2","tie_word_embeddings":null,"n_inner":null}`:           "intermediate=3072,activation=gelu-tanh,eps=1e-05,tied=false",
		`{"model_type":"gpt2"}`: "tied=true",
		`{"model_type":"llama","rope_scaling":{"type":"linear","rope_type":null,"factor":2}}`: "scaling=linear/2",
	} {
		if have, err := FromConfig([]byte(config)); err != nil || !strings.Contains(have, want) {
			t.Errorf("%s: %v\n%s, expected %s", config, err, have, want)
		}
	}
	for config, want := range map[string]string{
		`{"model_type":"llama","rope_scaling":"linear"}`:                                                               "rope_scaling is linear; an object is expected",
		`{"model_type":"llama","rope_scaling":{"type":"linear","factor":2,"beta_fast":3}}`:                             "rope_scaling has beta_fast, which is 3",
		`{"model_type":"llama","rope_scaling":{"type":"linear"}}`:                                                      "rope_scaling, of type linear, has no factor",
		`{"model_type":"llama","rope_scaling":{"mrope_section":[16,24,24]}}`:                                           "rope_scaling has mrope_section",
		`{"model_type":"llama","rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"default"}}`: "rope_scaling says linear/2 and rope_parameters says none",
		`{"model_type":"llama","rope_interleaved":true}`:                                                               "rope_interleaved is true; only false is known here",
		`{"model_type":"gpt2","scale_attn_weights":null}`:                                                              "scale_attn_weights is false; only true is known here",
		`{"model_type":"gpt_neox","rope_theta":500,"rotary_emb_base":10000}`:                                           "rope_theta is 500 and rotary_emb_base is 10000: they are one number",
		`{"model_type":"llama","rope_theta":null}`:                                                                     "rope_theta is null",
		`{"model_type":"qwen2","layer_types":"sliding"}`:                                                               "layer_types is sliding; a list is expected",
		`{"model_type":"t5"}`: `model_type "t5": there are networks for bert, gpt2, gpt_neox, llama, mistral, qwen2, roberta`,
		`{"hidden_size":3}`:   "it has no model_type",
		`{`:                   "unexpected EOF",
		`{"model_type":"roberta","architectures":["RobertaForSequenceClassification"]}`: "architectures is RobertaForSequenceClassification; RobertaForMaskedLM is known here",
		`{"model_type":"bert","position_embedding_type":"relative_key"}`:                "position_embedding_type is relative_key; only absolute is known here",
		`{"model_type":"gpt2","scale_attn_by_inverse_layer_idx":true}`:                  "scale_attn_by_inverse_layer_idx is true; only false is known here",
		`{"model_type":"llama","rope_scaling":{"type":"dynamic","factor":2.0}}`:         "rope_scaling is of type dynamic; default, linear and llama3 are known here",
		`{"model_type":"llama","hidden_act":"quick_gelu"}`:                              `hidden_act is "quick_gelu"`,
		`{"model_type":"llama","quantization_config":{"bits":4}}`:                       "the field quantization_config, which is map[bits:4], is not known",
		`{"model_type":"llama","logit_softcapping":30}`:                                 "the field logit_softcapping, which is 30, is not known",
		`{"model_type":"gpt2","n_layer":"many"}`:                                        "n_layer is many; a number is expected",
		`{"model_type":"gpt2","n_layer":5000000000}`:                                    "n_layer is 5000000000; at most 2147483647 is expected",
		`{"model_type":"gpt2","n_layer":1.5}`:                                           "n_layer is 1.5; a whole number is expected",
		`{"model_type":"qwen2","layer_types":["full_attention","sliding_attention"]}`:   "layer_types says sliding_attention of layer 1",
	} {
		if text, err := FromConfig([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, expected %s", config, text, err, want)
		}
	}
	// The network by hand is proposed only where it can be the right one.
	for config, want := range map[string][]string{
		`{"model_type":"gpt2","rope_type":"yes"}`:                          {"model gpt2:layers=12,", "model net.ts"},
		`{"model_type":"llama","rope_scaling":{"type":"yarn","factor":4}}`: {"model net.ts"},
		`{"model_type":"llama","rope_scaling":"linear"}`:                   nil,
	} {
		_, err := FromConfig([]byte(config))
		have := hint.All(err)
		if len(have) != len(want) {
			t.Errorf("%s: %v, expected %v", config, have, want)
			continue
		}
		for i, h := range have {
			if !strings.HasPrefix(h.Option, want[i]) {
				t.Errorf("%s: %s, expected %s", config, h.Option, want[i])
			}
		}
	}
}

// Whatever a config.json says, there is a network or an error, soon.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"llama","hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"rope_scaling":{"type":"linear","factor":2},"head_dim":6}`))
	f.Add([]byte(`{"model_type":"gpt2","n_layer":1e9,"n_head":0}`))
	f.Add([]byte(`{"model_type":"roberta","pad_token_id":-1,"max_position_embeddings":1}`))
	f.Add([]byte(`{"model_type":"gpt_neox","rotary_pct":1e300,"vocab_size":2147483647}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := FromConfig(data)
		if err != nil {
			return
		}
		if net, err := New(text); err == nil && net.Layout().Floats() < 0 {
			t.Errorf("%s: %d values", text, net.Layout().Floats())
		}
	})
}
