"""Trains a tiny GPT-2 and a tiny RoBERTa by transformers' Trainer: folders of checkpoints as people have them, with config.json,
trainer_state.json and the tokenizer.

usage: language_run.py TEXT testdata/tokenizer/gpt2 tokenizer/small FOLDER    (torch, transformers, accelerate)
"""
import os
import sys

import torch
from transformers import (AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, DataCollatorForLanguageModeling, PreTrainedTokenizerFast, Trainer,
                          TrainingArguments)

text, out = sys.argv[1], sys.argv[4]
tokenizers = {"gpt2": sys.argv[2], "roberta": sys.argv[3]}
lines = [line.rstrip("\n") for line in open(text, encoding="utf-8")]
LENGTH = 64


def blocks(tokenizer):
    """HuggingFace's group_texts."""
    ids = [i for line in lines for i in tokenizer(line)["input_ids"]]
    return [{"input_ids": ids[i : i + LENGTH]} for i in range(0, len(ids) // LENGTH * LENGTH, LENGTH)]


def run(name, config, auto, masked):
    torch.manual_seed(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizers[name])
    if not masked:
        tokenizer.pad_token = tokenizer.eos_token
    net = auto.from_config(config)
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=masked, **({"mlm_probability": 0.15} if masked else {}))
    arguments = TrainingArguments(os.path.join(out, name), max_steps=200, per_device_train_batch_size=16, learning_rate=2e-3, lr_scheduler_type="constant_with_warmup",
                                  warmup_steps=20, save_steps=20, logging_steps=10, report_to=[], use_cpu=True, seed=1, disable_tqdm=True)
    trainer = Trainer(net, arguments, train_dataset=blocks(tokenizer), data_collator=collate, processing_class=tokenizer)
    trainer.train()


run("gpt2", AutoConfig.for_model("gpt2", vocab_size=700, n_embd=64, n_layer=2, n_head=4, n_positions=128, bos_token_id=0, eos_token_id=0), AutoModelForCausalLM, False)
run("roberta", AutoConfig.for_model("roberta", vocab_size=601, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=130,
                                    type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2), AutoModelForMaskedLM, True)
