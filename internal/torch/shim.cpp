// Tensors, devices, and the operations that layers are made of, over gotch's handles.
#include "guarded.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/torch.h>

#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <vector>

namespace {

// glibc gives large blocks back to the kernel at every free, and every activation is then paged in
// again: half the time of a small network. Keep them. This runs before main.
__attribute__((constructor)) void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
}

// Every stride-th pixel.
torch::Tensor every(const torch::Tensor &x, int64_t stride) {
  return x.slice(2, 0, x.size(2), stride).slice(3, 0, x.size(3), stride);
}

// Counts the bytes of the tensors that its thread makes and frees, oneDNN's scratch pads among them.
struct Meter : c10::MemoryReportingInfoBase {
  int64_t live = 0, peak = 0;
  void reportMemoryUsage(void *, int64_t size, size_t, size_t, c10::Device) override {
    live += size;
    peak = std::max(peak, live);
  }
  bool memoryProfilingEnabled() const override { return true; }
};

} // namespace

extern "C" {

const char *lr_torch_version(void) { return TORCH_VERSION; }

char *lr_open_cuda(void) {
  static void *handle = nullptr;
  if (handle == nullptr) handle = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) return strdup(dlerror());
  // float32 means float32: no TF32 in convolutions and products where nobody asks for it, and the same algorithms each time.
  return guarded([] {
    lr_allow_tf32(0);
    at::globalContext().setDeterministicCuDNN(true);
  });
}

int lr_cuda_devices(void) {
  int n = 0;
  char *message = guarded([&] { n = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0; });
  free(message);
  return n;
}

// The driver's own name of a GPU, numbered as CUDA_VISIBLE_DEVICES has it. The driver is asked itself: libtorch gives
// no way to, short of linking its CUDA half.
int lr_cuda_name(int device, char *name, int size) {
  static void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == nullptr) return -1;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int *, int)>(dlsym(driver, "cuDeviceGet"));
  const auto named = reinterpret_cast<int (*)(char *, int, int)>(dlsym(driver, "cuDeviceGetName"));
  int handle = 0;
  if (!init || !get || !named || init(0) != 0 || get(&handle, device) != 0) return -1;
  return named(name, size, handle);
}

void lr_free(char *message) { free(message); }
char *lr_meter_begin(void) {
  return guarded([] { c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<Meter>()); });
}
char *lr_meter_end(int64_t *live, int64_t *peak) {
  return guarded([&] {
    const auto info = c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
    const auto &meter = static_cast<const Meter &>(*info);
    *live = meter.live;
    *peak = meter.peak;
  });
}
void lr_set_threads(int n) { at::set_num_threads(n); }
char *lr_manual_seed(int64_t seed) {
  return guarded([&] { torch::manual_seed(seed); });
}

char *lr_new(lr_tensor *out, const int64_t *shape, int dims, int dtype, int device) {
  return guarded([&] {
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)).device(device_of(device));
    *out = new torch::Tensor(torch::zeros(at::IntArrayRef(shape, dims), options));
  });
}

// Elements [offset, offset+n) of the flattened tensor, which must be contiguous.
static torch::Tensor span(torch::Tensor &t, int64_t offset, int64_t n) {
  TORCH_CHECK(t.is_contiguous(), "the tensor is not contiguous");
  TORCH_CHECK(offset >= 0 && n >= 0 && offset <= t.numel() - n, "elements ", offset, " to ", offset + n,
              " of a tensor of ", t.numel());
  return t.detach().view({-1}).narrow(0, offset, n);
}

char *lr_write(lr_tensor t, int64_t offset, const void *data, int64_t n) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto to = span(of(t), offset, n);
    to.copy_(torch::from_blob(const_cast<void *>(data), {n}, to.options().device(at::kCPU)));
  });
}

char *lr_read(lr_tensor t, int64_t offset, void *data, int64_t n) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto from = span(of(t), offset, n);
    torch::from_blob(data, {n}, from.options().device(at::kCPU)).copy_(from);
  });
}

char *lr_describe(lr_tensor t, int64_t *shape, int *dims, int *dtype, int *device) {
  return guarded([&] {
    auto &x = of(t);
    TORCH_CHECK(x.dim() <= 8, "a tensor of ", x.dim(), " dimensions; at most 8");
    for (int64_t i = 0; i < x.dim(); i++) shape[i] = x.size(i);
    *dims = static_cast<int>(x.dim());
    *dtype = static_cast<int>(x.scalar_type());
    *device = x.is_cuda() ? x.get_device() : -1;
  });
}

// (x/255 − mean)/std of images [from, to) (uint8 N×C×H×W), in the order in which torchvision's ToTensor and
// Normalize round; on a CPU with the channels last in memory.
char *lr_normalize(lr_tensor *out, lr_tensor images, int64_t from, int64_t to, const float *mean, const float *std) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto bytes = of(images).narrow(0, from, to - from);
    const int64_t n = bytes.size(0), c = bytes.size(1), h = bytes.size(2), w = bytes.size(3);
    if (bytes.is_cpu()) {
      // A table for each channel, into a tensor with channels last. With one channel the two layouts are the
      // same bytes, and only the strides tell libtorch which it is.
      std::vector<float> table(256 * c);
      for (int64_t j = 0; j < c; j++)
        for (int v = 0; v < 256; v++) table[256 * j + v] = (static_cast<float>(v) / 255.0f - mean[j]) / std[j];
      auto x = at::empty({n, c, h, w}, at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
      const uint8_t *src = bytes.const_data_ptr<uint8_t>();
      float *dst = x.mutable_data_ptr<float>();
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++) {
          const uint8_t *plane = src + (i * c + j) * h * w;
          float *at = dst + i * c * h * w + j;
          for (int64_t p = 0; p < h * w; p++) at[p * c] = table[256 * j + plane[p]];
        }
      *out = new torch::Tensor(x);
      return;
    }
    auto row = [&](const float *v) {
      return torch::from_blob(const_cast<float *>(v), {1, c, 1, 1}, at::kFloat).to(bytes.device());
    };
    *out = new torch::Tensor(bytes.to(at::kFloat).div_(255).sub_(row(mean)).div_(row(std)));
  });
}

char *lr_conv2d(lr_tensor *out, lr_tensor x_, lr_tensor w_, lr_tensor b_, int64_t stride, int64_t padding, int64_t groups) {
  return guarded([&] {
    auto &x = of(x_), &w = of(w_);
    const auto b = b_ == nullptr ? torch::Tensor() : of(b_);
    const bool one = w.size(2) == 1 && w.size(3) == 1 && padding == 0 && groups == 1;
    if (one && x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
      // As a matrix product: the gradient of oneDNN's 1×1 convolution writes past its buffer where channels
      // last are not a multiple of 8 (jit_avx2_1x1_convolution_bwd_weights_t, seen in libtorch 2.11.0). That is a
      // kernel of float32; in bfloat16 the product takes six times as long as the convolution.
      auto pixels = every(x, stride).permute({0, 2, 3, 1});
      *out = new torch::Tensor(at::linear(pixels, w.flatten(1), b).permute({0, 3, 1, 2}));
      return;
    }
    *out = new torch::Tensor(at::conv2d(x, w, b, {stride, stride}, {padding, padding}, {1, 1}, groups));
  });
}

// Every stride-th pixel of x, with zero channels put before and behind up to the given number.
char *lr_pad_channels(lr_tensor *out, lr_tensor x, int64_t stride, int64_t channels) {
  return guarded([&] {
    const int64_t more = channels - of(x).size(1);
    auto y = every(of(x), stride);
    y = at::constant_pad_nd(y, {0, 0, 0, 0, more / 2, more - more / 2});
    // Pixels keep the order they have in x.
    *out = new torch::Tensor(y.contiguous(of(x).suggest_memory_format()));
  });
}

// Images in a memory format. With one channel, or one pixel, both are the same bytes, and only the strides tell libtorch
// which is meant.
char *lr_format(lr_tensor *out, lr_tensor x_, int channels_last) {
  return guarded([&] {
    auto x = of(x_);
    const auto format = channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    if (x.dim() == 4 && x.is_floating_point() && x.suggest_memory_format() != format)
      x = at::empty_like(x, x.options(), format).copy_(x);
    *out = new torch::Tensor(x);
  });
}

char *lr_clone(lr_tensor *out, lr_tensor x) {
  return guarded([&] { *out = new torch::Tensor(of(x).clone()); });
}

// A leaf of the autograd graph that is a view into flat, and whose gradient is a view into grad: SGD over
// the two flat tensors then updates every parameter in one go.
char *lr_leaf(lr_tensor *out, lr_tensor flat, lr_tensor grad, int64_t offset, const int64_t *shape, int dims) {
  return guarded([&] {
    at::IntArrayRef sizes(shape, dims);
    const int64_t n = c10::multiply_integers(sizes);
    auto leaf = span(of(flat), offset, n).view(sizes).detach();
    if (grad != nullptr) {
      leaf.set_requires_grad(true);
      leaf.mutable_grad() = span(of(grad), offset, n).view(sizes);
    }
    *out = new torch::Tensor(leaf);
  });
}

char *lr_backward(lr_tensor loss) {
  return guarded([&] { of(loss).backward(); });
}

} // extern "C"
