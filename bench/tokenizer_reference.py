"""Trains small tokenizers of the kinds that published models have on a text and writes them, and what HuggingFace's tokenizers make of some
thousand texts, most of them odd: FOLDER/KIND/, FOLDER/texts.json.gz (the texts, and 16 bits of the CRC-32 of the ids of each), and SMALL, the
one that comes with the program; and FOLDER/configs.json: what transformers makes of a text by several tokenizer_config.json.

usage: tokenizer_reference.py TEXT testdata/tokenizer tokenizer/small    (tokenizers 0.22.2, transformers 4.57.6)
"""
import gzip
import json
import os
import random
import sys
import zlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

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

# Llama 3 and Qwen2: a pattern of their own; Pythia: GPT-2's of composed characters.
pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
for name, digits_most, special in (("llama3", "{1,3}", ["<|begin_of_text|>", "<|end_of_text|>"]), ("qwen2", "", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])):
    t = train(name, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern % digits_most), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), special, 500)
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    if name == "llama3":
        t.model.ignore_merges = True
        t.post_processor = processors.Sequence([t.post_processor, processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)])])
    else:
        t.normalizer = normalizers.NFC()
    save(t, name, {"eos_token": special[1]})
pythia = train("pythia", pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>", "<|padding|>"], 500)
pythia.normalizer = normalizers.NFC()
pythia.add_tokens([AddedToken("        ", normalized=True), AddedToken("    ", normalized=True), AddedToken("e\u0301e", normalized=True)])
save(pythia, "pythia", {"eos_token": "<|endoftext|>"})


# Llama 2 and Mistral: what was SentencePiece's.
def sentencepiece(name, change):
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=800, special_tokens=["<unk>", "<s>", "</s>"] + bytes_, limit_alphabet=90, show_progress=False))
    d = json.loads(t.to_str())
    d["added_tokens"] = d["added_tokens"][:3]
    d["pre_tokenizer"] = None
    change(d)
    t = Tokenizer.from_str(json.dumps(d))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    os.makedirs(folder(name), exist_ok=True)
    save(t, name, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"})


sentencepiece("llama2", lambda d: d.update(normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}))
sentencepiece("mistral", lambda d: d.update(pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}))
sentencepiece("metaspace", lambda d: d.update(pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}))

# BERT.
for name, lowercase in (("bert", True), ("bert-cased", False)):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=700, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    os.makedirs(folder(name), exist_ok=True)
    save(t, name, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"})

rng = random.Random(1)
special = ["<|endoftext|>", "<s>", "</s>", "<mask>", "<pad>", "<|im_start|>", "<|im_end|>", "lawa replay", "lawa", "\u2581\u2581", "<|im_", "<ma", "law", "[MASK]", "[CLS]", "<0x0A>", "<unk>", "<|begin_of_text|>", "    ", "e\u0301e"]
odd = ["'s", "'S", "'\u017f", "'LL", "'Re", "'D", "\r", "\n \n", " \n  ", "1234567", "\u4e2d\u6587", "\u1f88", "\u03a3", "\u212b", "\u1100\u1161\u11a8", "\U00011935\U00011930", "\u0307\u0323", "\u166d", "\u2e52", "\u00ad", "\u200d", "'ll", "'ve", "n't", "\u2019s", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\ufeff", "\x00", "\x1c", "\x7f", "123", "\u00bd", "\u0663", "\u2167", "\u4e09",
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
for name in ("gpt2", "roberta", "digits", "llama3", "qwen2", "pythia", "llama2", "mistral", "metaspace", "bert", "bert-cased"):
    t = Tokenizer.from_file(os.path.join(folder(name), "tokenizer.json"))
    for template in (False, True):
        table[f"{name}{'+' * template}"] = [zlib.crc32(b"".join(i.to_bytes(4, "little") for i in t.encode(x, add_special_tokens=template).ids)) & 0xFFFF for x in texts]
with gzip.GzipFile(os.path.join(out, "texts.json.gz"), "wb", mtime=0) as f:
    f.write(json.dumps(table, ensure_ascii=True, separators=(",", ":")).encode())

# What transformers makes of them by a tokenizer_config.json.
import shutil
import tempfile

from transformers import AutoTokenizer

text = " The Tower's 1234 m\u00e8tres, \u4e2d\u6587 A\u030a<s> tall\n\n It"
cases = [
    ("llama2", {"tokenizer_class": "LlamaTokenizer"}),
    ("llama2", {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False, "add_eos_token": True, "eos_token": {"content": "</s>", "__type": "AddedToken"}}),
    ("mistral", {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True}),
    ("pythia", {"tokenizer_class": "GPTNeoXTokenizer"}),
    ("pythia", {"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True, "bos_token": "<|endoftext|>"}),
    ("gpt2", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True}),
    ("digits", {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True}),
    ("bert-cased", {"tokenizer_class": "BertTokenizer"}),
    ("bert-cased", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}),
    ("bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}),
    ("bert/vocab.txt", {"tokenizer_class": "BertTokenizer", "do_lower_case": True}),
    ("qwen2", {"tokenizer_class": "Qwen2Tokenizer"}),
    ("llama3", {"tokenizer_class": "PreTrainedTokenizerFast"}),
]
made = []
for kind, config in cases:
    with tempfile.TemporaryDirectory() as tmp:
        name, _, file = kind.partition("/")
        whole = os.path.join(folder(name), "tokenizer.json")
        if file:
            vocab = json.load(open(whole, encoding="utf-8"))["model"]["vocab"]
            open(os.path.join(tmp, file), "w", encoding="utf-8").write("".join(t + "\n" for t in sorted(vocab, key=vocab.get)))
        else:
            shutil.copy(whole, tmp)
        json.dump(config, open(os.path.join(tmp, "tokenizer_config.json"), "w"))
        made.append({"kind": kind, "config": config, "ids": AutoTokenizer.from_pretrained(tmp)(text)["input_ids"]})
json.dump({"text": text, "cases": made}, open(os.path.join(out, "configs.json"), "w"))
