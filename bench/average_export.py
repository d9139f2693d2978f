"""One average of the latest k checkpoints as a careful PyTorch user writes it: load, sum in float64, divide,
save. The result must hold the same bits as lawa-replay's file.

usage: average_export.py RUN K EPOCH OUT.safetensors OURS.safetensors
"""
import json
import sys

import torch
from safetensors.torch import load_file, save_file


def main():
    run, k, epoch, out, ours = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    lines = [json.loads(line) for line in open(f"{run}/checkpoints.jsonl")][epoch - k : epoch]
    sums, newest = {}, None
    for line in reversed(lines):
        state = load_file(f"{run}/{line['file']}")
        newest = newest or state
        for name, tensor in state.items():
            if tensor.is_floating_point():
                if name in sums:
                    sums[name] += tensor
                else:
                    sums[name] = tensor.double()
    result = {name: (sums[name] / k).to(t.dtype) if name in sums else t for name, t in newest.items()}
    save_file(result, out)
    if ours != "-":
        for name, tensor in load_file(ours).items():
            assert torch.equal(tensor, result[name]), name


main()
