"""A sweep over an ImageFolder, in three ways on one machine: lawa-replay, with its decoding; a careful PyTorch script (state
dicts loaded once, a DataLoader with its best number of workers, one pass a model); and the published scripts' way (the
files of a window loaded, and the images read and decoded, for every model, in the training script's own DataLoader of
no workers).

usage: imagefolder.py LAWA-REPLAY FOLDER CHECKPOINT N [IMAGES]
FOLDER has test/CLASS/*.jpg of 32×32, CHECKPOINT is a ResNet-20 of github.com/akamaster/pytorch_resnet_cifar10, of which N
checkpoints are made that differ by noise; k = 1 … N at each endpoint; IMAGES validation images. Needs torch, Pillow.
"""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from cifar10 import ResNet

program, folder, file, n = sys.argv[1:5]
n, images = int(n), int(sys.argv[5]) if len(sys.argv) > 5 else 2000
mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


class Folder(Dataset):
    """ImageFolder(test, Compose([Resize(32), CenterCrop(32), ToTensor(), Normalize(mean, std)]))."""

    def __init__(self):
        root = os.path.join(folder, "test")
        self.files = [(os.path.join(root, c, f), i) for i, c in enumerate(sorted(os.listdir(root))) for f in sorted(os.listdir(os.path.join(root, c)))][:images]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        path, label = self.files[i]
        with open(path, "rb") as f:
            x = torch.from_numpy(np.array(Image.open(f).convert("RGB"))).permute(2, 0, 1)
        return (x.float() / 255 - mean) / std, label


def average(states):
    return {k: (sum(s[k].double() for s in states) / len(states)).float() if v.is_floating_point() else v for k, v in states[-1].items()}


@torch.inference_mode()
def evaluate(net, loader):
    loss = 0.0
    for x, y in loader:
        loss += F.cross_entropy(net(x), y, reduction="sum").item()
    return loss / images


def windows():
    return [(end, k) for end in range(1, n + 1) for k in range(1, end + 1)]


with tempfile.TemporaryDirectory() as tmp:
    state = {k.removeprefix("module."): v for k, v in torch.load(file, map_location="cpu", weights_only=True)["state_dict"].items()}
    torch.manual_seed(1)
    paths = []
    for epoch in range(1, n + 1):
        noisy = {k: v + 0.02 * v.std() * torch.randn_like(v) if v.dim() > 1 else v for k, v in state.items()}
        paths.append(os.path.join(tmp, "run", f"epoch-{epoch}.pt"))
        os.makedirs(os.path.dirname(paths[-1]), exist_ok=True)
        torch.save(noisy, paths[-1])
    net = ResNet(20).eval()

    start = time.perf_counter()
    subprocess.run([program, "sweep", os.path.join(tmp, "run"), "--k", f"1-{n}", "--model", "resnet20", "--bn", "copy", "--data",
                    f"imagefolder:{folder},resize=32,crop=32,val={images}", "--out", os.path.join(tmp, "sweep"), "--data-cache", os.path.join(tmp, "cache")],
                   check=True, capture_output=True)
    ours = time.perf_counter() - start

    data = Folder()
    trial = {}
    for workers in (0, 1, 2, 4):
        loader = DataLoader(data, batch_size=250, num_workers=workers, persistent_workers=workers > 0)
        evaluate(net, loader)
        start = time.perf_counter()
        evaluate(net, loader)
        trial[workers] = time.perf_counter() - start
    best = min(trial, key=trial.get)

    start = time.perf_counter()
    loader = DataLoader(data, batch_size=250, num_workers=best, persistent_workers=best > 0)
    states = [torch.load(p, weights_only=True) for p in paths]
    losses = []
    for end, k in windows():
        net.load_state_dict(average(states[end - k : end]), strict=False)
        losses.append(evaluate(net, loader))
    careful = time.perf_counter() - start

    start = time.perf_counter()
    for end, k in windows():
        net.load_state_dict(average([torch.load(p, weights_only=True) for p in paths[end - k : end]]), strict=False)
        evaluate(net, DataLoader(data, batch_size=250))
    published = time.perf_counter() - start

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    print(f"{cpu}, {os.cpu_count()} cores, torch {torch.__version__}: {len(losses)} averages on {images} images; trial passes by workers: "
          + ", ".join(f"{w}: {s:.2f} s" for w, s in trial.items()))
    print(f"lawa-replay {ours:.1f} s (its decoding and start included); PyTorch, {best} workers, {careful:.1f} s: {careful / ours:.2f} times;"
          f" the published way {published:.1f} s: {published / ours:.2f} times")
