"""Compares lawa-replay with PyTorch on CIFAR-10 as JPEG and the pretrained networks of
github.com/akamaster/pytorch_resnet_cifar10.

  cifar10.py PIXELS N FILE DEPTH     logits of the first N images of PIXELS (3×32×32 bytes each) to standard output, as JSON

The network is written here as that repository's README describes it: option A shortcuts, classifier "linear"."""
import json, sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.pad = o // 4 if stride > 1 else 0

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        n = (depth - 2) // 6
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        stage = lambda i, o, s: nn.Sequential(*[Block(i if j == 0 else o, o, s if j == 0 else 1) for j in range(n)])
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def logits(pixels, file, depth):
    net = ResNet(depth)
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, strict=False)
    net.eval()
    x = torch.from_numpy(pixels).float() / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        return torch.cat([net(b) for b in x.split(500)])


if __name__ == "__main__":
    pixels, n, file, depth = sys.argv[1:]
    x = np.fromfile(pixels, np.uint8).reshape(-1, 3, 32, 32)[: int(n)]
    json.dump([[round(v, 6) for v in row] for row in logits(x, file, int(depth)).tolist()], sys.stdout)
