// Examples on their way to a device, and what they are scored by.
#include "data.h"
#include "guarded.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <dlfcn.h>
#include <optional>

namespace {

// The ranks of labels that are no class, and of those that are not to be scored.
constexpr double no_class = -1, ignored = -2;
constexpr int64_t ignored_label = -100;

// y (rows × classes, float32) against labels (rows): for each row the cross-entropy in nats, and how many classes are
// preferred to the label, ties going to the lower class as argmax has it. Written to out, two numbers a row.
void score_rows(const torch::Tensor &y, const torch::Tensor &labels, double *out) {
  const int64_t rows = y.size(0), classes = y.size(1);
  const auto order = at::arange(classes, labels.options());
  constexpr int64_t elements = 1 << 22; // at a time, so that no float64 copy of all outputs exists at once
  const int64_t some = std::max<int64_t>(1, elements / classes);
  for (int64_t from = 0; from < rows; from += some) {
    const int64_t n = std::min(some, rows - from);
    const auto v = y.narrow(0, from, n).to(at::kDouble), l = labels.narrow(0, from, n).unsqueeze(1);
    const auto own = v.gather(1, l.clamp(0, classes - 1)), top = v.amax(1, true);
    const auto loss = top + (v - top).exp().sum(1, true).log() - own;
    auto rank = v.gt(own).logical_or_(v.eq(own).logical_and_(order.lt(l))).sum(1, true).to(at::kDouble);
    rank = at::where(loss.isnan(), static_cast<double>(classes), rank);
    rank = at::where(l.ge(0).logical_and_(l.lt(classes)), rank, no_class);
    rank = at::where(l.eq(ignored_label), ignored, rank);
    torch::from_blob(out + 2 * from, {n, 2}, at::kDouble).copy_(at::cat({loss, rank}, 1));
  }
}

// The largest value that is not NaN. Lanes, because floats may not be compared in another order; some vectors of them, for each
// comparison waits for the one before it.
LR_CLONES float largest(const float *v, int64_t n) {
  constexpr int lanes = 32;
  float top[lanes];
  std::fill(top, top + lanes, -INFINITY);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; j++) top[j] = v[i + j] > top[j] ? v[i + j] : top[j];
  for (; i < n; i++) top[0] = v[i] > top[0] ? v[i] : top[0];
  return *std::max_element(top, top + lanes);
}

LR_CLONES double sum_of(const double *v, int64_t n) {
  constexpr int lanes = 32;
  double sum[lanes] = {0};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; j++) sum[j] += v[i + j];
  for (; i < n; i++) sum[0] += v[i];
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int j = 0; j < half; j++) sum[j] += sum[j + half];
  return sum[0];
}

// v − top.
LR_CLONES void shift(const float *v, int64_t n, double top, double *out) {
  for (int64_t i = 0; i < n; i++) out[i] = static_cast<double>(v[i]) - top;
}

// How many of v are preferred to the one at l.
LR_CLONES int64_t preferred(const float *v, int64_t n, int64_t l) {
  const float own = v[l];
  int64_t rank = 0;
  for (int64_t from = 0; from < n; from += 1 << 20) { // an int32 counts so many at least, and more of them at a time
    const int64_t to = std::min(n, from + (1 << 20));
    int32_t part = 0;
    for (int64_t i = from; i < std::min(to, l); i++) part += v[i] >= own;
    for (int64_t i = std::max(from, l + 1); i < to; i++) part += v[i] > own;
    rank += part;
  }
  return rank;
}

// The same on the CPU, where a handful of classes is less work than to call an operation: one of these, for the
// exponentials, and loops in the processor's cache. The rows of y are contiguous.
void score_rows_here(const torch::Tensor &y, const torch::Tensor &labels, double *out) {
  const int64_t rows = y.size(0), classes = y.size(1), some = std::max<int64_t>(1, (1 << 14) / classes);
  const float *values = y.const_data_ptr<float>();
  const int64_t *label = labels.const_data_ptr<int64_t>();
  at::parallel_for(0, (rows + some - 1) / some, 1, [&](int64_t first, int64_t last) {
    auto shifted = at::empty({some * classes}, at::kDouble);
    double *e = shifted.mutable_data_ptr<double>();
    for (int64_t part = first; part < last; part++) {
      const int64_t from = part * some, n = std::min(some, rows - from);
      for (int64_t r = 0; r < n; r++) {
        const float *v = values + (from + r) * classes;
        const float top = largest(v, classes);
        out[2 * (from + r)] = top; // a NaN makes the sum below one
        shift(v, classes, top, e + r * classes);
      }
      shifted.narrow(0, 0, n * classes).exp_();
      for (int64_t r = 0; r < n; r++) {
        const float *v = values + (from + r) * classes;
        double *to = out + 2 * (from + r);
        const int64_t l = label[from + r];
        if (l < 0 || l >= classes) {
          to[1] = l == ignored_label ? ignored : no_class;
          continue;
        }
        const float own = v[l];
        const int64_t rank = preferred(v, classes, l);
        to[0] += std::log(sum_of(e + r * classes, classes)) - own;
        to[1] = to[0] != to[0] ? classes : rank;
      }
    }
  });
}

// Either of them, for outputs of any floating type.
void score_any(const torch::Tensor &y, const torch::Tensor &labels, double *out) {
  if (y.size(0) == 0) return;
  TORCH_CHECK(y.size(1) > 0, "outputs of no classes");
  const auto v = y.to(at::kFloat);
  if (v.is_cpu()) score_rows_here(v.contiguous(), labels.contiguous(), out);
  else score_rows(v, labels, out);
}

// Data in memory of which a GPU's copy goes on while the host does something else: libtorch keeps that memory until the copy has
// been made. Without a value where there is none, as when a limit on locked memory is reached.
std::optional<torch::Tensor> pinned(const torch::Tensor &data) {
  try {
    auto copy = torch::empty(data.sizes(), data.options().pinned_memory(true));
    std::memcpy(copy.data_ptr(), data.data_ptr(), data.nbytes());
    return copy;
  } catch (const c10::Error &) {
    return std::nullopt;
  }
}

} // namespace

extern "C" {

// n elements of a dtype into t, which converts them, from its element offset on.
char *lr_write_as(lr_tensor t_, int64_t offset, const void *data, int64_t n, int dtype) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &t = of(t_);
    TORCH_CHECK(t.is_contiguous() && offset >= 0 && n >= 0 && offset <= t.numel() - n, "elements ", offset, " to ", offset + n, " of a tensor of ", t.numel());
    auto to = t.view({-1}).narrow(0, offset, n);
    const auto from = torch::from_blob(const_cast<void *>(data), {n}, at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)));
    if (t.is_cuda() && from.scalar_type() == t.scalar_type())
      if (const auto copy = pinned(from)) {
        to.copy_(*copy, true);
        return;
      }
    to.copy_(from);
  });
}

// What is free of a GPU's memory, or -1 where that is not known: CUDA's runtime is asked itself, which libtorch's CUDA
// half has opened.
char *lr_free_memory(int device, int64_t *bytes) {
  return guarded([&] {
    static const auto ask = reinterpret_cast<int (*)(size_t *, size_t *)>(dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
    *bytes = -1;
    if (device < 0 || ask == nullptr) return;
    c10::DeviceGuard guard(device_of(device));
    size_t free = 0, total = 0;
    if (ask(&free, &total) == 0) *bytes = static_cast<int64_t>(free);
  });
}

// Outputs (N × classes) against labels (N): see score_rows. A label of -100 has the rank -2, one that is no class -1.
char *lr_score_classes(lr_tensor y, lr_tensor labels, double *out) {
  return guarded([&] {
    torch::NoGradGuard guard;
    TORCH_CHECK(of(y).is_floating_point(), "outputs of dtype ", of(y).dtype());
    TORCH_CHECK(of(y).dim() == 2, "outputs of shape ", of(y).sizes());
    score_any(of(y), of(labels).to(at::kLong).reshape(-1), out);
  });
}

// As other devices than the CPU do it.
char *lr_score_by_operations(lr_tensor y, lr_tensor labels, double *out) {
  return guarded([&] {
    torch::NoGradGuard guard;
    score_rows(of(y), of(labels), out);
  });
}

char *lr_whole_at(lr_tensor t, int64_t index, int64_t *out) {
  return guarded([&] { *out = of(t).reshape(-1)[index].to(at::kLong).item<int64_t>(); });
}

// Outputs against targets of as many values: for each of the first dimension's the mean squared and the mean absolute
// error.
char *lr_score_values(lr_tensor y, lr_tensor targets, double *out) {
  return guarded([&] {
    torch::NoGradGuard guard;
    TORCH_CHECK(of(y).is_floating_point(), "outputs of dtype ", of(y).dtype());
    const int64_t n = of(y).size(0);
    auto flat = [&](const torch::Tensor &t) { return t.to(at::kFloat).to(at::kDouble).reshape({n, -1}); };
    const auto d = flat(of(y)) - flat(of(targets));
    torch::from_blob(out, {n, 2}, at::kDouble).copy_(at::stack({d.square().mean(1), d.abs().mean(1)}, 1));
  });
}

// The mean cross-entropy of outputs (N × classes) and labels (N), differentiable, with label smoothing as
// torch.nn.CrossEntropyLoss defines it; labels of -100 do not count.
char *lr_class_loss(lr_tensor *out, lr_tensor y, lr_tensor labels, double smoothing) {
  return guarded([&] {
    *out = new torch::Tensor(at::cross_entropy_loss(of(y), of(labels).to(at::kLong).reshape(-1), {}, at::Reduction::Mean, ignored_label, smoothing));
  });
}

// Of labels (N × T), or with next of those of the next places, the ones that are scored: where they are in N·T places, and they.
// Where mask is 0 there is no label.
char *lr_scored(lr_tensor *places, lr_tensor *scored, lr_tensor labels_, lr_tensor mask, int next) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto labels = of(labels_).to(at::kLong);
    TORCH_CHECK(labels.dim() == 2 && labels.size(1) > 0, "labels of shape ", labels.sizes(), "; examples × places are expected");
    if (mask) labels = labels.masked_fill(of(mask).eq(0), ignored_label);
    if (next) labels = at::cat({labels.slice(1, 1), at::full({labels.size(0), 1}, ignored_label, labels.options())}, 1);
    labels = labels.reshape(-1);
    auto at = labels.ne(ignored_label).nonzero().squeeze(1);
    auto own = labels.index_select(0, at);
    *places = new torch::Tensor(at);
    *scored = new torch::Tensor(own);
  });
}

// The mean squared error, differentiable.
char *lr_square_loss(lr_tensor *out, lr_tensor y, lr_tensor targets) {
  return guarded([&] { *out = new torch::Tensor(at::mse_loss(of(y), of(targets).to(of(y).dtype()).view_as(of(y)))); });
}

} // extern "C"
