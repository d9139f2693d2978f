"""Writes a small training run as PyTorch programs leave them, and what PyTorch makes of its averages.

  script_run.py OUT [--small]

OUT/conv: checkpoints epoch_E.pt (state dict of a DataParallel, SGD state, loss) of a network with batch norm, the
scripted module net.ts, val.safetensors and bn.safetensors with inputs and targets, and reference.json: loss and
top-1 of averages by state-dict arithmetic in float64, under torch.optim.swa_utils.update_bn and without.
OUT/lm: a language model with tied weights; OUT/mlp: a regression with dropout. --small is what testdata/script
holds."""
import json, os, sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from script_net import MLP, LM, Conv

out, small = sys.argv[1], "--small" in sys.argv
torch.manual_seed(3)
torch.set_num_threads(1)


def average(states, weights):
    total = {}
    for name, newest in states[-1].items():
        if newest.is_floating_point():
            total[name] = (sum(w * s[name].double() for w, s in zip(weights, states)) / sum(weights)).to(newest.dtype)
        else:
            total[name] = newest
    return total


def coefficients(scheme, e):
    if scheme.startswith("lawa"):
        k = int(scheme.split("=")[1])
        return [1.0 if i > e - k else 0.0 for i in range(1, e + 1)] if e >= k else None
    c = [0.8 ** (e - i) * (0.2 if i > 1 else 1) for i in range(1, e + 1)]
    return c


def train(kind, net, x, y, loss_of, epochs, batch):
    folder = os.path.join(out, kind)
    os.makedirs(folder, exist_ok=True)
    opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
    states = []
    for e in range(1, epochs + 1):
        net.train()
        for i in range(0, len(x), batch):
            opt.zero_grad()
            loss = loss_of(net(x[i : i + batch]), y[i : i + batch])
            loss.backward()
            opt.step()
        state = {k: v.clone() for k, v in net.state_dict().items()}
        states.append(state)
        kept = net.state_dict()  # tied tensors stay tied in the file
        torch.save({"epoch": e, "state_dict": {"module." + k: v for k, v in kept.items()}, "optimizer": opt.state_dict(), "train_loss": loss.item()}, os.path.join(folder, f"epoch_{e}.pt"))
    net.eval()
    torch.jit.script(net).save(os.path.join(folder, "net.ts"))
    return folder, states


def reference(folder, net, states, evaluate, update=None):
    rows = []
    for e in range(1, len(states) + 1):
        for scheme in ["lawa:k=1", "lawa:k=2", "lawa:k=3", "ema:decay=0.8"]:
            c = coefficients(scheme, e)
            if c is None:
                continue
            for policy in ["copy", "average", "recompute"]:
                if policy == "recompute" and update is None:
                    continue
                state = average(states[:e], c)
                if policy == "copy":
                    state.update({k: v for k, v in states[e - 1].items() if "running" in k})
                net.load_state_dict(state)
                if policy == "recompute":
                    torch.optim.swa_utils.update_bn(update, net)
                net.eval()
                with torch.no_grad():
                    for metric, value in evaluate(net).items():
                        rows.append({"scheme": scheme, "epoch": e, "policy": policy, "metric": metric, "value": value})
    json.dump(rows, open(os.path.join(folder, "reference.json"), "w"), indent=0)


def conv():
    n, side = (150, 10) if small else (4000, 24)
    make = torch.randn(7, 1, side, side)
    label = lambda m: torch.randint(7, (m,))
    images = lambda y: make[y] * 0.7 + torch.randn(len(y), 1, side, side)
    y, yv, yb = label(n), label(n), label(n - 10)
    x, xv, xb = images(y), images(yv), images(yb)
    net = Conv(4) if small else Conv()
    folder, states = train("conv", net, x, y, F.cross_entropy, 4, 32)
    save_file({"inputs": xv, "targets": yv}, os.path.join(folder, "val.safetensors"))
    save_file({"inputs": xb}, os.path.join(folder, "bn.safetensors"))

    def evaluate(m):
        logits = torch.cat([m(xv[i : i + 250]) for i in range(0, n, 250)])
        return {"loss": F.cross_entropy(logits.double(), yv).item(), "top1": (logits.argmax(1) == yv).double().mean().item() * 100}

    reference(folder, net, states, evaluate, [xb[i : i + 32] for i in range(0, len(xb), 32)])


def lm():
    n, t = 40, 9
    walk = lambda: (torch.randint(13, (n, 1)) + torch.arange(t) * torch.randint(1, 3, (n, 1))) % 13
    x, xv = walk(), walk()
    net = LM()
    nll = lambda o, y: F.cross_entropy(o["logits"][:, :-1].reshape(-1, 13), y[:, 1:].reshape(-1))
    folder, states = train("lm", net, x, x, nll, 3, 10)
    targets = torch.full_like(xv, -100)
    targets[:, ::2] = xv[:, ::2]
    save_file({"inputs": xv}, os.path.join(folder, "val.safetensors"))
    save_file({"inputs": xv, "targets": targets}, os.path.join(folder, "masked.safetensors"))

    def evaluate(m):
        logits = m(xv)["logits"].double()
        next_ = F.cross_entropy(logits[:, :-1].reshape(-1, 13), xv[:, 1:].reshape(-1))
        masked = F.cross_entropy(logits.reshape(-1, 13), targets.reshape(-1))
        hit = (logits[:, :-1].argmax(-1) == xv[:, 1:]).double().mean() * 100
        return {"loss": next_.item(), "perplexity": next_.exp().item(), "top1": hit.item(), "masked": masked.item()}

    reference(folder, net, states, evaluate)


def mlp():
    n = 60
    x, xv = torch.randn(n, 5), torch.randn(n, 5)
    f = lambda x: torch.stack([x[:, 0] * x[:, 1], x.sum(1)], 1)
    net = MLP()
    folder, states = train("mlp", net, x, f(x), F.mse_loss, 3, 20)
    save_file({"inputs": xv, "targets": f(xv)}, os.path.join(folder, "val.safetensors"))
    import numpy as np

    np.savez(os.path.join(folder, "val.npz"), inputs=xv.numpy(), targets=f(xv).numpy())
    np.save(os.path.join(folder, "inputs.npy"), xv.numpy())
    np.save(os.path.join(folder, "targets.npy"), f(xv).numpy())
    evaluate = lambda m: {"mse": F.mse_loss(m(xv).double(), f(xv)).item(), "mae": F.l1_loss(m(xv).double(), f(xv)).item()}
    reference(folder, net, states, evaluate)
    example = torch.jit.trace(net, xv[:2])
    example.save(os.path.join(folder, "traced.ts"))


conv()
if small:
    lm()
    mlp()
