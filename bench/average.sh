#!/usr/bin/env bash
# average.sh PYTHON compares averaging alone with PyTorch, on a synthetic trajectory of 32 checkpoints of
# ResNet-50's size (3.3 GB on the disk): the export of one average, and all averages of k = 1…16.
set -euo pipefail
cd "$(dirname "$0")"
python=$1
run=out/resnet50
mkdir -p out
grep -qs xxh3 "$run/checkpoints.jsonl" || rm -rf "$run"
[ -e "$run/checkpoints.jsonl" ] || "$python" average_trajectory.py "$run"

# Into memory, where there is room: the disk's mood would be most of what is measured.
to=out; [ -w /dev/shm ] && to=$(mktemp -d /dev/shm/lawa-bench.XXXXXX) && trap 'rm -rf "$to"' EXIT
seconds() { # of a command, as a whole process
  local began ended
  sync # what others left to be written
  began=$(date +%s.%N); "$@" >/dev/null 2>&1; ended=$(date +%s.%N)
  "$python" -c "print(round($ended - $began, 3))"
}
ours=() trusting=() slow=() theirs=()
for _ in 1 2 3 4 5 6 7; do
  ours+=("$(seconds ../bin/lawa-replay average "$run" --scheme lawa:k=6 --at 20 --out "$to/ours.safetensors")")
  trusting+=("$(seconds ../bin/lawa-replay average "$run" --scheme lawa:k=6 --at 20 --no-verify --out "$to/trusting.safetensors")")
  slow+=("$(seconds ../bin/lawa-replay average "$run" --scheme lawa:k=6 --at 20 --verify sha256 --out "$to/slow.safetensors")")
  theirs+=("$(seconds "$python" average_export.py "$run" 6 20 "$to/theirs.safetensors" -)")
done
"$python" average_export.py "$run" 6 20 "$to/theirs.safetensors" "$to/ours.safetensors"
cmp "$to/ours.safetensors" "$to/trusting.safetensors"
cmp "$to/ours.safetensors" "$to/slow.safetensors"
"$python" - "${ours[*]}" "${trusting[*]}" "${slow[*]}" "${theirs[*]}" <<'P'
import statistics, sys
a, b, d, c = (statistics.median(float(v) for v in text.split()) for text in sys.argv[1:])
print(f"export of lawa:k=6, whole process, medians of 7 in turn, the same bits: PyTorch {c:.2f} s")
print(f"  lawa-replay, digests verified {a:.2f} s, ratio {c / a:.1f}")
print(f"  lawa-replay --no-verify {b:.2f} s, ratio {c / b:.1f}; verified takes {a / b:.2f} times as long")
print(f"  lawa-replay --verify sha256 {d:.2f} s, ratio {c / d:.1f}; {d / b:.2f} times as long as --no-verify")
P
# Memory of its own, beside the files that it maps: sampled while it runs.
../bin/lawa-replay average "$run" --scheme lawa:k=6 --at 20 --out "$to/ours.safetensors" 2>/dev/null &
most=0
while status=$(grep RssAnon "/proc/$!/status" 2>/dev/null); do
  now=$(tr -dc 0-9 <<<"$status"); [ "$now" -gt "$most" ] && most=$now
  sleep 0.005
done
wait
echo "memory beside the page cache: $((most / 1024)) MiB"

text=$(out/average_sweep "$run")
echo "$text"
first=$(sed -n '1s/.* averages in \([0-9.]*\) s.*/\1/p' <<<"$text")
"$python" average_sweep.py "$run" flat "$first"
"$python" average_sweep.py "$run" dicts "$first"
