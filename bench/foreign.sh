#!/usr/bin/env bash
# foreign.sh PYTHON OUT: a run that PyTorch wrote (state dicts with optimizer, a scripted module), replayed by
# TorchScript and by a worker in Python, against PyTorch's own averages, update_bn and metrics; and the time to list,
# link and import checkpoints with optimizer state against torch.load of the same files.
set -euo pipefail
python=$(realpath -s "$1") out=$2
mkdir -p "$out" && out=$(cd "$out" && pwd)
cd "$(dirname "$0")"
program=$PWD/../bin/lawa-replay
rm -rf "$out"/script "$out"/ts "$out"/worker
"$python" -W ignore script_run.py "$out/script"
run=$out/script/conv
sweep=(sweep "$run" --k 1-3 --scheme ema:decay=0.8 --bn copy,average,recompute)
seconds() { local from; from=$(date +%s.%N); "$@" 2>/dev/null; awk -v a="$from" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }
ts=$(seconds "$program" "${sweep[@]}" --bn-batch-size 32 --model "$run/net.ts" --data "tensors:$run/val.safetensors" --bn-data "tensors:$run/bn.safetensors" --out "$out/ts")
export PYTHONPATH=$PWD NET=script_net:Conv VAL=$run/val.safetensors BN=$run/bn.safetensors
worker=$(seconds "$program" "${sweep[@]}" --worker "$python ../docs/examples/worker_pytorch.py" --workers 2 --out "$out/worker")
echo "sweep of 32 evaluations as a whole process: TorchScript $ts s, two workers in Python $worker s"
"$python" foreign_compare.py "$run/reference.json" "$out/ts" "$out/worker"
for file in avg.pt avg.safetensors; do "$program" average "$run" --k 3 --at 4 --out "$out/$file" 2>/dev/null; done
"$python" -c "
import sys, torch, safetensors.torch
a, b = torch.load(sys.argv[1], weights_only=True), safetensors.torch.load_file(sys.argv[2])
assert set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)
print(f'average --out avg.pt: torch.load(weights_only=True) reads the {len(a)} tensors of avg.safetensors')" "$out/avg.pt" "$out/avg.safetensors"
"$python" foreign_speed.py "$program" "$out/speed"
