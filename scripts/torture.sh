#!/usr/bin/env bash
# torture.sh [KILLS] kills bin/lawa-replay by SIGKILL at random moments while it trains, imports, averages, sweeps (by its
# own networks and by workers) and draws, KILLS times in all (100), and looks after each kill whether what was recorded is
# whole and whether a worker lives on. Then every command runs to its end: it must come to the bytes of one that nobody
# killed, and leave no temporary file.
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-100}
bin=$PWD/bin/lawa-replay fixtures=$PWD/testdata
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
RANDOM=${SEED:-1}

cat >worker.sh <<'END'
# Evaluates by the size of the weights' file; starts a child that does nothing, as data loaders do.
sleep 1000 </dev/null &
echo $$ >>pids; echo $! >>pids
read -r hello
echo '{"type": "ready", "protocol": 1, "splits": ["val"]}'
while read -r request; do
  case $request in *'"bye"'*) kill %1; exit 0 ;; esac
  id=${request#*\"id\":}; id=${id%%,*}
  file=${request#*\"weights\":\"}; file=${file%%\"*}
  sleep 0.03
  echo '{"type": "result", "id": '"$id"', "splits": {"val": {"size": '"$(wc -c <"$file")"'}}}'
done
sleep 1000
END

# The commands: what to run in a folder of its own, until it ends.
TRAIN='--model resnet8:width=4,stem-stride=2 --data mnist:train=1000,val=200 --epochs 6 --batch-size 50 --threads 1'
verbs=(train import average sweep workers plot)
train() { if [ -e run/trajectory.json ]; then exec "$bin" train --out run --resume --threads 1; else exec "$bin" train $TRAIN --out run; fi; }
import() { exec "$bin" import "$fixtures"/foreign/bare-[2-5].pt --out imported; }
average() { exec "$bin" average ../source --k 1-3 --at 3-6 --out-dir averages; }
sweep() { exec "$bin" sweep ../source --k 1-4 --bn copy,recompute --out sweep; }
workers() { exec "$bin" sweep ../source --k 1-4 --bn copy --worker "sh ../worker.sh" --workers 2 --out sweep; }
plot() { exec "$bin" plot k-sensitivity ../swept --out figure.pdf; }

# made lists what a verb made that must have the same bytes each time.
made() {
  case $1 in
  train) sha256sum run/weights/* run/state/* ;;
  import) sha256sum imported/weights/*; cut -d, -f1-6 imported/checkpoints.jsonl ;;
  average) sha256sum averages/* ;;
  sweep | workers) sha256sum sweep/results.parquet sweep/results.parquet.sha256 ;;
  plot) sha256sum figure.csv ;;
  esac
}

# whole looks at what a kill left.
whole() {
  case $1 in
  train) [ ! -e run/trajectory.json ] || "$bin" verify run ;;
  import) [ ! -e imported/trajectory.json ] || "$bin" verify imported ;;
  average) for f in averages/*; do [ ! -e "$f" ] || cmp "$f" "../whole-average/$f"; done ;;
  plot) for f in figure.*; do [ ! -e "$f" ] || [ "${f##*.}" != csv ] || cmp "$f" "../whole-plot/$f"; done ;;
  esac
}

# orphans says which of the workers' processes live on.
orphans() {
  local end=$((SECONDS + 5)) pid left
  while :; do
    left=
    while read -r pid; do if kill -0 "$pid" 2>/dev/null; then left+=" $pid"; fi; done < <(cat pids 2>/dev/null)
    if [ -z "$left" ]; then rm -f pids; return; fi
    if [ $SECONDS -ge $end ]; then echo "live on:$left"; return 1; fi
    sleep 0.05
  done
}

run() { (cd "$1" && "$2") >"$1.log" 2>&1; }
fail() { echo "torture: $1"; cat "${2:-/dev/null}"; exit 1; }

mkdir first && (cd first && train) >first.log 2>&1 || fail "train" first.log
ln -s first/run source
mkdir second && (cd second && sweep) >second.log 2>&1 || fail "sweep" second.log
ln -s second/sweep swept
declare -A took
for verb in "${verbs[@]}"; do
  mkdir "whole-$verb"
  began=$(date +%s%N)
  run "whole-$verb" "$verb" || fail "$verb" "whole-$verb.log"
  took[$verb]=$((($(date +%s%N) - began) / 1000000))
  (cd "whole-$verb" && made "$verb") >"$verb.want"
done

declare -A hit
landed=0 round=0
while [ "$landed" -lt "$kills" ]; do
  verb=${verbs[round % ${#verbs[@]}]}
  dir=killed-$verb-$((round / 60)) # each is begun anew now and then
  mkdir -p "$dir"
  (cd "$dir" && "$verb") >"$dir.log" 2>&1 &
  pid=$!
  delay=$((RANDOM % (took[$verb] + 50)))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  if kill -9 $pid 2>/dev/null; then landed=$((landed + 1)); hit[$verb]=$((${hit[$verb]:-0} + 1)); fi
  wait $pid 2>/dev/null || true
  (cd "$dir" && whole "$verb") >"$dir.whole" 2>&1 || fail "$verb, killed after $delay ms: not whole" "$dir.whole"
  (cd "$dir" && orphans) || fail "$verb, killed after $delay ms: workers live on"
  round=$((round + 1))
done

left=0
for dir in killed-*; do
  [ -d "$dir" ] || continue
  verb=${dir#killed-}; verb=${verb%-*}
  n=$(find "$dir" -name '*.tmp' | wc -l); left=$((left + n))
  run "$dir" "$verb" || grep -q 'already' "$dir.log" || fail "$verb does not go on" "$dir.log"
  (cd "$dir" && made "$verb") | cmp - "$verb.want" || fail "$verb: other bytes than without kills"
  (cd "$dir" && orphans) || fail "$verb: workers live on after its end"
  [ -z "$(find "$dir" -name '*.tmp')" ] || fail "$verb: temporary files stay: $(find "$dir" -name '*.tmp')"
done
for dir in /dev/shm/lawa-replay.*; do
  if [ -d "$dir" ] && [ -O "$dir" ] && flock -n "$dir" true; then fail "$dir stays"; fi
done
echo "torture: $landed kills ($(for v in "${verbs[@]}"; do printf '%s %d, ' "$v" "${hit[$v]:-0}"; done)$left temporary files at their end, 0 after the next run): nothing lost, nothing left, no worker lives on"
