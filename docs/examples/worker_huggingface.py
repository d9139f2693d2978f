"""A worker for lawa-replay that evaluates a causal language model of HuggingFace transformers:

  MODEL=gpt2 TEXT=valid.txt lawa-replay sweep checkpoints/ --k 1-8 --worker "python worker_huggingface.py" --out sweep

MODEL names the configuration and the tokenizer, a folder or a name on the hub; the weights are the averages'."""
import hashlib, json, os, sys

answers = os.fdopen(os.dup(1), "w")  # standard output is for answers alone:
os.dup2(2, 1)                        # whatever else prints goes to standard error

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

hello = json.loads(sys.stdin.readline())
length, batch = int(os.environ.get("LENGTH", 512)), int(os.environ.get("BATCH", 4))
model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(os.environ["MODEL"])).eval().to(hello["device"])
tokenizer = AutoTokenizer.from_pretrained(os.environ["MODEL"])
ids = tokenizer(open(os.environ["TEXT"]).read(), return_tensors="pt").input_ids[0]
blocks = ids[: len(ids) // length * length].view(-1, length).to(hello["device"])

# Evaluations are kept under this text: it must change whenever the numbers would. Names of files stay when their contents
# change, so what is computed with is digested: the tokens (of text and tokenizer) and the configuration.
tokens = hashlib.sha256(ids.numpy().tobytes()).hexdigest()
config = hashlib.sha256(model.config.to_json_string().encode()).hexdigest()
identity = f"tokens {tokens} config {config} length {length} torch {torch.__version__} transformers {transformers.__version__}"


def answer(**message):
    print(json.dumps(message), file=answers, flush=True)


answer(type="ready", protocol=1, splits=["val"], policies=[], identity=identity)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] != "evaluate":
        break
    try:
        state = load_file(request["weights"], device=hello["device"])
        missing, extra = model.load_state_dict(state, strict=False)
        missing = [m for m in missing if m not in (model._tied_weights_keys or [])]
        if missing or extra:
            raise ValueError(f"missing {missing[:5]}, not the model's {extra[:5]}")
        model.tie_weights()
        nll, hits = [], []
        with torch.inference_mode():
            for x in blocks.split(batch):
                logits = model(x).logits[:, :-1].float()
                nll += torch.nn.functional.cross_entropy(logits.transpose(1, 2), x[:, 1:], reduction="none").mean(1).tolist()
                hits += (logits.argmax(-1) == x[:, 1:]).float().mean(1).mul(100).tolist()
        loss = sum(nll) / len(nll)
        result = {"loss": {"values": nll}, "top1": {"values": hits}, "perplexity": float(torch.tensor(loss).exp())}
        answer(type="result", id=request["id"], splits={"val": result})
    except Exception as e:
        answer(type="error", id=request["id"], message=f"{type(e).__name__}: {e}")
