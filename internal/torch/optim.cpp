// Optimizer steps over whole flat tensors, contiguous and float32, each in one pass on a CPU.
#include "guarded.h"

#include <cmath>

namespace {

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

// Kingma and Ba 2015, with the bias corrections c1 = 1 − β₁ᵗ and c2 = √(1 − β₂ᵗ) made where torch.optim.Adam makes them.
LR_CLONES void adam_step(float *__restrict p, float *__restrict g, float *__restrict m, float *__restrict v, int64_t n,
                         float step, float b1, float b2, float c2, float eps, float wd, float shrink) {
  for (int64_t i = 0; i < n; i++) {
    const float w = p[i] * shrink, d = g[i] + wd * w;
    const float a = m[i] + (1 - b1) * (d - m[i]), b = b2 * v[i] + (1 - b2) * d * d;
    m[i] = a;
    v[i] = b;
    p[i] = w - step * (a / (std::sqrt(b) / c2 + eps));
    g[i] = 0;
  }
}

} // namespace

extern "C" {

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

// torch.optim.Adam, or AdamW where the weight decay is decoupled; step counts from 1.
char *lr_adam(lr_tensor p_, lr_tensor grad, lr_tensor m_, lr_tensor v_, double lr, double b1, double b2, double eps, double wd,
              int decoupled, int64_t step) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &p = of(p_), &g = of(grad), &m = of(m_), &v = of(v_);
    const double size = lr / (1 - std::pow(b1, step)), c2 = std::sqrt(1 - std::pow(b2, step));
    const double shrink = decoupled ? 1 - lr * wd : 1, coupled = decoupled ? 0 : wd;
    if (p.is_cpu()) {
      adam_step(p.mutable_data_ptr<float>(), g.mutable_data_ptr<float>(), m.mutable_data_ptr<float>(), v.mutable_data_ptr<float>(),
                p.numel(), static_cast<float>(size), static_cast<float>(b1), static_cast<float>(b2), static_cast<float>(c2),
                static_cast<float>(eps), static_cast<float>(coupled), static_cast<float>(shrink));
      return;
    }
    p.mul_(shrink);
    auto d = g.add(p, coupled);
    m.lerp_(d, 1 - b1);
    v.mul_(b2).addcmul_(d, d, 1 - b2);
    p.addcdiv_(m, v.sqrt().div_(c2).add_(eps), -size);
    g.zero_();
  });
}

// t += scale·x
char *lr_add_scaled(lr_tensor t, lr_tensor x, double scale) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).add_(of(x), scale);
  });
}

// t += scale·x·y
char *lr_add_product(lr_tensor t, lr_tensor x, lr_tensor y, double scale) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).addcmul_(of(x), of(y), scale);
  });
}

// torch.nn.utils.clip_grad_norm_ over a flat tensor. The host does not wait for the norm.
char *lr_clip_norm(lr_tensor t, double most) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).mul_((most / (of(t).norm() + 1e-6)).clamp_max_(1));
  });
}

// x·scale, differentiable
char *lr_times(lr_tensor *out, lr_tensor x, double scale) {
  return guarded([&] { *out = new torch::Tensor(of(x).mul(scale)); });
}

// x[order]
char *lr_take(lr_tensor *out, lr_tensor x, lr_tensor order) {
  return guarded([&] { *out = new torch::Tensor(of(x).index_select(0, of(order))); });
}

// x·share + x[order]·(1 − share)
char *lr_mix(lr_tensor *out, lr_tensor x, lr_tensor order, double share) {
  return guarded([&] {
    torch::NoGradGuard guard;
    *out = new torch::Tensor(of(x).mul(share).add_(of(x).index_select(0, of(order)), 1 - share));
  });
}

// t[i] += x, a tensor of one element
char *lr_multiply(lr_tensor t, int64_t from, int64_t n, double scale) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).narrow(0, from, n).mul_(scale);
  });
}

char *lr_add_at(lr_tensor t, int64_t i, lr_tensor x) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).narrow(0, i, 1).add_(of(x).view({1}));
  });
}

// t += share·(x − t)
char *lr_lerp(lr_tensor t, lr_tensor x, double share) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).lerp_(of(x), share);
  });
}

char *lr_copy(lr_tensor t, lr_tensor x) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).copy_(of(x));
  });
}

char *lr_zero(lr_tensor t) {
  return guarded([&] {
    torch::NoGradGuard guard;
    of(t).zero_();
  });
}

} // extern "C"
