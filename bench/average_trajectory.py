"""Writes a synthetic trajectory: 32 checkpoints with the tensors of torchvision's ResNet-50 (102 MB each).

usage: average_trajectory.py FOLDER
The values are a random walk; averaging takes the same time whatever they are.
"""
import hashlib
import json
import os
import sys

import torch
import xxhash
from safetensors.torch import save_file

CHECKPOINTS = 32


def resnet50():
    """Names and shapes of torchvision.models.resnet50().state_dict()."""
    shapes = {}

    def conv(name, out, inp, size):
        shapes[f"{name}.weight"] = (out, inp, size, size)

    def norm(name, n):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (n,)
        shapes[f"{name}.num_batches_tracked"] = ()

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    inp = 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            conv(f"{at}.conv1", width, inp, 1)
            norm(f"{at}.bn1", width)
            conv(f"{at}.conv2", width, width, 3)
            norm(f"{at}.bn2", width)
            conv(f"{at}.conv3", 4 * width, width, 1)
            norm(f"{at}.bn3", 4 * width)
            if block == 0:
                conv(f"{at}.downsample.0", 4 * width, inp, 1)
                norm(f"{at}.downsample.1", 4 * width)
            inp = 4 * width
    shapes["fc.weight"], shapes["fc.bias"] = (1000, 2048), (1000,)
    return shapes


def main():
    folder = sys.argv[1]
    os.makedirs(f"{folder}/weights")
    meta = {"format": 1, "run": "resnet50", "model": "resnet50", "data": "imagenet", "seed": 0, "batch_size": 256, "steps_per_epoch": 5005,
            "devices": ["none"], "software": "average_trajectory.py", "training": None}
    json.dump(meta, open(f"{folder}/trajectory.json", "w"))
    g = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in resnet50().items():
        counter = name.endswith("num_batches_tracked")
        state[name] = torch.zeros((), dtype=torch.int64) if counter else torch.randn(shape, generator=g) * 0.02
    with open(f"{folder}/checkpoints.jsonl", "w") as log:
        for i in range(1, CHECKPOINTS + 1):
            for tensor in state.values():
                if tensor.dtype == torch.int64:
                    tensor += 5005
                else:
                    tensor += torch.empty_like(tensor).uniform_(-0.001, 0.001, generator=g)
            file = f"weights/{i:06d}.safetensors"
            save_file(state, f"{folder}/{file}")
            with open(f"{folder}/{file}", "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
                f.seek(0)
                fast = hashlib.file_digest(f, xxhash.xxh3_128).hexdigest()
            line = {"index": i, "epoch": i, "step": 5005 * i, "file": file, "bytes": os.path.getsize(f"{folder}/{file}"), "sha256": digest, "xxh3": fast, "seconds": i, "lr": 0.1}
            log.write(json.dumps(line) + "\n")


main()
