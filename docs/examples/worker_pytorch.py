"""A worker for lawa-replay that evaluates a PyTorch network: sweep RUN --worker "python worker_pytorch.py".
Replace the parts marked with *: the network, the data, the metrics."""
import hashlib, importlib, json, os, sys

answers = os.fdopen(os.dup(1), "w")  # standard output is for answers alone:
os.dup2(2, 1)                        # whatever else prints goes to standard error

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

hello = json.loads(sys.stdin.readline())
torch.set_num_threads(1 if hello["slots"] > 1 else max(1, os.cpu_count()))
module, name = os.environ["NET"].split(":")                             # * the network: NET=package.module:Class
network = importlib.import_module(module)
net = getattr(network, name)().to(hello["device"])
splits = {"val": load_file(os.environ["VAL"], device=hello["device"])}  # * the data
batches = [x for x in load_file(os.environ["BN"])["inputs"].split(32)] if "BN" in os.environ else None

# Evaluations are kept under this text: it must change whenever the numbers would. A file's name stays when its contents
# change, so the contents are digested: of the data, and of what computes.
digests = [hashlib.sha256(open(f, "rb").read()).hexdigest() for f in (network.__file__, os.environ["VAL"], os.environ.get("BN")) if f]
identity = " ".join([os.environ["NET"], *digests, "torch", torch.__version__])


def answer(**message):
    print(json.dumps(message), file=answers, flush=True)


answer(type="ready", protocol=1, splits=list(splits), policies=["recompute"] if batches else [], identity=identity)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] != "evaluate":
        break
    try:
        state = load_file(request["weights"], device=hello["device"])
        state.update({alias: state[kept] for alias, kept in hello.get("tied", {}).items()})
        net.load_state_dict(state)
        if request["policy"] == "recompute":
            torch.optim.swa_utils.update_bn(batches, net)
        net.eval()
        result = {}
        with torch.inference_mode():
            for split in request["splits"]:
                x, y = splits[split]["inputs"], splits[split]["targets"]
                logits = torch.cat([net(b) for b in x.split(250)])
                result[split] = {                                        # * the metrics
                    "loss": {"values": F.cross_entropy(logits.double(), y, reduction="none").tolist()},
                    "top1": {"values": (100.0 * (logits.argmax(1) == y)).tolist()},
                }
        answer(type="result", id=request["id"], splits=result)
    except Exception as e:
        answer(type="error", id=request["id"], message=f"{type(e).__name__}: {e}")
