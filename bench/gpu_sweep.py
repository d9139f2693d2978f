"""The sweep of gpu.sh as a careful PyTorch user writes it, timed, and compared with lawa-replay's tables.

usage: gpu_sweep.py DIR DEVICE K-LIST PRECISION RESULTS.parquet
One model at a time; the images decoded once, normalised on the device, where they stay; averages in float64; update_bn on the
training images in batches of 128 and in the order of their files; channels last."""
import contextlib
import os
import sys
import time

import pandas as pd
import torch
import torchvision
from safetensors.torch import load_file
from torchvision import transforms as T


def pixels(folder):
    set_ = torchvision.datasets.ImageFolder(folder, T.Compose([T.Resize(256), T.CenterCrop(224), T.PILToTensor()]))
    loader = torch.utils.data.DataLoader(set_, 128, num_workers=os.cpu_count())
    x, y = zip(*loader)
    return torch.cat(x), torch.cat(y)


def main():
    folder, device, ks = sys.argv[1], sys.argv[2], [int(k) for k in sys.argv[3].split(",")]
    precision, table = sys.argv[4], pd.read_parquet(sys.argv[5])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    cast = torch.autocast(device.split(":")[0], torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
    began = time.perf_counter()
    (xt, _), (xv, yv) = pixels(f"{folder}/images/train"), pixels(f"{folder}/images/val")
    xt, xv, yv = xt.to(device), xv.to(device), yv.to(device)
    mean = torch.tensor([0.485, 0.456, 0.406], device=device).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=device).view(3, 1, 1)
    view = lambda b: b.float().div(255).sub(mean).div(std).contiguous(memory_format=torch.channels_last)
    files = sorted(os.listdir(f"{folder}/checkpoints"), key=lambda f: int(f.split("_")[1].split(".")[0]))
    states = [load_file(f"{folder}/checkpoints/{f}") for f in files]
    net = torchvision.models.resnet50(num_classes=100).to(device, memory_format=torch.channels_last)
    print(f"PyTorch: reading and decoding {time.perf_counter() - began:.1f} s", flush=True)
    began, n, worst, hits = time.perf_counter(), 0, 0.0, 0
    value = {(round(r.epoch), r.scheme, r.policy, r.metric): r.value for r in table.itertuples()}
    for end in range(len(states)):
        for k in ks:
            if k > end + 1:
                continue
            window = states[end + 1 - k : end + 1]
            mean_ = {q: torch.stack([w[q] for w in window]).double().mean(0).float() if v.is_floating_point() and "running" not in q else v for q, v in states[end].items()}
            for policy in ("copy", "recompute"):
                net.load_state_dict(mean_)
                with torch.no_grad(), cast:
                    if policy == "recompute":
                        torch.optim.swa_utils.update_bn((view(b) for b in xt.split(128)), net)
                    net.eval()
                    out = torch.cat([net(view(b)).double() for b in xv.split(256)])
                loss = torch.nn.functional.cross_entropy(out, yv).item()
                top1 = 100 * (out.argmax(1) == yv).double().mean().item()
                ours = value[end + 1, f"lawa:k={k}", policy, "loss"], value[end + 1, f"lawa:k={k}", policy, "top1"]
                worst, hits, n = max(worst, abs(ours[0] - loss) / loss), max(hits, abs(ours[1] - top1)), n + 1
    seconds = time.perf_counter() - began
    print(f"PyTorch {torch.__version__} {precision}: {n} evaluations in {seconds:.1f} s, {seconds / n:.2f} s each")
    print(f"  largest difference from lawa-replay: loss {worst:.1e} relative, top-1 {hits:.2f} points", flush=True)


main()
