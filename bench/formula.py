"""Values that a formula of name and index gives, the same as units and fillByName in model/torchvision_test.go: fixtures need hold no weights."""
import zlib

import numpy as np
import torch


def units(name, n):
    """n numbers from -1 to below 1."""
    x = np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(zlib.crc32(name.encode()))
    mask = np.uint64(0xFFFFFFFF)
    x &= mask
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        x ^= x >> np.uint64(shift)
        x = x * np.uint64(factor) & mask
    x ^= x >> np.uint64(15)
    return x.astype(np.float64) / 2**31 - 1


def value(name, shape):
    u = units(name, int(np.prod(shape, dtype=np.int64)))
    if name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith("running_mean") or name.endswith("bias"):
        u = 0.1 * u
    elif len(shape) == 1:
        u = 0.75 + 0.25 * u
    else:
        u = u * np.sqrt(3 / np.prod(shape[1:]))
    return torch.from_numpy(u.astype(np.float32).reshape(shape))
