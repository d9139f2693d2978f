"""Training per step: the demo's recipe in PyTorch, without augmentation (which favours it), against the
seconds that a trajectory of lawa-replay recorded, augmentation included.

usage: train.py TRAJECTORY
"""
import json
import sys
import time

import torch
from torch.nn import functional as F

from net import demo_net, mnist

lines = [json.loads(line) for line in open(f"{sys.argv[1]}/checkpoints.jsonl")]
ours = lines[-1]["seconds"] / lines[-1]["step"]

x, y, _, _ = mnist()
x, y = x[:6000], y[:6000]
torch.manual_seed(1)
net = demo_net()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
epochs = 8
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs)
times = []
for epoch in range(epochs):
    order = torch.randperm(len(x))
    for i in range(0, len(x), 128):
        began = time.perf_counter()
        batch = order[i : i + 128]
        opt.zero_grad()
        loss = F.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        opt.step()
        loss.item()
        times.append(time.perf_counter() - began)
    schedule.step()
theirs = sum(times[10:]) / len(times[10:])
print(f"training: lawa-replay {ours * 1e3:.1f} ms a step, PyTorch {torch.__version__} {theirs * 1e3:.1f} ms, ratio {theirs / ours:.2f}")
