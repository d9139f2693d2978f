"""A training step of ResNet-50 in PyTorch, against the seconds that a run of lawa-replay recorded.

usage: gpu_train.py RUN DEVICE PRECISION BATCH
PyTorch's images are already on the device and are not augmented, which favours it; channels last, autocast, its own SGD, the
loss read once an epoch. The first steps of both are left out: ours by subtracting what stood at the first checkpoint."""
import contextlib
import json
import sys
import time

import torch
import torchvision

run, device, precision, batch = *sys.argv[1:4], int(sys.argv[4])
lines = [json.loads(line) for line in open(f"{run}/checkpoints.jsonl")]
first, last = lines[0], lines[-1]
ours = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
steps = last["step"] - first["step"]

torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
kind = device.split(":")[0]
cast = lambda: torch.autocast(kind, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
torch.manual_seed(0)
net = torchvision.models.resnet50(num_classes=100).to(device, memory_format=torch.channels_last)
opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
x = torch.randn(batch, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)
y = torch.randint(0, 100, (batch,), device=device)


def go(n):
    for _ in range(n):
        with cast():
            loss = torch.nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


go(min(5, steps))
began = time.perf_counter()
go(steps)
theirs = (time.perf_counter() - began) / steps
print(f"training step of {batch}, {precision}: lawa-replay {ours * 1e3:.1f} ms, PyTorch {torch.__version__} {theirs * 1e3:.1f} ms, ratio {theirs / ours:.2f}")
