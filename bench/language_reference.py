"""Writes testdata/reference/language.json.gz: what transformers' language networks give for weights that a formula of name and index
fills, the same as in model/language_test.go, with the config.json of each.

usage: language_reference.py FILE    (torch 2.11.0, transformers 4.57.6)
"""
import gzip
import json
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from formula import value

SIZE = dict(vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=24)
GPT2 = dict(vocab_size=37, n_embd=16, n_layer=2, n_head=4, n_positions=24)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8}
CASES = [  # model_type, settings, whether some of it is padding
    ("gpt2", dict(GPT2), False),
    ("gpt2", dict(GPT2, n_inner=40, activation_function="gelu", tie_word_embeddings=False, layer_norm_epsilon=1e-3), True),
    ("gpt2", dict(GPT2, activation_function="relu"), True),
    ("roberta", dict(SIZE, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1), True),
    ("roberta", dict(SIZE, type_vocab_size=2, tie_word_embeddings=False, pad_token_id=0, hidden_act="gelu_new"), False),
    ("bert", dict(SIZE), True),
    ("bert", dict(SIZE, hidden_act="relu", layer_norm_eps=1e-4), False),
    ("gpt_neox", dict(SIZE), True),
    ("gpt_neox", dict(SIZE, use_parallel_residual=False, rotary_pct=1.0, rotary_emb_base=500, attention_bias=False, tie_word_embeddings=True), False),
    ("llama", dict(SIZE), True),
    ("llama", dict(SIZE, num_key_value_heads=2, tie_word_embeddings=True, rope_theta=500.0, rope_scaling=LLAMA3, rms_norm_eps=1e-5, attention_bias=True, mlp_bias=True), True),
    ("llama", dict(SIZE, num_key_value_heads=1, head_dim=6, rope_scaling={"rope_type": "linear", "factor": 2.0}), False),
    ("mistral", dict(SIZE, num_key_value_heads=2, sliding_window=None), True),
    ("mistral", dict(SIZE, num_key_value_heads=4, sliding_window=4096, head_dim=8), False),
    ("qwen2", dict(SIZE, num_key_value_heads=2, tie_word_embeddings=True), True),
]
N, T = 2, 11


def tokens(padding):
    """Of each example the last is padding for which there is a mask; the second example has three of it."""
    ids = torch.tensor([[(7 * i + 5 * j * j + 2) % 35 + 2 for j in range(T)] for i in range(N)])
    mask = torch.ones_like(ids)
    if padding is not None:
        mask[0, -1:], mask[1, -3:] = 0, 0
        ids[mask == 0] = padding
    return ids, mask


def digits(t):
    return [float(f"{v:.7g}") for v in t.double().flatten().tolist()]


def case(kind, settings, padded):
    config = AutoConfig.for_model(kind, **settings)
    masked = kind in ("bert", "roberta")
    net = (AutoModelForMaskedLM if masked else AutoModelForCausalLM).from_config(config, attn_implementation="sdpa").eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(value(name, tuple(p.shape)))
    ids, mask = tokens((getattr(config, "pad_token_id", None) or 0) if padded else None)
    inputs = {"input_ids": ids, **({"attention_mask": mask} if padded else {})}
    with torch.no_grad():
        logits = net(**inputs).logits
        with torch.autocast("cpu", torch.bfloat16):
            low = net(**inputs).logits.float()
    saved = net.config.to_dict() | {"architectures": [type(net).__name__]}
    out = {"config": saved, "ids": ids.flatten().tolist(), "mask": mask.flatten().tolist() if padded else None,
           "logits": digits(logits), "bfloat16": digits(low)[:370]}
    if kind in ("gpt2", "roberta") and not padded:
        loss = torch.nn.functional.cross_entropy(net(**inputs).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        out["loss"] = loss.item()
        out["gradients"] = {name: digits(torch.stack([p.grad.sum(), p.grad.abs().sum()])) for name, p in net.named_parameters()}
    return out


def trained(kind, settings):
    """Twenty steps of AdamW without dropout: the losses, and the weights' sums at the end."""
    drops = dict(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0) if kind == "gpt2" else dict(hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    config = AutoConfig.for_model(kind, **settings, **drops)
    net = (AutoModelForMaskedLM if kind == "roberta" else AutoModelForCausalLM).from_config(config, attn_implementation="sdpa").train()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(value(name, tuple(p.shape)))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    losses = []
    for step in range(20):
        ids = torch.tensor([[(7 * i + 5 * j * j + 3 * step + 2) % 30 + 5 for j in range(T)] for i in range(N)])
        if kind == "roberta":
            asked = torch.tensor([[(i + j + step) % 5 == 0 for j in range(T)] for i in range(N)])
            labels, ids = torch.where(asked, ids, -100), torch.where(asked, 3, ids)
            loss = net(input_ids=ids, labels=labels).loss
        else:
            loss = net(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"config": net.config.to_dict(), "losses": losses, "weights": {name: digits(torch.stack([p.detach().double().sum(), p.detach().double().abs().sum()])) for name, p in net.named_parameters()}}


torch.set_num_threads(1)
data = {"shape": [N, T], "cases": [case(*c) for c in CASES],
        "trained": [trained("gpt2", GPT2), trained("roberta", dict(SIZE, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1))]}
with gzip.GzipFile(sys.argv[1], "wb", mtime=0) as f:
    f.write(json.dumps(data, separators=(",", ":")).encode())
