"""Writes augment.bin: what torchvision makes of an image, on PIL images as its training scripts use it.

The image and the parameters are those of TestChangesAreTorchvisions.
Made with torchvision 0.26.0 and Pillow 13.0.0.
"""
import pathlib

import numpy
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

W, H = 24, 20
pixels = numpy.fromiter(((i * i * 31 + i * 7) // 5 % 256 for i in range(3 * H * W)), dtype=numpy.uint8).reshape(3, H, W)
image = Image.fromarray(numpy.ascontiguousarray(pixels.transpose(1, 2, 0)))


def colours(brightness, contrast, saturation, hue, order):
    out = image
    for what in order:
        f = [lambda i: F.adjust_brightness(i, brightness), lambda i: F.adjust_contrast(i, contrast),
             lambda i: F.adjust_saturation(i, saturation), lambda i: F.adjust_hue(i, hue)][what]
        if [brightness, contrast, saturation, 1 + hue][what] != 1:  # ColorJitter leaves out what is not asked for
            out = f(out)
    return out


def part(x, y, w, h, width, height):
    return F.resized_crop(image, y, x, h, w, [height, width], InterpolationMode.BILINEAR, antialias=True)


outs = [
    colours(1.3, 1, 1, 0, [0, 1, 2, 3]), colours(0.6, 1, 1, 0, [0, 1, 2, 3]), colours(1, 1.4, 1, 0, [0, 1, 2, 3]),
    colours(1, 0.55, 1, 0, [0, 1, 2, 3]), colours(1, 1, 1.7, 0, [0, 1, 2, 3]), colours(1, 1, 0.2, 0, [0, 1, 2, 3]),
    colours(1, 1, 1, 0.1, [0, 1, 2, 3]), colours(1, 1, 1, -0.37, [0, 1, 2, 3]), colours(0.9, 1.2, 1.3, -0.05, [3, 1, 0, 2]),
    part(3, 2, 9, 13, 8, 8), part(0, 0, 24, 20, 16, 16), part(10, 11, 5, 4, 16, 12),
]
data = b"".join(numpy.asarray(o).transpose(2, 0, 1).tobytes() for o in outs)
pathlib.Path(__file__).with_name("augment.bin").write_bytes(data)
