"""All averages of k = 1…16 at every endpoint in PyTorch, averages only, two ways:

flat   a ring of flat float32 vectors and one matmul per endpoint: the best form that we found
dicts  a ring of state dicts, each window summed tensor by tensor in float64

usage: average_sweep.py RUN flat|dicts SECONDS-OF-LAWA-REPLAY
"""
import json
import sys
import time

import torch
from safetensors.torch import load_file

MOST = 16


def flat(files):
    ring, n = None, 0
    for end, file in enumerate(files):
        vector = torch.cat([t.flatten() for t in load_file(file).values() if t.is_floating_point()])
        if ring is None:
            ring = torch.zeros(MOST, vector.numel())
        ring[end % MOST] = vector
        ks = min(MOST, end + 1)
        coefficients = torch.zeros(ks, MOST)
        for k in range(1, ks + 1):
            for age in range(k):
                coefficients[k - 1, (end - age) % MOST] = 1 / k
        n += len(coefficients @ ring)
    return n


def dicts(files):
    ring, n = [], 0
    for file in files:
        ring = (ring + [load_file(file)])[-MOST:]
        for k in range(1, len(ring) + 1):
            average = {}
            for name, newest in ring[-1].items():
                if newest.is_floating_point():
                    total = newest.double()
                    for state in ring[-k:-1]:
                        total += state[name]
                    average[name] = (total / k).to(newest.dtype)
                else:
                    average[name] = newest
            n += 1
    return n


def main():
    run, form, ours = sys.argv[1], sys.argv[2], float(sys.argv[3])
    files = [f"{run}/{json.loads(line)['file']}" for line in open(f"{run}/checkpoints.jsonl")]
    began = time.perf_counter()
    n = {"flat": flat, "dicts": dicts}[form](files)
    seconds = time.perf_counter() - began
    print(f"PyTorch {torch.__version__}, {form}: {n} averages in {seconds:.1f} s, ratio {seconds / ours:.1f}")


main()
