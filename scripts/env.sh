#!/usr/bin/env bash
# env.sh [VERSION] prints, as shell exports, every setting that cgo needs to build gotch and
# internal/torch: the one place where they live. Use it as: eval "$(make -s env)".
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
if [ -n "${LIBTORCH:-}" ]; then torch=${LIBTORCH%/}; else torch=$here/.libtorch/${1:-2.11.0}/torch; fi
# Wheels up to 2.5 use the old C++ ABI, of which a symbol in libc10.so tells.
abi=1; grep -aq 'torchCheckFailEPKcS2_jRKNSt7__cxx11' "$torch/lib/libc10.so" || abi=0
# The OpenMP that libtorch computes with: at::parallel_for is a template, parallel only where it is compiled with -fopenmp.
gomp=$(cd "$torch/lib" && ls libgomp*.so* 2>/dev/null | head -1)
export_() { printf "export %s='%s'\n" "$1" "$2"; }
export_ CGO_ENABLED 1
export_ CXX "$here/scripts/cxx.sh"
# Go's build cache does not see an edit of compat.h: raise the number with it.
export_ CGO_CXXFLAGS "-O2 -fopenmp -D_GLIBCXX_USE_CXX11_ABI=$abi -DGOTCH_COMPAT_REV=1 -include $here/internal/torch/compat.h -I$torch/include -I$torch/include/torch/csrc/api/include"
export_ CGO_LDFLAGS "-L$here/.libtorch/stubs -L$torch/lib -Wl,-rpath,$torch/lib -Wl,--allow-shlib-undefined -l:${gomp:-libgomp.so.1}"
