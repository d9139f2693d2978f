#!/usr/bin/env bash
# gpu.sh [DEVICE [TRAIN VAL CHECKPOINTS BATCH]] checks lawa-replay's numbers on a device, cuda:0 if not said, against the
# processor's and PyTorch's, and times a sweep of a ResNet-50 and a training step of it against PyTorch. It needs
# bin/lawa-replay (or LAWA_REPLAY) and a Python (PYTHON) with torch, torchvision, safetensors, pandas, pyarrow and Pillow;
# libtorch is that Python's, so that both compute with the same libraries. Under eight minutes on one GPU.
# gpu.sh cpu 100 100 2 16 runs all of it on a processor.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda:0} train=${2:-2048} val=${3:-2048} checkpoints=${4:-6} batch=${5:-128}
python=${PYTHON:-python3}
program=$(realpath "${LAWA_REPLAY:-bin/lawa-replay}")
torch=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))')
export LD_LIBRARY_PATH=$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lawa() { "$program" "$@" 2>"$work/log" >&2 || { tail -20 "$work/log" >&2; exit 1; }; }
timed() { local began=$EPOCHREALTIME; "$@"; seconds=$("$python" -c "print(f'{$EPOCHREALTIME - $began:.1f}')"); }

[[ $device == cuda* ]] && nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1), $(nproc) cores"
"$python" bench/gpu_make.py "$work" "$train" "$val" "$checkpoints" "$device"

# A small network on both, of the same run: every number of the table.
small="--data imagefolder:$work/images,resize=32,crop=32 --data-cache $work/cache"
lawa train $small --model resnet20 --epochs 4 --out "$work/small"
for where in processor:cpu device:"$device"; do
  timed lawa sweep "$work/small" --k 1-4 --bn copy,average,recompute --device "${where#*:}" --data-cache "$work/cache" --out "$work/small-${where%%:*}"
  echo "ResNet-20, sweep on ${where#*:}: whole process $seconds s"
done
"$python" bench/gpu_compare.py "$work/small-processor" "$work/small-device"
for o in sgd:momentum=0.9,nesterov=true adam adamw lookahead; do
  lawa train $small --model resnet20 --epochs 1 --lr 0.003 --optimizer "$o" --device "$device" --out "$work/train-$o"
done

# A ResNet-50 at 224 × 224.
big="--data imagefolder:$work/images --data-cache $work/cache"
first=yes
for p in ${PRECISIONS:-float32 tf32 bfloat16}; do
  timed lawa sweep "$work/checkpoints" $big --model resnet50 --k 1,2,4 --bn copy,recompute --bn-batch-size 128 --precision "$p" --device "$device" --out "$work/sweep-$p"
  echo "lawa-replay $p: whole process $seconds s${first:+, decoding included}"
  first=
  "$python" bench/gpu_sweep.py "$work" "$device" 1,2,4 "$p" "$work/sweep-$p/results.parquet"
  lawa train $big --model resnet50 --epochs 3 --batch-size "$batch" --precision "$p" --device "$device" --out "$work/train-$p"
  "$python" bench/gpu_train.py "$work/train-$p" "$device" "$p" "$batch"
done
