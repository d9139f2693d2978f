"""A training step (forward, loss, backward, SGD) of three networks by lawa-replay and by PyTorch on the same shapes, in turns, each
at its best: whatever else the machine does makes either slower. PyTorch in the memory format that is faster for it.

usage: step.py [THREADS [ROUNDS [NETWORK…]]]    (in bench/, with the settings of scripts/env.sh; torch and torchvision)
"""
import os
import re
import subprocess
import sys
import time

threads, rounds = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count(), int(sys.argv[2]) if len(sys.argv) > 2 else 3
os.environ["OMP_NUM_THREADS"] = str(threads)

import torch
import torchvision
from torch.nn import functional as F

import net as nets

torch.set_num_threads(threads)


def resnet18():
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1, net.maxpool = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False), torch.nn.Identity()
    return net


NETWORKS = {  # as in BenchmarkStep: the network, shape of an image, steps a round
    "resnet8:width=8,stem-stride=2": (nets.demo_net, (1, 28, 28), 100),
    "resnet20": (lambda: nets.ResNet(20), (3, 32, 32), 10),
    "resnet18:stem=cifar": (resnet18, (3, 32, 32), 3),
}
BATCH = 128


def theirs(make, shape, steps, form):
    torch.manual_seed(1)
    net = make().to(memory_format=form).train()
    opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    x, y = torch.randn(BATCH, *shape).contiguous(memory_format=form), torch.randint(10, (BATCH,))
    best = float("inf")
    for _ in range(steps):
        began = time.perf_counter()
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        loss.item()
        best = min(best, time.perf_counter() - began)
    return best


def ours(name, steps):
    out = subprocess.run([os.environ.get("STEP_TEST", "/tmp/model.test"), "-test.run=^$", f"-test.bench=^BenchmarkStep$/^{re.escape(name)}$/channels_last", f"-test.benchtime={steps}x", f"-test.cpu={threads}"],
                         cwd="../model", check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ms-best", out)[1]) / 1e3


subprocess.run(["go", "test", "-c", "-o", os.environ.setdefault("STEP_TEST", "/tmp/model.test"), "../model"], check=True)
processor = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())[1]
print(f"{processor}, {threads} thread{'s' * (threads > 1)}, PyTorch {torch.__version__}, batches of {BATCH}")
for name in sys.argv[3:] or NETWORKS:
    make, shape, steps = NETWORKS[name]
    a, b, c = [], [], []
    for _ in range(rounds):
        a.append(ours(name, steps))
        b.append(theirs(make, shape, steps, torch.contiguous_format))
        c.append(theirs(make, shape, steps, torch.channels_last))
    a, b, c = min(a), min(b), min(c)
    print(f"{name}: lawa-replay {a * 1e3:.1f} ms, PyTorch {b * 1e3:.1f} ms contiguous, {c * 1e3:.1f} ms channels last: ratio {min(b, c) / a:.2f}", flush=True)
