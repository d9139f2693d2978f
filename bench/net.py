"""The networks of package model in PyTorch, with the same names, and MNIST as the Go side reads it."""
import glob
import gzip
import os
import subprocess

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.stride, self.pad = stride, (cout - cin) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth=8, width=16, stem_stride=1, channels=3, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        cin = width
        for stage in range(3):
            cout = width << stage
            blocks = [Block(cin if i == 0 else cout, cout, 2 if stage and i == 0 else 1) for i in range((depth - 2) // 6)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            cin = cout
        self.fc = nn.Linear(cin, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def demo_net():
    return ResNet(8, 8, 2, 1, 10)


def mnist():
    """Training and test images (normalised float32 N×1×28×28) and labels."""
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    folder = sorted(glob.glob(os.path.join(cache, "github.com/petar/!go!m!n!i!s!t@*/data")))[-1]

    def read(name, skip):
        with gzip.open(os.path.join(folder, name)) as f:
            return np.frombuffer(f.read(), np.uint8, offset=skip)

    out = []
    for part in ("train", "t10k"):
        images = torch.from_numpy(read(f"{part}-images-idx3-ubyte.gz", 16).copy()).view(-1, 1, 28, 28)
        labels = torch.from_numpy(read(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64))
        out += [(images.float() / 255 - 0.1307) / 0.3081, labels]
    return out
