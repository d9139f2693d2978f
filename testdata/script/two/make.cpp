// Wrote net.ts: a module of two inputs, with weights of zero.
//   g++ -std=c++17 -I$T/include -I$T/include/torch/csrc/api/include make.cpp -L$T/lib -ltorch_cpu -lc10 -Wl,-rpath,$T/lib -Wl,--allow-shlib-undefined
#include <torch/script.h>
int main() {
  torch::jit::Module m("Net");
  m.register_parameter("weight", torch::zeros({11, 7}), false);
  m.define("def forward(self, input_ids, attention_mask, scale: float = 1.0):\n"
           "  x = torch.embedding(self.weight, input_ids) * attention_mask.unsqueeze(-1).float()\n"
           "  return scale * x\n");
  m.eval();
  m.save("net.ts");
}
