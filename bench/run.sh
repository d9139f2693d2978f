#!/usr/bin/env bash
# run.sh [TORCH] compares lawa-replay with PyTorch of the same version: the demo's training per step and that of larger networks,
# the demo's sweep and one over an ImageFolder, runs of transformers on the text in TEXT, if there is one, and whether other programs read the results. One machine, one go, one after the other.
set -euo pipefail
cd "$(dirname "$0")"
version=${1:-2.11.0}
venv=.venv-$version
out=out
if [ ! -e "$venv/.ok6" ]; then
  python3 -m venv "$venv" 2>/dev/null || { echo "bench: python3 has no venv: install the package python3-venv" >&2; exit 1; }
  echo "bench: fetching PyTorch $version into bench/$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check "torch==$version" torchvision 'numpy<2.3' pillow safetensors xxhash pandas pyarrow polars duckdb zstandard 'transformers==4.57.6' accelerate tensorboard
  touch "$venv/.ok6" # with the packages of the line above
fi
python=$PWD/$venv/bin/python
mkdir -p "$out"
rm -rf "$out/run" "$out/sweep"
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1), $(nproc) cores$(grep -qm1 avx512f /proc/cpuinfo && echo ', AVX-512')"

../bin/lawa-replay train --model resnet8:width=8,stem-stride=2 --data mnist:train=6000,shift=2 --epochs 20 --out "$out/run" 2>/dev/null
"$python" train.py "$out/run"

began=$(date +%s.%N)
../bin/lawa-replay sweep "$out/run" --k 1,2,4,6,8,10,16 --bn recompute:samples=5000 --out "$out/sweep" 2>/dev/null
ended=$(date +%s.%N)
"$python" sweep.py "$out/run" "$out/sweep/results.parquet" "$("$python" -c "print($ended - $began)")"

"$python" imagefolder.py ../bin/lawa-replay 14 500 photos
"$python" step.py "$(nproc)"

if [ -n "${TEXT:-}" ]; then # a text of some megabytes, such as WikiText-2's
  "$python" language_run.py "$TEXT" ../testdata/tokenizer/gpt2 ../tokenizer/small "$out/language"
  "$python" language.py ../bin/lawa-replay "$out/language" "$TEXT"
fi

"$python" readers.py "$out/sweep/results.parquet"
"$python" recipes.py "$out/sweep" | tail -1

./average.sh "$python"
./foreign.sh "$python" "$out/foreign"
