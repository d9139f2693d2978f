"""Decoding a photograph of 500×375 with Pillow, and with package dataset/picture, on one core each.

usage: decode.py FILE.jpg   (made if it is not there; needs Pillow, numpy, go)
"""
import os
import subprocess
import sys
import time

import numpy as np
import PIL
from PIL import Image

path = os.path.abspath(sys.argv[1])
if not os.path.exists(path):
    rng = np.random.default_rng(1)
    noise = sum(np.kron(rng.normal(0, 40 / i, (375 // s + 1, 500 // s + 1, 3)), np.ones((s, s, 1)))[:375, :500] for i, s in enumerate((60, 25, 9, 2), 1))
    Image.fromarray(np.clip(128 + noise, 0, 255).astype(np.uint8)).save(path, quality=92, subsampling=2)


def load():
    im = Image.open(path).convert("RGB").resize((341, 256), Image.BILINEAR)
    return np.asarray(im.crop((58, 16, 282, 240)))


load()
n, start = 0, time.perf_counter()
while (took := time.perf_counter() - start) < 3:
    load()
    n += 1
print(f"Pillow {PIL.__version__}: {n / took:.0f} images/s ({os.path.getsize(path)} bytes)")
out = subprocess.run(["go", "test", "-run", "^$", "-bench", "Photo", "-benchtime", "3s", "-cpu", "1", "../dataset/picture"],
                     cwd=os.path.dirname(os.path.abspath(__file__)), env={**os.environ, "PHOTO": path, "CGO_ENABLED": "0"}, capture_output=True, text=True)
print(*(line for line in out.stdout.splitlines() if line.startswith(("cpu", "Benchmark"))), sep="\n")
