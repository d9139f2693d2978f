"""A sweep over an ImageFolder, in three ways on one machine: lawa-replay, with its decoding; a careful PyTorch script (state
dicts loaded once, a DataLoader with its best number of workers, one pass a model); and the published scripts' way (the
files of a window loaded, and the images read and decoded, for every model, in a DataLoader of no workers).

usage: imagefolder.py LAWA-REPLAY N IMAGES photos
       imagefolder.py LAWA-REPLAY N IMAGES FOLDER CHECKPOINT
N checkpoints; k = 1 … N at each endpoint; IMAGES validation images. With "photos" they are JPEG files of 500×375 that it
makes, resized and cropped to 32×32 for a ResNet-20 of random weights: a network that is quick beside the decoding, as large
ones are on a GPU. Otherwise FOLDER has test/CLASS/*.jpg of 32×32, and CHECKPOINT is a ResNet-20 of
github.com/akamaster/pytorch_resnet_cifar10; the N checkpoints differ from it by noise. Needs torch, torchvision, Pillow, pandas.
"""
import os
import subprocess
import sys
import tempfile
import time
import warnings

import pandas as pd
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from cifar10 import ResNet

warnings.filterwarnings("ignore", message="This DataLoader will create")
program, n, images, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def average(states):
    return {k: (sum(s[k].double() for s in states) / len(states)).float() if v.is_floating_point() and "running" not in k else v for k, v in states[-1].items()}


@torch.inference_mode()
def evaluate(net, loader):
    return sum(F.cross_entropy(net(x).double(), y, reduction="sum").item() for x, y in loader) / images


def network(classes):
    net = ResNet(20)
    net.linear = torch.nn.Linear(net.linear.in_features, classes)
    return net.eval()


def start():
    """The state that all checkpoints are made of, the folder, its split, and what is resized before the crop."""
    torch.manual_seed(1)
    if folder != "photos":
        state = torch.load(sys.argv[5], map_location="cpu", weights_only=True)["state_dict"]
        return {k.removeprefix("module."): v for k, v in state.items()}, folder, "test", 32
    from gpu_make import images as make
    made = os.path.join(tmp, "photos")
    make(made, 100, images)
    return {k: v for k, v in network(100).state_dict().items() if "tracked" not in k}, made, "val", 36


with tempfile.TemporaryDirectory() as tmp:
    state, root, split, resize = start()
    paths = []
    for epoch in range(1, n + 1):
        noisy = {k: v + 0.02 * v.std() * torch.randn_like(v) if v.dim() > 1 else v for k, v in state.items()}
        paths.append(os.path.join(tmp, "run", f"epoch-{epoch}.pt"))
        os.makedirs(os.path.dirname(paths[-1]), exist_ok=True)
        torch.save(noisy, paths[-1])
    net = network(len(state["linear.bias"]))
    windows = [(end, k) for end in range(1, n + 1) for k in range(1, end + 1)]

    began = time.perf_counter()
    subprocess.run([program, "sweep", os.path.join(tmp, "run"), "--k", f"1-{n}", "--model", "resnet20", "--bn", "copy", "--data",
                    f"imagefolder:{root},resize={resize},crop=32,val={images}", "--out", os.path.join(tmp, "sweep"), "--data-cache", os.path.join(tmp, "cache")],
                   check=True, stdout=subprocess.DEVNULL)
    ours = time.perf_counter() - began
    table = pd.read_parquet(os.path.join(tmp, "sweep", "results.parquet"))
    table = {(round(r.epoch), r.scheme): r.value for r in table[table.metric == "loss"].itertuples()}

    normal = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    data = Subset(ImageFolder(os.path.join(root, split), T.Compose([T.Resize(resize), T.CenterCrop(32), T.ToTensor(), normal])), range(images))
    trial = {}
    for workers in (0, 1, 2, 4):
        loader = DataLoader(data, batch_size=250, num_workers=workers, persistent_workers=workers > 0)
        evaluate(net, loader)
        began = time.perf_counter()
        evaluate(net, loader)
        trial[workers] = time.perf_counter() - began
    best = min(trial, key=trial.get)

    began = time.perf_counter()
    loader = DataLoader(data, batch_size=250, num_workers=best, persistent_workers=best > 0)
    states = [torch.load(p, weights_only=True) for p in paths]
    losses = []
    for end, k in windows:
        net.load_state_dict(average(states[end - k : end]), strict=False)
        losses.append(evaluate(net, loader))
    careful = time.perf_counter() - began

    began = time.perf_counter()
    for end, k in windows:
        net.load_state_dict(average([torch.load(p, weights_only=True) for p in paths[end - k : end]]), strict=False)
        evaluate(net, DataLoader(data, batch_size=250))
    published = time.perf_counter() - began

    worst = max(abs(table[end, f"lawa:k={k}"] - loss) / loss for (end, k), loss in zip(windows, losses))
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    print(f"{folder}: {cpu}, {os.cpu_count()} cores, torch {torch.__version__}: {len(losses)} averages on {images} images; trial passes by workers: "
          + ", ".join(f"{w}: {s:.2f} s" for w, s in trial.items()))
    print(f"  lawa-replay {ours:.1f} s (its decoding and start included); PyTorch, {best} workers, {careful:.1f} s: {careful / ours:.2f} times;"
          f" the published way {published:.1f} s: {published / ours:.2f} times; losses differ by at most {worst:.1e} relative")
