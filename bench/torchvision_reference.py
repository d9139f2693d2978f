"""Writes testdata/reference/torchvision.safetensors: what torchvision's networks give for weights and images that a
formula of name and index fills, the same as in model/torchvision_test.go.

usage: torchvision_reference.py FILE    (torch 2.11.0, torchvision 0.26.0)
"""
import sys

import numpy as np
import torch
import torchvision
from safetensors.numpy import save_file

from formula import units, value

CLASSES = 7
CASES = {  # network: arguments of torchvision's, side of the images
    "resnet18": (torchvision.models.resnet18, {}, 64),
    "resnet34": (torchvision.models.resnet34, {}, 64),
    "resnet34:stem=cifar": (torchvision.models.resnet34, {}, 32),
    "resnet50": (torchvision.models.resnet50, {}, 64),
    "resnet50:stem=cifar": (torchvision.models.resnet50, {}, 32),
    "resnext50_32x4d": (torchvision.models.resnext50_32x4d, {}, 64),
    "wide_resnet50_2": (torchvision.models.wide_resnet50_2, {}, 64),
    "resnet50:groups=2,width-per-group=48": (torchvision.models.resnet50, {"groups": 2, "width_per_group": 48}, 64),
}
BATCH = 8


def network(make, arguments, cifar):
    net = make(num_classes=CLASSES, **arguments)
    if cifar:
        net.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        net.maxpool = torch.nn.Identity()
    state = {k: v if k.endswith("num_batches_tracked") else value(k, tuple(v.shape)) for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    return net


def some(t):
    """Eight values, evenly spaced, and the mean."""
    v = t.detach().double().flatten()
    return torch.cat([v[torch.arange(8) * len(v) // 8], v.mean()[None]]).float()


out = {}
with torch.no_grad():
    for spec, (make, arguments, side) in CASES.items():
        n = BATCH * 3 * side * side
        pixels = torch.from_numpy(((units("images", n) + 1) * 128).astype(np.uint8)).reshape(BATCH, 3, side, side)
        x = (pixels.float() / 255 - 0.5) / 0.25
        for precision in ("float32", "bfloat16"):
            net = network(make, arguments, "cifar" in spec)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                out[f"{spec}/{precision}/evaluated"] = net.eval()(x).float()
                out[f"{spec}/{precision}/trained"] = net.train()(x).float()
            out[f"{spec}/{precision}/statistics"] = torch.stack([some(v) for k, v in net.state_dict().items() if "running" in k])
        print(spec, *(f"{(out[f'{spec}/bfloat16/{w}'] - out[f'{spec}/float32/{w}']).norm() / out[f'{spec}/float32/{w}'].norm():.3g}" for w in ("evaluated", "trained", "statistics")),
              float(out[f"{spec}/float32/evaluated"].abs().max()), float(out[f"{spec}/float32/trained"].abs().max()))
save_file({k: v.numpy() for k, v in out.items()}, sys.argv[1], {"torch": torch.__version__, "torchvision": torchvision.__version__})
