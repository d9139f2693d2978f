"""Trains three small tokenizers on a text and writes them, and what HuggingFace's tokenizers make of some thousand texts, most of them odd:
FOLDER/{gpt2,digits}/, FOLDER/texts.json.gz and SMALL, the one that comes with the program.

usage: tokenizer_reference.py TEXT testdata/tokenizer tokenizer/small    (tokenizers 0.22.2)
"""
import gzip
import json
import os
import random
import sys
import zlib

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

lines = [line.strip() for line in open(sys.argv[1], encoding="utf-8") if line.strip()]
out = sys.argv[2]


def folder(name):
    return sys.argv[3] if name == "roberta" else os.path.join(out, name)


def train(name, pre, special, vocab):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=vocab, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    os.makedirs(folder(name), exist_ok=True)
    return t


def save(t, name, roles):
    t.save(os.path.join(folder(name), "tokenizer.json"), pretty=False)
    json.dump(roles, open(os.path.join(folder(name), "special_tokens_map.json"), "w"))


gpt2 = train("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"], 700)
gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
save(gpt2, "gpt2", {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"})

roberta = train("roberta", pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>"], 600)
roberta.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
save(roberta, "roberta", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": {"content": "<mask>", "lstrip": True}})

digits = train("digits", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), ["<|im_start|>", "<|im_end|>"], 500)
digits.add_tokens([AddedToken("lawa replay", normalized=True), AddedToken("lawa", normalized=True, rstrip=True), AddedToken("\u2581\u2581", normalized=False)])
digits.post_processor = processors.TemplateProcessing(single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 0), ("<|im_end|>", 1)])
save(digits, "digits", {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"})

rng = random.Random(1)
special = ["<|endoftext|>", "<s>", "</s>", "<mask>", "<pad>", "<|im_start|>", "<|im_end|>", "lawa replay", "lawa", "\u2581\u2581", "<|im_", "<ma", "law"]
odd = ["'s", "'S", "'ll", "'ve", "n't", "\u2019s", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\ufeff", "\x00", "\x1c", "\x7f", "123", "\u00bd", "\u0663", "\u2167", "\u4e09",
       "e\u0301", "\u00e9", "\U0001f468\u200d\U0001f469", "\U0001d54f", "\u0e01\u0e33", "\u05d0\u05b0", "\u00df", "\u0130", "\ufb01", "\u1c89", "\ua7cb", "\U00010d40", "\U00010d4a", "...", "--", "!?", "_", "~", "``"]


def text():
    kind = rng.random()
    if kind < 0.15:
        return "".join(chr(c) for c in (rng.choice([rng.randrange(0x20, 0x7f), rng.randrange(0x80, 0x2fff), rng.randrange(0x3000, 0xd7ff), rng.randrange(0xe000, 0x10ffff)]) for _ in range(rng.randrange(1, 12))))
    parts = []
    for _ in range(rng.randrange(1, 9)):
        r = rng.random()
        word = rng.choice(rng.choice(lines).split())
        parts.append(rng.choice(special) if r < (0.35 if kind < 0.4 else 0.05) else rng.choice(odd) if r < 0.55 else word + rng.choice(["", " ", " ", "  ", "\n"]))
    return "".join(parts)


texts = ["", " ", "  ", "\n\n", "a" * 300, "ab" * 200 + " " * 70, "\u00e9" * 100, "'" * 90]
texts += [rng.choice(lines)[:120] for _ in range(300)] + [text() for _ in range(3000)]
table = {"texts": texts}
for name, t in (("gpt2", gpt2), ("roberta", roberta), ("digits", digits)):
    t = Tokenizer.from_file(os.path.join(folder(name), "tokenizer.json"))
    for template in (False, True):
        table[f"{name}{'+' * template}"] = [zlib.crc32(b"".join(i.to_bytes(4, "little") for i in t.encode(x, add_special_tokens=template).ids)) for x in texts]
with gzip.GzipFile(os.path.join(out, "texts.json.gz"), "wb", mtime=0) as f:
    f.write(json.dumps(table, ensure_ascii=True, separators=(",", ":")).encode())
