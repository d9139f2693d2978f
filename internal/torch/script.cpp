// TorchScript modules, over the same handles as shim.cpp.
#include "guarded.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <cstring>
#include <malloc.h>
#include <map>
#include <memory>

namespace {

// An archive in memory, read where it lies: a stream would copy all of it first.
struct Archive : caffe2::serialize::ReadAdapterInterface {
  const char *data;
  size_t bytes;
  Archive(const void *data, size_t bytes) : data(static_cast<const char *>(data)), bytes(bytes) {}
  size_t size() const override { return bytes; }
  size_t read(uint64_t pos, void *buf, size_t n, const char *) const override {
    if (pos >= bytes) return 0;
    n = std::min<size_t>(n, bytes - pos);
    std::memcpy(buf, data + pos, n);
    return n;
  }
};

// Norm is a submodule with running statistics.
struct Norm {
  std::string name;
  torch::jit::Module module;
  torch::Tensor mean, var, count; // count may be undefined
  double momentum;                // 1 where it is None: the first batch's share
};

struct Module {
  torch::jit::Module module;
  std::map<std::string, torch::Tensor> tensors;
  std::vector<Norm> norms;
  bool evaluated = false;
};

Module &module_of(lr_module m) { return *static_cast<Module *>(m); }

std::vector<c10::IValue> values_of(const lr_tensor *tensors, int n) {
  std::vector<c10::IValue> out;
  for (int i = 0; i < n; i++) out.emplace_back(of(tensors[i]));
  return out;
}

// The tensor of what forward returned: itself, the first of a tuple, or the entry "logits" of a dict.
torch::Tensor output_of(const c10::IValue &v) {
  if (v.isTensor()) return v.toTensor();
  if (v.isTuple() && !v.toTupleRef().elements().empty()) return output_of(v.toTupleRef().elements()[0]);
  if (v.isGenericDict()) {
    auto d = v.toGenericDict();
    for (const auto *key : {"logits", "out", "output"})
      if (d.contains(key)) return output_of(d.at(key));
  }
  TORCH_CHECK(false, "forward returned ", v.tagKind(), "; expected a tensor, a tuple that starts with one, or a dict with logits");
}

// The momentum of a batch norm is a constant of its type, or an attribute.
double momentum_of(const std::string &name, const torch::jit::Module &m) {
  c10::IValue v;
  if (m.hasattr("momentum")) v = m.attr("momentum");
  else if (auto slot = m.type()->findConstantSlot("momentum")) v = m.type()->getConstant(*slot);
  else TORCH_CHECK(false, name, " has running statistics, but nothing says with which momentum they are updated: a traced module does "
                          "not update them; script it (torch.jit.script)");
  return v.isNone() ? 1.0 : v.toScalar().toDouble();
}

} // namespace

extern "C" {

char *lr_script_load(lr_module *out, const void *data, int64_t size, int device) {
  return guarded([&] {
    // What a graph is optimised into depends on the calls before; every worker would warm up anew.
    torch::jit::setGraphExecutorOptimize(false);
    auto in = std::make_shared<Archive>(data, size);
    auto m = std::make_unique<Module>(Module{torch::jit::load(in, device_of(device)), {}, {}});
    m->module.eval();
    for (const auto &p : m->module.named_parameters()) m->tensors[p.name] = p.value;
    for (const auto &b : m->module.named_buffers()) m->tensors[b.name] = b.value;
    *out = m.release();
  });
}

void lr_script_free(lr_module m) { delete static_cast<Module *>(m); }

// One line per tensor: name, p or b (parameter or buffer), dtype, sizes; separated by tabs.
char *lr_script_tensors(lr_module m, char **text) {
  return guarded([&] {
    std::ostringstream out;
    auto line = [&](const std::string &name, const torch::Tensor &t, char kind) {
      out << name << '\t' << kind << '\t' << static_cast<int>(t.scalar_type());
      for (auto s : t.sizes()) out << '\t' << s;
      out << '\n';
    };
    for (const auto &p : module_of(m).module.named_parameters()) line(p.name, p.value, 'p');
    for (const auto &b : module_of(m).module.named_buffers()) line(b.name, b.value, 'b');
    *text = strdup(out.str().c_str());
  });
}

// The names of what forward takes and has no default, apart from the module itself, separated by spaces.
char *lr_script_inputs(lr_module m, char **text) {
  return guarded([&] {
    std::string out;
    const auto &arguments = module_of(m).module.get_method("forward").function().getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); i++)
      if (!arguments[i].default_value()) out += arguments[i].name() + " ";
    *text = strdup(out.c_str());
  });
}

// Lets a tensor of the module be a view of what it is given.
char *lr_script_bind(lr_module m, const char *name, lr_tensor value) {
  return guarded([&] {
    auto at = module_of(m).tensors.find(name);
    TORCH_CHECK(at != module_of(m).tensors.end(), "no tensor ", name);
    at->second.set_data(of(value));
  });
}

// Overwrites a tensor's bytes.
char *lr_script_write(lr_module m, const char *name, const void *data, int64_t bytes) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto at = module_of(m).tensors.find(name);
    TORCH_CHECK(at != module_of(m).tensors.end(), "no tensor ", name);
    auto &t = at->second;
    TORCH_CHECK(static_cast<int64_t>(t.nbytes()) == bytes, name, " has ", t.nbytes(), " bytes, not ", bytes);
    t.copy_(torch::from_blob(const_cast<void *>(data), t.sizes(), t.options().device(at::kCPU)));
  });
}

// Finds the submodules with running statistics; call it after the tensors are bound.
char *lr_script_norms(lr_module m_, int *found) {
  return guarded([&] {
    malloc_trim(0); // the tensors that Bind replaced, as large as the network
    auto &m = module_of(m_);
    m.norms.clear();
    for (const auto &sub : m.module.named_modules()) {
      Norm n{sub.name, sub.value, {}, {}, {}, 0};
      for (const auto &b : sub.value.named_buffers(false)) {
        if (b.name == "running_mean") n.mean = b.value;
        if (b.name == "running_var") n.var = b.value;
        if (b.name == "num_batches_tracked") n.count = b.value;
      }
      if (!n.mean.defined() || !n.var.defined()) continue;
      m.norms.push_back(n);
    }
    *found = static_cast<int>(m.norms.size());
  });
}

char *lr_script_forward(lr_tensor *out, lr_module m_, const lr_tensor *inputs, int n) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &m = module_of(m_);
    std::vector<torch::Tensor> before;
    if (!m.evaluated)
      for (auto &n : m.norms) before.push_back(n.mean.clone());
    auto y = output_of(m.module.forward(values_of(inputs, n)));
    if (!m.evaluated)
      for (size_t i = 0; i < m.norms.size(); i++)
        TORCH_CHECK(at::equal(before[i], m.norms[i].mean), m.norms[i].name,
                    " changes its running statistics in evaluation: the module was traced in training mode; trace it after eval(), or script it");
    m.evaluated = true;
    *out = new torch::Tensor(y);
  });
}

// Lets the batch's statistics into the running ones with a momentum that the module does not know: it is run
// from statistics of zero, and what it leaves there, divided by its own momentum, are the batch's. Only the
// submodules with statistics are in training mode: dropout stays off.
char *lr_script_observe(lr_module m_, const lr_tensor *inputs, int n, double momentum) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto &m = module_of(m_);
    std::vector<torch::Tensor> means, vars;
    for (auto &n : m.norms) {
      if (n.momentum == 0) n.momentum = momentum_of(n.name, n.module);
      TORCH_CHECK(n.momentum > 0, n.name, " has a momentum of ", n.momentum);
      means.push_back(n.mean.to(at::kDouble));
      vars.push_back(n.var.to(at::kDouble));
      n.mean.zero_();
      n.var.zero_();
      if (n.count.defined()) n.count.zero_();
      n.module.train(true);
    }
    try {
      m.module.forward(values_of(inputs, n));
    } catch (...) {
      for (auto &n : m.norms) n.module.train(false);
      throw;
    }
    for (size_t i = 0; i < m.norms.size(); i++) {
      auto &n = m.norms[i];
      n.module.train(false);
      TORCH_CHECK(n.var.count_nonzero().item<int64_t>() > 0, n.name,
                  " does not update its running statistics in training mode: a traced module ignores it; script it (torch.jit.script)");
      n.mean.copy_(means[i].mul(1 - momentum).add(n.mean.to(at::kDouble), momentum / n.momentum));
      n.var.copy_(vars[i].mul(1 - momentum).add(n.var.to(at::kDouble), momentum / n.momentum));
    }
  });
}

// t[from:to] along the first dimension, contiguous.
char *lr_narrow(lr_tensor *out, lr_tensor t, int64_t from, int64_t to) {
  return guarded([&] { *out = new torch::Tensor(of(t).narrow(0, from, to - from)); });
}

// The tensor in float32 where it floats, contiguous.
char *lr_to_float(lr_tensor *out, lr_tensor t) {
  return guarded([&] {
    torch::NoGradGuard guard;
    auto x = of(t);
    if (x.is_floating_point()) x = x.to(at::kFloat);
    *out = new torch::Tensor(x.contiguous());
  });
}

} // extern "C"
