"""A worker for lawa-replay that evaluates a language model of HuggingFace transformers, causal or masked, on the examples that
`tokenize --examples` wrote: the same that the built-in networks are evaluated on.

  lawa-replay tokenize --examples text:valid.txt,tokenizer=gpt2,length=512 --out valid.safetensors
  MODEL=gpt2 EXAMPLES=valid.safetensors lawa-replay sweep checkpoints/ --k 1-8 --worker "python worker_huggingface.py" --out sweep

MODEL names the configuration, a folder or a name on the hub; the weights are the averages'. Examples with targets (mask=0.15) are
for a masked model, others for a causal one. BATCH examples are evaluated at a time (8)."""
import hashlib, json, os, sys

answers = os.fdopen(os.dup(1), "w")  # standard output is for answers alone:
os.dup2(2, 1)                        # whatever else prints goes to standard error

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

hello = json.loads(sys.stdin.readline())
device, batch = hello["device"], int(os.environ.get("BATCH", 8))
if hello["slots"] > 1 and device == "cpu":  # several workers share the cores
    torch.set_num_threads(max(1, os.cpu_count() // hello["slots"]))
examples = load_file(os.environ["EXAMPLES"], device=device)
inputs, mask = examples["inputs"].long(), examples.get("attention_mask")
if "targets" in examples:
    labels, auto = examples["targets"].long(), AutoModelForMaskedLM
else:  # each token is predicted from those before it
    labels, auto = torch.cat([inputs[:, 1:], torch.full_like(inputs[:, :1], -100)], 1), AutoModelForCausalLM
    if mask is not None:
        labels[:, :-1][mask[:, 1:] == 0] = -100
model = auto.from_config(AutoConfig.from_pretrained(os.environ["MODEL"])).eval().to(device)

# Evaluations are kept under this text: it must change whenever the numbers would. Names of files stay when their contents
# change, so what is computed with is digested: the examples and the configuration.
data = hashlib.sha256(open(os.environ["EXAMPLES"], "rb").read()).hexdigest()
config = hashlib.sha256(model.config.to_json_string().encode()).hexdigest()
identity = f"examples {data} config {config} torch {torch.__version__} transformers {transformers.__version__}"


def answer(**message):
    print(json.dumps(message), file=answers, flush=True)


answer(type="ready", protocol=1, splits=["val"], policies=[], identity=identity)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] != "evaluate":
        break
    try:
        state = load_file(request["weights"], device=device)
        missing, extra = model.load_state_dict(state, strict=False)
        missing = [m for m in missing if m not in (model._tied_weights_keys or [])]
        if missing or extra:
            raise ValueError(f"missing {missing[:5]}, not the model's {extra[:5]}")
        model.tie_weights()
        losses, hits, sizes = [], [], []  # of each example: means over its tokens, and how many there are
        with torch.inference_mode():
            for i in range(0, len(inputs), batch):
                y, some = labels[i : i + batch], {} if mask is None else {"attention_mask": mask[i : i + batch]}
                logits = model(inputs[i : i + batch], **some).logits.float()
                n = (y != -100).sum(1)
                loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), y, reduction="none").double().sum(1)
                losses += (loss / n).tolist()
                hits += ((logits.argmax(-1) == y).double().sum(1) * 100 / n).tolist()
                sizes += n.tolist()
        loss = sum(x * n for x, n in zip(losses, sizes) if n) / sum(sizes)
        result = {"loss": {"values": losses, "sizes": sizes}, "top1": {"values": hits, "sizes": sizes}, "perplexity": float(torch.tensor(loss).exp())}
        answer(type="result", id=request["id"], splits={"val": result})
    except Exception as e:
        answer(type="error", id=request["id"], message=f"{type(e).__name__}: {e}")
