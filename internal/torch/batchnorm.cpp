// Batch norm, residual sum and ReLU as one pass over the activations, forward and backward.
#include "guarded.h"

#include <ATen/Parallel.h>

#ifndef INTRA_OP_PARALLEL
#error "compile with -fopenmp, as scripts/env.sh says: at::parallel_for takes one thread otherwise"
#endif

#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

// Inlined, the kernels are compiled for the processor of the clone that calls them.
#define LR_INLINE_LAMBDA __attribute__((always_inline))
#define LR_INLINE inline LR_INLINE_LAMBDA

namespace {

// Eight floats at a time, said outright: where the result may overwrite an operand, GCC made scalar code of plain loops
// over a piece's channels (16 % of a sweep). Wider registers gain nothing, for the kernels wait for memory; without
// them, and without fused multiply-adds, the bits are the same on every x86 processor.
typedef float Eight __attribute__((vector_size(32)));
LR_INLINE Eight load(const float *p) {
  Eight v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
LR_INLINE void store(float *p, const Eight &v) { std::memcpy(p, &v, sizeof v); }

// Whether the channels of each pixel lie side by side in memory, as the kernels below want them.
bool rows_of_channels(const torch::Tensor &x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

// The kernels below run over rows of c channels. Written for a fixed number of channels at a time, they
// keep sums in registers; in_pieces takes c apart into such pieces. Sums are float within 64 rows and double
// across them.
template <int M, class Row>
LR_INLINE void sum_piece(int64_t rows, double *__restrict sum, Row row) {
  double total[M] = {0};
  for (int64_t r0 = 0; r0 < rows; r0 += 64) {
    float part[M] = {0};
    const int64_t r1 = std::min<int64_t>(rows, r0 + 64);
    for (int64_t r = r0; r < r1; r++)
      for (int j = 0; j < M; j++) part[j] += row(r, j);
    for (int j = 0; j < M; j++) total[j] += part[j];
  }
  for (int j = 0; j < M; j++) sum[j] = total[j];
}

template <class Piece> LR_INLINE void in_pieces(int64_t c, Piece piece) {
  int64_t at = 0;
  for (; at + 32 <= c; at += 32) piece(at, std::integral_constant<int, 32>());
  for (; at + 8 <= c; at += 8) piece(at, std::integral_constant<int, 8>());
  for (; at < c; at++) piece(at, std::integral_constant<int, 1>());
}

// Σ x per channel.
LR_CLONES void sum_rows(const float *x_, int64_t rows, int64_t c, double *sum) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    const float *__restrict x = x_ + at;
    sum_piece<m()>(rows, sum + at, [&](int64_t r, int j) LR_INLINE_LAMBDA { return x[r * c + j]; });
  });
}

// Σ (x − mean)² per channel.
LR_CLONES void square_rows(const float *x_, int64_t rows, int64_t c, const float *mean_, double *sum) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    const float *__restrict x = x_ + at, *__restrict mean = mean_ + at;
    sum_piece<m()>(rows, sum + at, [&](int64_t r, int j) LR_INLINE_LAMBDA {
      const float d = x[r * c + j] - mean[j];
      return d * d;
    });
  });
}

// y = act(x · scale + shift + residual); a NaN stays one under ReLU. y may be x.
template <int M, bool Relu, bool Residual>
LR_INLINE void affine_piece(const float *x, float *y, int64_t rows, int64_t c, const float *scale, const float *shift,
                            const float *residual) {
  if constexpr (M % 8 == 0) {
    Eight s[M / 8], t[M / 8];
    for (int k = 0; k < M / 8; k++) s[k] = load(scale + 8 * k), t[k] = load(shift + 8 * k);
    for (int64_t r = 0; r < rows; r++)
      for (int k = 0; k < M / 8; k++) {
        Eight v = load(x + r * c + 8 * k) * s[k] + t[k];
        if (Residual) v += load(residual + r * c + 8 * k);
        if (Relu) v = v < 0 ? Eight{} : v;
        store(y + r * c + 8 * k, v);
      }
  } else {
    for (int64_t r = 0; r < rows; r++)
      for (int j = 0; j < M; j++) {
        float v = x[r * c + j] * scale[j] + shift[j];
        if (Residual) v += residual[r * c + j];
        y[r * c + j] = Relu && v < 0 ? 0 : v;
      }
  }
}

LR_CLONES void affine_rows(const float *x, float *y, int64_t rows, int64_t c, const float *scale, const float *shift,
                           const float *residual, bool relu) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    constexpr int M = m();
    const float *r = residual == nullptr ? nullptr : residual + at;
    if (relu && r) affine_piece<M, true, true>(x + at, y + at, rows, c, scale + at, shift + at, r);
    else if (relu) affine_piece<M, true, false>(x + at, y + at, rows, c, scale + at, shift + at, r);
    else if (r) affine_piece<M, false, true>(x + at, y + at, rows, c, scale + at, shift + at, r);
    else affine_piece<M, false, false>(x + at, y + at, rows, c, scale + at, shift + at, r);
  });
}

// g = gy where y > 0, else 0: the gradient before ReLU.
LR_CLONES void relu_backward(const float *__restrict gy, const float *__restrict y, float *__restrict g, int64_t n) {
  for (int64_t i = 0; i < n; i++) g[i] = y[i] > 0 ? gy[i] : 0;
}

// Σ g · (x − mean) per channel.
LR_CLONES void product_rows(const float *g_, const float *x_, int64_t rows, int64_t c, const float *mean_, double *sum) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    const float *__restrict g = g_ + at, *__restrict x = x_ + at, *__restrict mean = mean_ + at;
    sum_piece<m()>(rows, sum + at, [&](int64_t r, int j) LR_INLINE_LAMBDA { return g[r * c + j] * (x[r * c + j] - mean[j]); });
  });
}

// dx = a · g + b · x + d per channel. dx may be g.
template <int M>
LR_INLINE void combine_piece(const float *g, const float *x, float *dx, int64_t rows, int64_t c, const float *a, const float *b,
                             const float *d) {
  if constexpr (M % 8 == 0) {
    Eight p[M / 8], q[M / 8], s[M / 8];
    for (int k = 0; k < M / 8; k++) p[k] = load(a + 8 * k), q[k] = load(b + 8 * k), s[k] = load(d + 8 * k);
    for (int64_t r = 0; r < rows; r++)
      for (int k = 0; k < M / 8; k++)
        store(dx + r * c + 8 * k, p[k] * load(g + r * c + 8 * k) + q[k] * load(x + r * c + 8 * k) + s[k]);
  } else {
    for (int64_t r = 0; r < rows; r++)
      for (int j = 0; j < M; j++) dx[r * c + j] = a[j] * g[r * c + j] + b[j] * x[r * c + j] + d[j];
  }
}

LR_CLONES void combine_rows(const float *g, const float *x, float *dx, int64_t rows, int64_t c, const float *a, const float *b,
                            const float *d) {
  in_pieces(c, [&](int64_t at, auto m) LR_INLINE_LAMBDA {
    combine_piece<m()>(g + at, x + at, dx + at, rows, c, a + at, b + at, d + at);
  });
}

// Rows that a thread takes at a time. Sums are made per share and added in order: the same bits for any
// number of threads.
constexpr int64_t share = 2048;

template <class F> void over_shares(int64_t rows, F f) {
  const int64_t shares = (rows + share - 1) / share;
  at::parallel_for(0, shares, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) f(i, i * share, std::min(share, rows - i * share));
  });
}

template <class F> std::vector<double> sum_shares(int64_t rows, int64_t c, F f) {
  const int64_t shares = (rows + share - 1) / share;
  std::vector<double> parts(shares * c), sum(c);
  over_shares(rows, [&](int64_t i, int64_t from, int64_t n) { f(from, n, parts.data() + i * c); });
  for (int64_t i = 0; i < shares; i++)
    for (int64_t j = 0; j < c; j++) sum[j] += parts[i * c + j];
  return sum;
}

// What batch norm does to each channel: y = (x − mean) · scale + beta.
struct Channels {
  std::vector<float> mean, scale, shift;
  std::vector<double> inverse; // 1/√(variance + eps)
};

// From the batch's own statistics (momentum ≥ 0), which enter the running ones, or from the running ones.
Channels channels_of(const float *x, int64_t rows, int64_t c, const torch::Tensor &gamma, const torch::Tensor &beta,
                     torch::Tensor &running_mean, torch::Tensor &running_var, double momentum, double eps) {
  const float *g = gamma.const_data_ptr<float>(), *b = beta.const_data_ptr<float>();
  float *rm = running_mean.mutable_data_ptr<float>(), *rv = running_var.mutable_data_ptr<float>();
  Channels ch{std::vector<float>(c), std::vector<float>(c), std::vector<float>(c), std::vector<double>(c)};
  std::vector<double> variance(c);
  if (momentum >= 0) {
    const auto sum = sum_shares(rows, c, [&](int64_t from, int64_t n, double *s) { sum_rows(x + from * c, n, c, s); });
    for (int64_t j = 0; j < c; j++) ch.mean[j] = static_cast<float>(sum[j] / rows);
    variance = sum_shares(rows, c, [&](int64_t from, int64_t n, double *s) { square_rows(x + from * c, n, c, ch.mean.data(), s); });
    for (int64_t j = 0; j < c; j++) {
      rm[j] = static_cast<float>(momentum * (sum[j] / rows) + (1 - momentum) * rm[j]);
      rv[j] = static_cast<float>(momentum * (variance[j] / (rows - 1)) + (1 - momentum) * rv[j]);
      variance[j] /= rows;
    }
  } else {
    for (int64_t j = 0; j < c; j++) {
      ch.mean[j] = rm[j];
      variance[j] = rv[j];
    }
  }
  for (int64_t j = 0; j < c; j++) {
    ch.inverse[j] = 1 / std::sqrt(variance[j] + eps);
    const double s = g[j] * ch.inverse[j];
    ch.scale[j] = static_cast<float>(s);
    ch.shift[j] = static_cast<float>(b[j] - ch.mean[j] * s);
  }
  return ch;
}

// Batch norm with the batch's statistics, residual sum and ReLU as one node of the autograd graph: forward
// and backward go over the activations half as often as the separate operations do.
struct BatchNormAct : torch::autograd::Function<BatchNormAct> {
  static torch::Tensor forward(torch::autograd::AutogradContext *ctx, const torch::Tensor &x, const torch::Tensor &gamma,
                               const torch::Tensor &beta, torch::Tensor running_mean, torch::Tensor running_var,
                               const torch::Tensor &residual, bool has_residual, bool relu, double momentum, double eps) {
    const int64_t c = x.size(1), rows = x.numel() / c;
    const float *data = x.const_data_ptr<float>();
    const auto ch = channels_of(data, rows, c, gamma, beta, running_mean, running_var, momentum, eps);
    auto y = at::empty_like(x);
    float *out = y.mutable_data_ptr<float>();
    const float *res = has_residual ? residual.const_data_ptr<float>() : nullptr;
    over_shares(rows, [&](int64_t, int64_t from, int64_t n) {
      affine_rows(data + from * c, out + from * c, n, c, ch.scale.data(), ch.shift.data(), res ? res + from * c : nullptr, relu);
    });
    ctx->save_for_backward({x, y, gamma, torch::tensor(ch.mean), torch::tensor(ch.inverse, at::kDouble)});
    ctx->saved_data["relu"] = relu;
    ctx->saved_data["residual"] = has_residual;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *ctx, torch::autograd::variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &y = saved[1], &gamma = saved[2];
    const float *mean = saved[3].const_data_ptr<float>(), *ga = gamma.const_data_ptr<float>();
    const double *inverse = saved[4].const_data_ptr<double>();
    const int64_t c = x.size(1), rows = x.numel() / c;
    const bool relu = ctx->saved_data["relu"].toBool(), residual = ctx->saved_data["residual"].toBool();
    const float *data = x.const_data_ptr<float>();

    auto g = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    if (relu) {
      auto masked = at::empty_like(x);
      const float *from_y = y.const_data_ptr<float>(), *gy = g.const_data_ptr<float>();
      float *to = masked.mutable_data_ptr<float>();
      over_shares(rows, [&](int64_t, int64_t from, int64_t n) { relu_backward(gy + from * c, from_y + from * c, to + from * c, n * c); });
      g = masked;
    }
    const float *gp = g.const_data_ptr<float>();
    const auto sum = sum_shares(rows, c, [&](int64_t from, int64_t n, double *s) { sum_rows(gp + from * c, n, c, s); });
    const auto product = sum_shares(rows, c, [&](int64_t from, int64_t n, double *s) { product_rows(gp + from * c, data + from * c, n, c, mean, s); });
    auto dgamma = at::empty_like(gamma), dbeta = at::empty_like(gamma);
    std::vector<float> a(c), b(c), d(c);
    for (int64_t j = 0; j < c; j++) {
      // dx = γ/σ · (g − Σg/N − x̂ · Σ(g·x̂)/N), with x̂ = (x − mean)/σ; Ioffe and Szegedy 2015, §3.
      const double inv = inverse[j], scale = ga[j] * inv, slope = -scale * inv * inv * product[j] / rows;
      a[j] = static_cast<float>(scale);
      b[j] = static_cast<float>(slope);
      d[j] = static_cast<float>(-scale * sum[j] / rows - slope * mean[j]);
      dgamma.mutable_data_ptr<float>()[j] = static_cast<float>(product[j] * inv);
      dbeta.mutable_data_ptr<float>()[j] = static_cast<float>(sum[j]);
    }
    auto dx = relu && !residual ? g : at::empty_like(x); // the mask's own buffer, where nobody else reads it
    float *to = dx.mutable_data_ptr<float>();
    over_shares(rows, [&](int64_t, int64_t from, int64_t n) {
      combine_rows(gp + from * c, data + from * c, to + from * c, n, c, a.data(), b.data(), d.data());
    });
    return {dx, dgamma, dbeta, torch::Tensor(), torch::Tensor(), residual ? g : torch::Tensor(), torch::Tensor(), torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }
};

} // namespace

extern "C" {

// Batch norm, residual sum and ReLU, in place on x (N×C×H×W float32), nothing recorded for gradients. With
// momentum < 0 the running statistics are used; otherwise the batch's own, which then enter the running ones
// with that momentum (mean, and unbiased variance), as torch's batch_norm does in training.
char *lr_bn_act(lr_tensor x_, lr_tensor gamma, lr_tensor beta, lr_tensor mean, lr_tensor var, double eps,
                double momentum, lr_tensor residual, int relu) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &x = of(x_);
    const bool training = momentum >= 0;
    const int64_t c = x.size(1), rows = x.numel() / c;
    TORCH_CHECK(!training || rows > 1, "batch statistics need more than one value per channel");
    if (!rows_of_channels(x) || (residual != nullptr && !rows_of_channels(of(residual)))) {
      auto y = at::batch_norm(x, of(gamma), of(beta), of(mean), of(var), training, training ? momentum : 0.0, eps, x.is_cuda());
      if (residual != nullptr) y.add_(of(residual));
      if (relu) y.relu_();
      x = y;
      return;
    }
    float *data = x.mutable_data_ptr<float>();
    const auto ch = channels_of(data, rows, c, of(gamma), of(beta), of(mean), of(var), momentum, eps);
    const float *res = residual == nullptr ? nullptr : of(residual).const_data_ptr<float>();
    over_shares(rows, [&](int64_t, int64_t from, int64_t n) {
      affine_rows(data + from * c, data + from * c, n, c, ch.scale.data(), ch.shift.data(), res ? res + from * c : nullptr, relu != 0);
    });
  });
}

// The same with the batch's statistics, differentiable, into a new tensor.
char *lr_bn_act_train(lr_tensor *out, lr_tensor x_, lr_tensor gamma, lr_tensor beta, lr_tensor mean, lr_tensor var,
                      double eps, double momentum, lr_tensor residual, int relu) {
  return guarded([&] {
    auto &x = of(x_);
    const auto r = residual == nullptr ? torch::Tensor() : of(residual);
    TORCH_CHECK(x.numel() > x.size(1), "batch statistics need more than one value per channel");
    if (rows_of_channels(x) && (!r.defined() || rows_of_channels(r))) {
      // An undefined tensor may not be given: x stands in for a residual that is not there.
      *out = new torch::Tensor(BatchNormAct::apply(x, of(gamma), of(beta), of(mean), of(var), r.defined() ? r : x.detach(), r.defined(), relu != 0, momentum, eps));
      return;
    }
    auto y = at::batch_norm(x, of(gamma), of(beta), of(mean), of(var), true, momentum, eps, x.is_cuda());
    if (r.defined()) y = y + r;
    if (relu) y = at::relu(y);
    *out = new torch::Tensor(y);
  });
}

} // extern "C"
