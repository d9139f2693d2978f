#!/usr/bin/env bash
# g++, but gotch's one huge file of thin wrappers is compiled at -O1 without debug symbols: half the
# time and memory, and the same speed when it runs. gotch's own flags come after CGO_CXXFLAGS and
# would win, hence a wrapper.
args=()
case " $* " in
*torch_api.cpp*)
  for a in "$@"; do case $a in -g | -O2 | -O3) ;; *) args+=("$a") ;; esac; done
  exec g++ "${args[@]}" -O1 -g0 -w
  ;;
esac
exec g++ "$@"
