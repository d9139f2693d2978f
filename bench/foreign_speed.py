"""Seconds a checkpoint: torch.load against lawa-replay, for files of 25.6 million float32 weights with Adam's state.
Medians of five runs in turn; the files are in the page cache; torch.load is timed without Python's start."""
import os, shutil, statistics, subprocess, sys, time

import torch

program, out = sys.argv[1:]
os.makedirs(out, exist_ok=True)
n = 4
files = [os.path.join(out, "ck", f"epoch_{i}.pt") for i in range(1, n + 1)]
if not os.path.exists(files[-1]):
    os.makedirs(os.path.join(out, "ck"), exist_ok=True)
    for i, f in enumerate(files):
        torch.manual_seed(i)
        weights = {f"layer{j}.weight": torch.randn(1600, 1000) for j in range(16)}
        state = {j: {"step": torch.tensor(1.0), "exp_avg": torch.randn(1600, 1000), "exp_avg_sq": torch.rand(1600, 1000)} for j in range(16)}
        torch.save({"epoch": i + 1, "state_dict": weights, "optimizer": {"state": state, "param_groups": []}}, f)


def seconds(f):
    shutil.rmtree(os.path.join(out, "run"), ignore_errors=True)
    began = time.perf_counter()
    f()
    return (time.perf_counter() - began) / n


def ours(*args):
    subprocess.run([program, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


tasks = {
    "torch.load": lambda: [torch.load(f, map_location="cpu", weights_only=True) and None for f in files],
    "inspect": lambda: ours("inspect", os.path.join(out, "ck")),
    "import --link": lambda: ours("import", os.path.join(out, "ck"), "--link", "--out", os.path.join(out, "run")),
    "import": lambda: ours("import", os.path.join(out, "ck"), "--out", os.path.join(out, "run")),
}
times = {name: [] for name in tasks}
for _ in range(5):
    for name, task in tasks.items():
        times[name].append(seconds(task))
began = time.perf_counter()
with open(os.path.join(out, "disk"), "wb") as f:
    f.write(bytes(n * 16 * 6_400_000))
    f.flush()
    os.fsync(f.fileno())
disk = (time.perf_counter() - began) / n
os.remove(os.path.join(out, "disk"))
base = statistics.median(times["torch.load"])
size = os.path.getsize(files[0])
print(f"files of {size / 1e6:.0f} MB, 102 MB of them weights; torch.load {base:.3f} s a file; writing 102 MB to the disk {disk:.3f} s")
for name in list(tasks)[1:]:
    m = statistics.median(times[name])
    print(f"  {name}: {m:.3f} s a file, {base / m:.1f} times torch.load's speed")
