// The parts of transformers.
#include "language.h"
#include "guarded.h"

#include <cmath>
#include <string>

namespace {

torch::Tensor *made(torch::Tensor t) { return new torch::Tensor(std::move(t)); }

// The frequencies of rotary embeddings, in float32 as transformers computes them: at thousands of positions their last bit tells.
// linear divides all of them. llama3 is NULL, or factor, low and high frequency factor and the original context: frequencies whose
// waves are longer than the context over the low factor are divided by factor, shorter than it over the high one kept, and those
// between are blended (Llama 3.1, huggingface's _compute_llama3_parameters).
torch::Tensor frequencies(int64_t width, double theta, double linear, const double *llama3) {
  auto f = 1.0 / at::pow(theta, at::arange(0, width, 2, at::kLong).to(at::kFloat) / static_cast<double>(width));
  if (llama3 == nullptr) return f / linear;
  const double factor = llama3[0], low = llama3[1], high = llama3[2], context = llama3[3];
  const auto wave = 2 * M_PI / f;
  const auto slow = at::where(wave > context / low, f / factor, f);
  const auto smooth = (context / wave - low) / (high - low);
  const auto blended = (1 - smooth) * slow / factor + smooth * slow;
  const auto between = (wave < context / high).logical_not().logical_and((wave > context / low).logical_not());
  return at::where(between, blended, slow);
}

} // namespace

extern "C" {

// softmax(q·kᵀ/√width + mask)·v of N × heads × T × width.
char *lr_attention(lr_tensor *out, lr_tensor q, lr_tensor k, lr_tensor v, lr_tensor mask, int causal, double dropout) {
  return guarded([&] {
    c10::optional<torch::Tensor> m;
    if (mask) m = of(mask);
    *out = made(at::scaled_dot_product_attention(of(q), of(k), of(v), m, dropout, causal != 0));
  });
}

// Which keys each query sees, true or false: N × 1 × T × T of a mask of tokens (N × T). Each sees itself, so that there is a
// softmax of padding too; where nothing is a token everything is seen.
char *lr_attention_mask(lr_tensor *out, lr_tensor tokens, int causal) {
  return guarded([&] {
    torch::NoGradGuard guard;
    const auto here = of(tokens).ne(0);
    TORCH_CHECK(here.dim() == 2, "a mask of shape ", here.sizes(), "; examples × tokens are expected");
    const int64_t t = here.size(1);
    const auto options = here.options();
    auto seen = here.unsqueeze(1).expand({-1, t, -1});
    if (causal) seen = seen.logical_and(at::ones({t, t}, options).tril());
    *out = made(seen.logical_or(at::eye(t, options).to(at::kBool)).unsqueeze(1));
  });
}

// N × T × heads·width as N × heads × T × width.
char *lr_split_heads(lr_tensor *out, lr_tensor x_, int64_t heads) {
  return guarded([&] {
    const auto &x = of(x_);
    *out = made(x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2));
  });
}

// N × heads × T × width as N × heads·repeat × T × width, each head repeat times in turn.
char *lr_repeat_heads(lr_tensor *out, lr_tensor x_, int64_t repeat) {
  return guarded([&] {
    const auto &x = of(x_);
    *out = made(x.unsqueeze(2).expand({-1, -1, repeat, -1, -1}).reshape({x.size(0), x.size(1) * repeat, x.size(2), x.size(3)}));
  });
}

// N × heads × T × width as N × T × heads·width.
char *lr_join_heads(lr_tensor *out, lr_tensor x) {
  return guarded([&] { *out = made(of(x).transpose(1, 2).flatten(2)); });
}

char *lr_columns(lr_tensor *out, lr_tensor x, int64_t from, int64_t to) {
  return guarded([&] { *out = made(of(x).narrow(-1, from, to - from)); });
}

// N × T × heads·3·width as three of N × heads × T × width: GPT-NeoX keeps the query, key and value of each head together.
char *lr_thirds_of_heads(lr_tensor *q, lr_tensor *k, lr_tensor *v, lr_tensor x_, int64_t heads) {
  return guarded([&] {
    const auto &x = of(x_);
    const auto parts = x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2).chunk(3, -1);
    *q = made(parts[0]), *k = made(parts[1]), *v = made(parts[2]);
  });
}

char *lr_rotary_angles(lr_tensor *cos, lr_tensor *sin, lr_tensor like, int64_t length, int64_t width, double theta, double linear,
                       const double *llama3) {
  return guarded([&] {
    torch::NoGradGuard guard;
    const auto f = frequencies(width, theta, linear, llama3);
    auto angle = at::outer(at::arange(length, at::kLong).to(at::kFloat), f);
    angle = at::cat({angle, angle}, -1);
    *cos = made(angle.cos().to(of(like).device()));
    *sin = made(angle.sin().to(of(like).device()));
  });
}

// Rotary embedding (Su et al. 2021, arXiv 2104.09864) of the first columns, as many as the angles have; the halves of these are the
// pairs that are turned, as in GPT-NeoX and Llama. Turned in the angles' precision, float32, whatever x's is: so does transformers
// under autocast, and at far positions eight bits of an angle would be too few.
char *lr_rotate(lr_tensor *out, lr_tensor x_, lr_tensor cos_, lr_tensor sin_) {
  return guarded([&] {
    const auto &x = of(x_);
    const auto &cos = of(cos_), &sin = of(sin_);
    const int64_t width = cos.size(1), all = x.size(-1);
    const auto head = x.narrow(-1, 0, width);
    const auto half = at::cat({head.narrow(-1, width / 2, width - width / 2).neg(), head.narrow(-1, 0, width / 2)}, -1);
    auto y = (head * cos + half * sin).to(x.scalar_type());
    if (width < all) y = at::cat({y, x.narrow(-1, width, all - width)}, -1);
    *out = made(y);
  });
}

char *lr_activate(lr_tensor *out, lr_tensor x, const char *name_) {
  return guarded([&] {
    const std::string name = name_;
    if (name == "gelu") *out = made(at::gelu(of(x)));
    else if (name == "gelu-tanh") *out = made(at::gelu(of(x), "tanh"));
    else if (name == "silu") *out = made(at::silu(of(x)));
    else if (name == "relu") *out = made(at::relu(of(x)));
    else if (name == "tanh") *out = made(at::tanh(of(x)));
    else TORCH_CHECK(false, "activation ", name);
  });
}

char *lr_multiply_elements(lr_tensor *out, lr_tensor x, lr_tensor y) {
  return guarded([&] { *out = made(of(x) * of(y)); });
}

// x/√(mean x² + eps)·weight over the last dimension, the norm in float32 (Zhang, Sennrich 2019, arXiv 1910.07467).
char *lr_rms_norm(lr_tensor *out, lr_tensor x_, lr_tensor weight, double eps) {
  return guarded([&] {
    const auto &x = of(x_);
    const auto y = x.to(at::kFloat);
    *out = made(of(weight) * (y * at::rsqrt(y.square().mean(-1, true) + eps)).to(x.scalar_type()));
  });
}

char *lr_dropout(lr_tensor *out, lr_tensor x, double p) {
  return guarded([&] { *out = made(at::dropout(of(x), p, true)); });
}

char *lr_transposed(lr_tensor *out, lr_tensor x) {
  return guarded([&] { *out = made(of(x).t()); });
}

// Tokens counted from padding + 1 on; padding has the position padding: fairseq's, and RoBERTa's in transformers.
char *lr_padded_positions(lr_tensor *out, lr_tensor ids_, int64_t padding) {
  return guarded([&] {
    torch::NoGradGuard guard;
    const auto here = of(ids_).ne(padding).to(at::kLong);
    *out = made(here.cumsum(1).mul_(here).add_(padding));
  });
}

// How many places of N × T hold a token of any example, counted from the first; at least one.
char *lr_longest(lr_tensor mask, int64_t *places) {
  return guarded([&] {
    torch::NoGradGuard guard;
    const auto at = of(mask).ne(0).any(0).nonzero();
    *places = at.size(0) == 0 ? 1 : at.max().item<int64_t>() + 1;
  });
}

// N × T × width with zeros behind, up to so many places.
char *lr_pad_places(lr_tensor *out, lr_tensor x, int64_t places) {
  return guarded([&] { *out = made(at::constant_pad_nd(of(x), {0, 0, 0, places - of(x).size(1)})); });
}

// The first of ids that is not in [0, rows), and its place; a place of -1 where there is none.
char *lr_outside(lr_tensor ids_, int64_t rows, int64_t *place, int64_t *id) {
  return guarded([&] {
    torch::NoGradGuard guard;
    *place = -1;
    const auto &ids = of(ids_);
    TORCH_CHECK(!ids.is_floating_point(), "tokens of dtype ", ids.dtype());
    if (ids.numel() == 0) return;
    const auto wrong = ids.lt(0).logical_or_(ids.ge(rows)).reshape(-1);
    if (!wrong.any().item<bool>()) return;
    *place = wrong.to(at::kByte).argmax().item<int64_t>();
    *id = ids.reshape(-1)[*place].to(at::kLong).item<int64_t>();
  });
}

} // extern "C"
