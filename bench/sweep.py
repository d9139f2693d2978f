"""The demo's sweep as a careful PyTorch user writes it, timed, and compared with lawa-replay's table.

usage: sweep.py TRAJECTORY RESULTS.parquet SECONDS-OF-LAWA-REPLAY
State dicts are loaded once, averaged in float64, update_bn'ed on 5,000 images in batches of 128, and
evaluated one model at a time from data in memory, in batches of 500, with torch's default threads.
"""
import json
import sys
import time

import pandas as pd
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from net import demo_net, mnist


def average(states):
    out = {}
    for name, newest in states[-1].items():
        if newest.is_floating_point():
            out[name] = torch.stack([s[name] for s in states]).double().mean(0).to(newest.dtype)
        else:
            out[name] = newest
    return out


@torch.no_grad()
def evaluate(net, images, labels, batch=500):
    net.eval()
    loss, hits = 0.0, 0
    for i in range(0, len(images), batch):
        logits = net(images[i : i + batch])
        loss += F.cross_entropy(logits, labels[i : i + batch], reduction="sum").item()
        hits += (logits.argmax(1) == labels[i : i + batch]).sum().item()
    return loss / len(images), hits


def main():
    run, table, ours = sys.argv[1], pd.read_parquet(sys.argv[2]), float(sys.argv[3])
    x_train, _, x_val, y_val = mnist()
    net = demo_net()
    began = time.perf_counter()
    lines = [json.loads(line) for line in open(f"{run}/checkpoints.jsonl")]
    states = [load_file(f"{run}/{line['file']}") for line in lines]
    bn_batches = x_train[:5000].split(128)
    results = {}
    for end in range(len(states)):
        net.load_state_dict(states[end])
        results["last", end] = evaluate(net, x_val, y_val)
        for k in (1, 2, 4, 6, 8, 10, 16):
            if k > end + 1:
                continue
            net.load_state_dict(average(states[end + 1 - k : end + 1]))
            update_bn(bn_batches, net)
            results[f"lawa:k={k}", end] = evaluate(net, x_val, y_val)
    seconds = time.perf_counter() - began

    worst_loss, worst_hits, n = 0.0, 0, 0
    for row in table.itertuples():
        if (row.scheme == "last") != (row.policy == "copy") or row.metric == "top5":
            continue
        loss, hits = results[row.scheme, round(row.epoch) - 1]
        n += 1
        if row.metric == "loss":
            worst_loss = max(worst_loss, abs(row.value - loss))
        else:
            worst_hits = max(worst_hits, abs(round(row.value * row.n / 100) - hits))
    assert n == 2 * len(results), (n, len(results))
    print(f"{len(results)} evaluations: largest difference of the cross-entropy {worst_loss:.1e} (allowed 1e-4), of the top-1 count {worst_hits} of {len(x_val)} (allowed 2)")
    print(f"sweep: lawa-replay {ours:.2f} s as a whole process, PyTorch {torch.__version__} {seconds:.2f} s after imports and reading data, ratio {seconds / ours:.2f}")
    assert worst_loss <= 1e-4 and worst_hits <= 2


main()
