"""Writes testdata/reference/: what PyTorch computes with two small networks, for the Go tests to compare.

usage: reference.py OUT. In each file: uint8 images and labels; the network before (before.NAME); its logits
in evaluation mode; the statistics after update_bn over batches of 16 and the logits then (renewed.NAME,
renewed_logits); the weights and losses after five SGD steps on batches of 16 (trained.NAME, losses).
optim.safetensors: weights, the gradients of fifty steps, and the weights after each by several optimizers.
layers.safetensors: layers on their own: inputs x, tensors NAME.weight and NAME.bias, outputs NAME.y, and the gradients of
the sum of y·g.
"""
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

import net as nets


def with_projection(net):
    """Option B of He et al.: a 1×1 convolution and batch norm where the size changes."""
    for stage in (2, 3):
        block = getattr(net, f"layer{stage}")[0]
        cin, cout = block.conv1.in_channels, block.conv1.out_channels
        block.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, 2, bias=False), nn.BatchNorm2d(cout))
    return net


def forward_b(self, x):
    y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
    return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def write(path, net, channels, size):
    g = torch.Generator().manual_seed(7)
    images = torch.randint(0, 256, (40, channels, size, size), generator=g, dtype=torch.uint8)
    labels = torch.randint(0, 10, (40,), generator=g)
    with torch.no_grad():
        for name, t in net.state_dict().items():
            if name.endswith("running_mean"):
                t.copy_(torch.randn(t.shape, generator=g) * 0.3)
            elif name.endswith("running_var"):
                t.copy_(torch.rand(t.shape, generator=g) + 0.5)
            elif t.dim() == 1:
                t.add_(torch.randn(t.shape, generator=g) * 0.2)
            elif t.dim() > 1:
                t.copy_(torch.randn(t.shape, generator=g) * (2 / t[0].numel()) ** 0.5)
    mean, std = [0.5, 0.4, 0.3][:channels], [0.25, 0.3, 0.2][:channels]
    x = (images.float() / 255 - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
    out = {"images": images, "labels": labels, "mean": torch.tensor(mean), "std": torch.tensor(std)}

    def keep(prefix):
        out.update({f"{prefix}.{k}": v.clone() for k, v in net.state_dict().items()})

    keep("before")
    net.eval()
    with torch.no_grad():
        out["logits"] = net(x)
        update_bn(x.split(16), net)
        keep("renewed")
        net.eval()
        out["renewed_logits"] = net(x)
    net.load_state_dict({k[7:]: v for k, v in out.items() if k.startswith("before.")})
    net.train()
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3, nesterov=True)
    losses = []
    for step in range(5):
        i = slice(16 * (step % 2), 16 * (step % 2) + 16)
        opt.zero_grad()
        loss = F.cross_entropy(net(x[i]), labels[i], label_smoothing=0.1)
        loss.backward()
        opt.step()
        losses.append(loss.detach())
    keep("trained")
    out["losses"] = torch.stack(losses)
    save_file({k: v.contiguous() for k, v in out.items()}, path)


def optimizers(path):
    """Lookahead is written as Zhang et al. 2019, Algorithm 1, have it. The last 20 weights are those of a vector."""
    g = torch.Generator().manual_seed(11)
    weights, grads = torch.randn(61, generator=g), torch.randn(50, 61, generator=g)
    out = {"weights": weights, "gradients": grads}
    groups = lambda p, decay: [{"params": p[:1], "weight_decay": decay}, {"params": p[1:], "weight_decay": 0}]
    made = {
        "sgd": lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=0.01),
        "plain": lambda p: torch.optim.SGD(p),
        "adam": lambda p: torch.optim.Adam(p, betas=(0.9, 0.99), weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, betas=(0.8, 0.999), weight_decay=0.1),
        "lookahead": lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.01),
        "clipped": lambda p: torch.optim.SGD(p, momentum=0.9, weight_decay=0.01),
        "sgd-groups": lambda p: torch.optim.SGD(groups(p, 0.05), momentum=0.9),
        "adam-groups": lambda p: torch.optim.Adam(groups(p, 0.05)),
        "adamw-groups": lambda p: torch.optim.AdamW(groups(p, 0.2)),
    }
    for name, make in made.items():
        p = [weights[:41].clone().requires_grad_(), weights[41:].clone().requires_grad_()]
        opt, slow, steps = make(p), [x.detach().clone() for x in p], []
        for step, grad in enumerate(grads):
            for group in opt.param_groups:
                group["lr"] = 0.1 / (step + 1) ** 0.5
            p[0].grad, p[1].grad = grad[:41].clone(), grad[41:].clone()
            if name == "clipped":
                torch.nn.utils.clip_grad_norm_(p, 7.5)
            opt.step()
            if name == "lookahead" and (step + 1) % 3 == 0:
                for fast, s in zip(p, slow):
                    s += 0.4 * (fast.detach() - s)
                    fast.data.copy_(s)
            steps.append(torch.cat(p).detach().clone())
        out[name] = torch.stack(steps)
    save_file(out, path)


def layers(path):
    g = torch.Generator().manual_seed(13)

    def random(*shape):
        return torch.randn(shape, generator=g)

    x, ids, image = random(3, 5, 8), torch.randint(0, 11, (3, 5), generator=g), random(6, 4, 5, 7)
    out = {"x": x, "ids": ids, "image": image}
    for name, net, into in (("linear", nn.Linear(8, 6), x), ("bare", nn.Linear(8, 6, bias=False), x), ("embedding", nn.Embedding(11, 4), ids),
                            ("layernorm", nn.LayerNorm(8), x), ("conv", nn.Conv2d(4, 6, 3, 2, 1), image), ("point", nn.Conv2d(4, 6, 1, 2), image),
                            ("batchnorm", nn.BatchNorm2d(4), image)):
        for p in net.parameters():
            p.data = random(*p.shape)
        net.train()
        y = net(into)
        weight = random(*y.shape)
        (y * weight).sum().backward()
        out[f"{name}.y"], out[f"{name}.g"] = y.detach(), weight
        for k, p in net.named_parameters():
            out[f"{name}.{k}"], out[f"{name}.{k}.grad"] = p.detach(), p.grad
        for k, b in net.named_buffers():
            if b.is_floating_point():
                out[f"{name}.{k}"] = b
    save_file({k: v.contiguous() for k, v in out.items()}, path)


torch.manual_seed(1)
torch.set_num_threads(1)
optimizers(sys.argv[1] + "/optim.safetensors")
layers(sys.argv[1] + "/layers.safetensors")
torch.manual_seed(1)
write(sys.argv[1] + "/a.safetensors", nets.ResNet(8, 4, 2, 1, 10), 1, 12)
net = with_projection(nets.ResNet(14, 4, 1, 3, 10))
nets.Block.forward = forward_b
write(sys.argv[1] + "/b.safetensors", net, 3, 8)
