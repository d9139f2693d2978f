// The arithmetic of forward passes: TF32 and autocast.
#include "guarded.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace {

// One interface for every kind of device came with libtorch 2.4.
void set_autocast(c10::DeviceType type, bool on) {
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 4
  at::autocast::set_autocast_dtype(type, at::kBFloat16);
  at::autocast::set_autocast_enabled(type, on);
#else
  if (type == c10::kCPU) {
    at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
    at::autocast::set_cpu_enabled(on);
  } else {
    at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
    at::autocast::set_enabled(on);
  }
#endif
}

} // namespace

extern "C" {

// As torch.autocast(…, dtype=torch.bfloat16) begins and ends on this thread: weights that were cast are forgotten.
char *lr_autocast(int device, int on) {
  return guarded([&] {
    set_autocast(device_of(device).type(), on != 0);
    at::autocast::set_autocast_cache_enabled(true);
    if (!on) at::autocast::clear_cache();
  });
}

void lr_allow_tf32(int on) {
  at::globalContext().setAllowTF32CuDNN(on != 0);
  at::globalContext().setAllowTF32CuBLAS(on != 0);
}

} // extern "C"
