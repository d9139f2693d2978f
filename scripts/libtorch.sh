#!/usr/bin/env bash
# libtorch.sh [VERSION] fetches one libtorch from PyPI's torch wheel into .libtorch/VERSION and checks
# it: pip compares every wheel with the sha256 in scripts/libtorch-VERSION.txt. A wheel that arrived
# whole is kept when the script is interrupted, so the next run goes on from there; once the stamp
# .libtorch/VERSION/.ok stands, there is nothing to do.
#
#   CUDA=1        also the CUDA libraries (scripts/libtorch-VERSION-cuda.txt, about 2 GB)
#   LIBTORCH=DIR  use the libtorch in DIR (DIR/lib, DIR/include), 2.1 to 2.11, and fetch nothing
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-2.11.0}
fail() { echo "setup: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is missing: install the package $2 (Debian, Ubuntu: apt-get install $2)"; }
# The version that the headers below $1 say; the file moved after 2.1.
version_in() {
  { cat "$1/include/torch/headeronly/version.h" "$1/include/torch/csrc/api/include/torch/version.h" 2>/dev/null || true; } |
    sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\).*/\2/p' | head -3 | paste -sd. || true
}
need go golang-go
need g++ g++
need ar binutils

root=.libtorch/$version
if [ -n "${LIBTORCH:-}" ]; then
  root=${LIBTORCH%/}
  [ -e "$root/lib/libtorch_cpu.so" ] || fail "LIBTORCH=$LIBTORCH: no lib/libtorch_cpu.so in it"
  found=$(version_in "$root")
  [ -n "$found" ] || fail "LIBTORCH=$LIBTORCH: no torch/version.h under its include folder"
  IFS=. read -r major minor _ <<<"$found"
  if [ "$major" != 2 ] || [ "$minor" -lt 1 ] || [ "$minor" -gt 11 ]; then
    fail "LIBTORCH=$LIBTORCH is libtorch $found; lawa-replay runs on 2.1 to 2.11"
  fi
else
  list=scripts/libtorch-$version.txt
  [ -e "$list" ] || fail "TORCH=$version: known versions are $(ls scripts/libtorch-*.txt | grep -v cuda | sed 's/.*libtorch-//; s/.txt//' | xargs) (or LIBTORCH=DIR for one of your own)"
  lists=("$list")
  stamp=$root/.ok
  if [ "${CUDA:-0}" = 1 ]; then lists+=("scripts/libtorch-$version-cuda.txt"); stamp=$root/.ok-cuda; fi
  if [ ! -e "$stamp" ]; then
    need python3 python3
    python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing: install the package python3-pip (Debian, Ubuntu: apt-get install python3-pip)"
    python=$(sed -n 's/^# python //p' "$list")
    wheels=.libtorch/wheels-$version
    mkdir -p "$wheels"
    for l in "${lists[@]}"; do
      if [ "$l" = "$list" ] && [ -e "$root/.ok" ]; then continue; fi
      echo "setup: fetching the wheels of $l" >&2
      # One wheel a call: what has arrived stays in $wheels, and pip checks it again instead of fetching it.
      grep -v '^#' "$l" | while read -r requirement; do
        [ -n "$requirement" ] || continue
        echo "$requirement" > "$wheels/requirement.txt"
        python3 -m pip download --disable-pip-version-check --quiet --no-deps --require-hashes --only-binary=:all: \
          --python-version "$python" --implementation cp --abi "cp${python/./}" --abi none \
          $(printf -- '--platform %s ' manylinux_2_{28,27,25,24,18,17,12,5}_x86_64 manylinux{2014,2010,1}_x86_64) \
          --dest "$wheels" --requirement "$wheels/requirement.txt" ||
          fail "pip could not fetch ${requirement%% *}, or its sha256 is not the one in $l; run this again to go on"
      done
      rm -f "$wheels/requirement.txt"
    done
    echo "setup: unpacking into $root" >&2
    python3 - "$wheels" "$root" <<'PY'
import glob, os, sys, zipfile
wheels, root = sys.argv[1:]
for wheel in sorted(glob.glob(wheels + "/*.whl")):
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            if name.startswith(("torch/lib/", "torch/include/", "nvidia/")) and ".." not in name and "libtorch_python" not in name:
                z.extract(name, root)
PY
    found=$(version_in "$root/torch")
    [ "$found" = "$version" ] || fail "the wheel holds libtorch $found, not $version"
    touch "$root/.ok" "$stamp"
    rm -rf "$wheels"
  fi
fi

# gotch names ten CUDA libraries (and libtorch.so) to the linker. Empty archives satisfy it; the program
# then needs libtorch_cpu.so and libc10.so alone, and opens CUDA at run time.
mkdir -p .libtorch/stubs
for lib in cuda cudart cublas cudnn caffe2_nvrtc nvrtc-builtins nvrtc nvToolsExt c10_cuda torch_cuda torch; do
  [ -e ".libtorch/stubs/lib$lib.a" ] || ar crs ".libtorch/stubs/lib$lib.a"
done
