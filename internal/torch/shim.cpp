#include "shim.h"

#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <optional>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#define LR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LR_CLONES
#endif
// Inlined, the kernels are compiled for the processor of the clone that calls them.
#define LR_INLINE_LAMBDA __attribute__((always_inline))
#define LR_INLINE inline LR_INLINE_LAMBDA

namespace {

torch::Tensor &of(lr_tensor t) { return *static_cast<torch::Tensor *>(t); }

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

// glibc gives large blocks back to the kernel at every free, and every activation is then paged in
// again: half the time of a small network. Keep them. This runs before main.
__attribute__((constructor)) void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
}

c10::Device device_of(int index) { return index < 0 ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, index); }

// Whether the channels of each pixel lie side by side in memory, as the kernels below want them.
bool rows_of_channels(const torch::Tensor &x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// The three kernels below run over rows of c channels. Written for a fixed number of channels at a time,
// they keep sums in registers; c is taken apart into such pieces by in_pieces.

// Sums per channel: float within 64 rows, double across them.
template <int M> LR_INLINE void sum_piece(const float *__restrict x, int64_t rows, int64_t c, double *__restrict sum) {
  double total[M] = {0};
  for (int64_t r0 = 0; r0 < rows; r0 += 64) {
    float part[M] = {0};
    const int64_t r1 = std::min<int64_t>(rows, r0 + 64);
    for (int64_t r = r0; r < r1; r++)
      for (int j = 0; j < M; j++) part[j] += x[r * c + j];
    for (int j = 0; j < M; j++) total[j] += part[j];
  }
  for (int j = 0; j < M; j++) sum[j] = total[j];
}

// Sums of squared distances from the mean, likewise.
template <int M>
LR_INLINE void square_piece(const float *__restrict x, int64_t rows, int64_t c, const float *__restrict mean,
                         double *__restrict sum) {
  double total[M] = {0};
  for (int64_t r0 = 0; r0 < rows; r0 += 64) {
    float part[M] = {0};
    const int64_t r1 = std::min<int64_t>(rows, r0 + 64);
    for (int64_t r = r0; r < r1; r++)
      for (int j = 0; j < M; j++) {
        const float d = x[r * c + j] - mean[j];
        part[j] += d * d;
      }
    for (int j = 0; j < M; j++) total[j] += part[j];
  }
  for (int j = 0; j < M; j++) sum[j] = total[j];
}

// x = act(x · scale + shift + residual), in place; a NaN stays one under ReLU.
template <int M, bool Relu, bool Residual>
LR_INLINE void affine_piece(float *__restrict x, int64_t rows, int64_t c, const float *__restrict scale,
                         const float *__restrict shift, const float *__restrict residual) {
  for (int64_t r = 0; r < rows; r++)
    for (int j = 0; j < M; j++) {
      float y = x[r * c + j] * scale[j] + shift[j];
      if (Residual) y += residual[r * c + j];
      x[r * c + j] = Relu && y < 0 ? 0 : y;
    }
}

template <class Piece> LR_INLINE void in_pieces(int64_t c, Piece piece) {
  int64_t at = 0;
  for (; at + 32 <= c; at += 32) piece(at, std::integral_constant<int, 32>());
  for (; at + 8 <= c; at += 8) piece(at, std::integral_constant<int, 8>());
  for (; at < c; at++) piece(at, std::integral_constant<int, 1>());
}

LR_CLONES void sum_rows(const float *x, int64_t rows, int64_t c, double *sum) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA { sum_piece<m()>(x + at, rows, c, sum + at); });
}

LR_CLONES void square_rows(const float *x, int64_t rows, int64_t c, const float *mean, double *sum) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA { square_piece<m()>(x + at, rows, c, mean + at, sum + at); });
}

LR_CLONES void affine_rows(float *x, int64_t rows, int64_t c, const float *scale, const float *shift,
                           const float *residual, bool relu) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    constexpr int M = m();
    const float *r = residual == nullptr ? nullptr : residual + at;
    if (relu && r) affine_piece<M, true, true>(x + at, rows, c, scale + at, shift + at, r);
    else if (relu) affine_piece<M, true, false>(x + at, rows, c, scale + at, shift + at, r);
    else if (r) affine_piece<M, false, true>(x + at, rows, c, scale + at, shift + at, r);
    else affine_piece<M, false, false>(x + at, rows, c, scale + at, shift + at, r);
  });
}

LR_CLONES void sgd_step(float *__restrict p, float *__restrict g, float *__restrict m, int64_t n, float lr, float mu,
                        float wd, bool nesterov, bool first) {
  for (int64_t i = 0; i < n; i++) {
    const float d = g[i] + wd * p[i];
    const float b = first ? d : mu * m[i] + d;
    m[i] = b;
    p[i] -= lr * (nesterov ? d + mu * b : b);
    g[i] = 0;
  }
}

} // namespace

extern "C" {

const char *lr_torch_version(void) { return TORCH_VERSION; }

char *lr_open_cuda(void) {
  static void *handle = nullptr;
  if (handle == nullptr) handle = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  return handle == nullptr ? strdup(dlerror()) : nullptr;
}

int lr_cuda_devices(void) {
  int n = 0;
  char *message = guarded([&] { n = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0; });
  free(message);
  return n;
}

char *lr_synchronize(int device) {
  return guarded([&] {
    if (device >= 0) torch::cuda::synchronize(device);
  });
}

void lr_free(char *message) { free(message); }
void lr_set_threads(int n) { at::set_num_threads(n); }
int lr_get_threads(void) { return at::get_num_threads(); }
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
    auto x = of(images).narrow(0, from, to - from).to(at::kFloat).div_(255);
    const int64_t c = x.size(1);
    auto row = [&](const float *v) {
      return torch::from_blob(const_cast<float *>(v), {1, c, 1, 1}, at::kFloat).to(x.device());
    };
    x = x.sub_(row(mean)).div_(row(std));
    if (x.is_cpu()) {
      // With one channel the two layouts are the same bytes; only the strides tell libtorch which it is.
      x = c == 1 ? x.as_strided({x.size(0), 1, x.size(2), x.size(3)}, {x.size(2) * x.size(3), 1, x.size(3), 1})
                 : x.contiguous(at::MemoryFormat::ChannelsLast);
    }
    *out = new torch::Tensor(x);
  });
}

char *lr_conv2d(lr_tensor *out, lr_tensor x_, lr_tensor w_, int64_t stride, int64_t padding) {
  return guarded([&] {
    auto &x = of(x_), &w = of(w_);
    if (x.is_cpu() && w.size(2) == 1 && w.size(3) == 1 && padding == 0) {
      // As a matrix product: the gradient of oneDNN's 1×1 convolution writes past its buffer where channels
      // last are not a multiple of 8 (jit_avx2_1x1_convolution_bwd_weights_t, seen in libtorch 2.11.0).
      auto pixels = x.slice(2, 0, std::nullopt, stride).slice(3, 0, std::nullopt, stride).permute({0, 2, 3, 1});
      *out = new torch::Tensor(at::linear(pixels, w.flatten(1)).permute({0, 3, 1, 2}));
      return;
    }
    *out = new torch::Tensor(at::conv2d(x, w, {}, {stride, stride}, {padding, padding}));
  });
}

// Batch norm, residual sum and ReLU, in place on x (N×C×H×W float32). With momentum < 0 the running
// statistics are used; otherwise the batch's own, which then enter the running ones with that momentum
// (mean, and unbiased variance), as torch's batch_norm does in training.
char *lr_bn_act(lr_tensor x_, lr_tensor gamma, lr_tensor beta, lr_tensor mean, lr_tensor var, double eps,
                double momentum, lr_tensor residual, int relu) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &x = of(x_);
    const bool training = momentum >= 0;
    const int64_t c = x.size(1), rows = x.numel() / c;
    TORCH_CHECK(!training || rows > 1, "batch statistics need more than one value per channel");
    const bool fast = rows_of_channels(x) && (residual == nullptr || rows_of_channels(of(residual)));
    if (!fast) {
      auto y = at::batch_norm(x, of(gamma), of(beta), of(mean), of(var), training, training ? momentum : 0.0, eps,
                              x.is_cuda());
      if (residual != nullptr) y.add_(of(residual));
      if (relu) y.relu_();
      x = y;
      return;
    }
    const float *g = of(gamma).const_data_ptr<float>(), *b = of(beta).const_data_ptr<float>();
    float *rm = of(mean).mutable_data_ptr<float>(), *rv = of(var).mutable_data_ptr<float>();
    float *data = x.mutable_data_ptr<float>();
    std::vector<float> m(c), scale(c), shift(c);
    std::vector<double> sum(c), variance(c);
    if (training) {
      sum_rows(data, rows, c, sum.data());
      for (int64_t j = 0; j < c; j++) m[j] = static_cast<float>(sum[j] / rows);
      square_rows(data, rows, c, m.data(), variance.data());
      for (int64_t j = 0; j < c; j++) {
        rm[j] = static_cast<float>(momentum * (sum[j] / rows) + (1 - momentum) * rm[j]);
        rv[j] = static_cast<float>(momentum * (variance[j] / (rows - 1)) + (1 - momentum) * rv[j]);
        variance[j] /= rows;
      }
    } else {
      for (int64_t j = 0; j < c; j++) {
        m[j] = rm[j];
        variance[j] = rv[j];
      }
    }
    for (int64_t j = 0; j < c; j++) {
      const double s = g[j] / std::sqrt(variance[j] + eps);
      scale[j] = static_cast<float>(s);
      shift[j] = static_cast<float>(b[j] - m[j] * s);
    }
    affine_rows(data, rows, c, scale.data(), shift.data(),
                residual == nullptr ? nullptr : of(residual).const_data_ptr<float>(), relu != 0);
  });
}

// Every stride-th pixel of x, with zero channels put before and behind up to the given number.
char *lr_pad_channels(lr_tensor *out, lr_tensor x, int64_t stride, int64_t channels) {
  return guarded([&] {
    const int64_t more = channels - of(x).size(1);
    auto y = of(x).slice(2, 0, std::nullopt, stride).slice(3, 0, std::nullopt, stride);
    y = at::constant_pad_nd(y, {0, 0, 0, 0, more / 2, more - more / 2});
    // Pixels keep the order they have in x.
    *out = new torch::Tensor(y.contiguous(of(x).suggest_memory_format()));
  });
}

// Global average pooling and the classifier: N×C×H×W → N×classes.
char *lr_pool_linear(lr_tensor *out, lr_tensor x, lr_tensor w, lr_tensor b) {
  return guarded([&] { *out = new torch::Tensor(at::linear(of(x).mean({2, 3}), of(w), of(b))); });
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

// torch.optim.SGD over flat tensors, and the gradient set to zero for the next step.
char *lr_sgd(lr_tensor p_, lr_tensor grad, lr_tensor momentum, double lr, double mu, double wd, int nesterov, int first) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &p = of(p_), &g = of(grad), &m = of(momentum);
    if (p.is_cpu()) {
      sgd_step(p.mutable_data_ptr<float>(), g.mutable_data_ptr<float>(), m.mutable_data_ptr<float>(), p.numel(),
               static_cast<float>(lr), static_cast<float>(mu), static_cast<float>(wd), nesterov != 0, first != 0);
      return;
    }
    auto d = g.add(p, wd);
    if (first) m.copy_(d);
    else m.mul_(mu).add_(d);
    p.add_(nesterov ? d.add(m, mu) : m, -lr);
    g.zero_();
  });
}

} // extern "C"
