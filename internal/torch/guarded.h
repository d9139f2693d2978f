// What the C++ files share.
#ifndef LAWA_REPLAY_GUARDED_H
#define LAWA_REPLAY_GUARDED_H
#include "shim.h"

#include <torch/torch.h>

#include <cstring>

// A function compiled for AVX2 too, and chosen when the program starts.
#if defined(__x86_64__)
#define LR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define LR_CLONES
#endif

inline torch::Tensor &of(lr_tensor t) { return *static_cast<torch::Tensor *>(t); }

inline c10::Device device_of(int index) { return index < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, index); }

// Runs f, and returns what it throws as a message, or NULL.
template <class F> char *guarded(F f) {
  try {
    f();
    return nullptr;
  } catch (const c10::Error &e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::exception &e) {
    return strdup(e.what());
  }
}
#endif
