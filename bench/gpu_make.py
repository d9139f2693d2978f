"""What gpu.sh needs: an ImageFolder of JPEG files, and checkpoints of a ResNet-50.

usage: gpu_make.py DIR TRAIN VAL CHECKPOINTS DEVICE
Images are of about ImageNet's size, 500×375, and of a hundred classes: smooth noise, whose hue tells the class, so that a
short training learns something. The checkpoints are those of PyTorch's own training on them, one for every 8 steps on a
GPU, for every step elsewhere."""
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

CLASSES = 100


def draw(job):
    path, label, seed = job
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (12, 16, 3)).astype(np.float32)
    small += 60 * np.sin(label + np.array([0, 2, 4]))
    Image.fromarray(small.clip(0, 255).astype(np.uint8)).resize((500, 375), Image.BICUBIC).save(path, quality=90)


def images(folder, train, val):
    jobs = []
    for split, n, seed in (("train", train, 0), ("val", val, 10**6)):
        for c in range(CLASSES):
            os.makedirs(f"{folder}/{split}/class{c:03d}", exist_ok=True)
        jobs += [(f"{folder}/{split}/class{i % CLASSES:03d}/{i:05d}.jpg", i % CLASSES, seed + i) for i in range(n)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(draw, jobs, chunksize=32))


def checkpoints(folder, data, n, device):
    from torchvision import transforms as T
    norm = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    set_ = torchvision.datasets.ImageFolder(f"{data}/train", T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), norm]))
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(set_, min(64, len(set_)), shuffle=True, num_workers=os.cpu_count(), drop_last=True)
    net = torchvision.models.resnet50(num_classes=CLASSES).to(device, memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    os.makedirs(folder, exist_ok=True)
    done, every = 0, 8 if device.startswith("cuda") else 1
    while done < n:
        for i, (x, y) in enumerate(loader):
            with torch.autocast(device.split(":")[0], torch.bfloat16):
                loss = torch.nn.functional.cross_entropy(net(x.to(device)), y.to(device))
            opt.zero_grad()
            loss.backward()
            opt.step()
            if i % every == every - 1 and done < n:
                done += 1
                save_file({k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}, f"{folder}/epoch_{done}.safetensors")


if __name__ == "__main__":
    folder, train, val, n, device = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    images(f"{folder}/images", train, val)
    checkpoints(f"{folder}/checkpoints", f"{folder}/images", n, device)
