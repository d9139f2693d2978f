"""Runs of transformers' Trainer, swept by lawa-replay (the network of config.json, the tokenizer of the newest checkpoint) and by a
careful PyTorch script: state dicts loaded once, averaged in float64, the best of several batch sizes; and by lawa-replay with
docs/examples/worker_huggingface.py. Losses are compared, and that the blocks of tokens are HuggingFace's.

usage: language.py LAWA-REPLAY RUNS TEXT [K]    (torch, transformers; RUNS of language_run.py; k = 1 … K, 3)
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import time

import pandas as pd
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedTokenizerFast

program, runs, text = sys.argv[1:4]
most = int(sys.argv[4]) if len(sys.argv) > 4 else 3
LENGTH = 128
cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
print(f"{cpu}, {os.cpu_count()} cores, torch {torch.__version__}")


@torch.inference_mode()
def evaluate(net, x, y, batch):
    loss = 0.0
    for i in range(0, len(x), batch):
        logits = net(x[i : i + batch]).logits
        labels = y[i : i + batch]
        some = labels != -100
        loss += torch.nn.functional.cross_entropy(logits[some], labels[some], reduction="sum").item()
    return loss / (y != -100).sum().item()


with tempfile.TemporaryDirectory() as tmp:
    for name, auto, mask in (("gpt2", AutoModelForCausalLM, ""), ("roberta", AutoModelForMaskedLM, ",mask=0.15")):
        folder = os.path.join(runs, name)
        paths = sorted(glob.glob(os.path.join(folder, "checkpoint-*")), key=lambda p: int(re.search(r"\d+$", p)[0]))
        data = f"text:{text},tokenizer={paths[-1]},length={LENGTH}{mask}"
        began = time.perf_counter()
        subprocess.run([program, "sweep", folder, "--k", f"1-{most}", "--data", data, "--out", os.path.join(tmp, name), "--data-cache", os.path.join(tmp, "cache")], check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        ours = time.perf_counter() - began
        table = pd.read_parquet(os.path.join(tmp, name, "results.parquet"))
        table = {(int(r.step), r.scheme): r.value for r in table[table.metric == "loss"].itertuples()}
        examples = os.path.join(tmp, name + ".safetensors")
        subprocess.run([program, "tokenize", "--examples", data, "--out", examples], check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        examples = load_file(examples)
        x = examples["inputs"]
        if mask:
            y = examples["targets"]
        else:
            y = torch.cat([x[:, 1:], torch.full((len(x), 1), -100)], 1)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(paths[-1])
            ids = [i for line in open(text, encoding="utf-8") for i in tokenizer(line.rstrip("\n"))["input_ids"]]
            assert x.flatten().tolist() == ids[: x.numel()], "other tokens than group_texts"
        net = auto.from_pretrained(paths[0]).eval()
        trial = {}
        for batch in (4, 8, 16, 32):
            evaluate(net, x[:64], y[:64], batch)
            began = time.perf_counter()
            evaluate(net, x[:512], y[:512], batch)
            trial[batch] = time.perf_counter() - began
        best = min(trial, key=trial.get)
        began = time.perf_counter()
        states = [load_file(os.path.join(p, "model.safetensors")) for p in paths]
        worst, n = 0.0, 0
        for end in range(len(paths)):
            for k in range(1, min(most, end + 1) + 1):
                mean = {key: (sum(s[key].double() for s in states[end - k + 1 : end + 1]) / k).float() for key in states[end]}
                net.load_state_dict(mean, strict=False)
                net.tie_weights()
                loss = evaluate(net, x, y, best)
                worst, n = max(worst, abs(table[int(re.search(r"\d+$", paths[end])[0]), f"lawa:k={k}"] - loss) / loss), n + 1
        theirs = time.perf_counter() - began
        env = dict(os.environ, MODEL=paths[0], EXAMPLES=os.path.join(tmp, name + ".safetensors"), BATCH=str(best))
        command = f"{sys.executable} {os.path.join(os.path.dirname(__file__), '..', 'docs', 'examples', 'worker_huggingface.py')}"
        began = time.perf_counter()
        subprocess.run([program, "sweep", folder, "--k", f"1-{most}", "--worker", command, "--out", os.path.join(tmp, name + "-worker")], check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr, env=env)
        worker = time.perf_counter() - began
        other = pd.read_parquet(os.path.join(tmp, name + "-worker", "results.parquet"))
        apart = max(abs(table[int(r.step), r.scheme] - r.value) / r.value for r in other[other.metric == "loss"].itertuples())
        print(f"{name}: {n} averages on {len(x)} examples of {LENGTH} tokens: lawa-replay {ours:.1f} s as a whole process, tokenizing included; PyTorch {theirs:.1f} s"
              f" in batches of {best}, after reading its data: {theirs / ours:.2f} times; losses differ by at most {worst:.1e} relative;"
              f" with transformers as a worker {worker:.1f} s, losses {apart:.1e} apart", flush=True)
