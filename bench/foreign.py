"""Writes testdata/foreign: small checkpoints in the layouts that PyTorch programs leave behind, and beside them
expected.json, which says what torch and safetensors read from each: dtype, shape and SHA-256 of every tensor's
bytes. Run it with the Python of bench/.venv-2.11.0; the fixtures are committed, so tests need no Python."""
import argparse, collections, hashlib, json, os, pickle, shutil, sys

import numpy as np
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file

out = os.environ.get("OUT") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testdata", "foreign")


class Settings(dict):
    pass


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(2)
        self.fc = torch.nn.Linear(2, 3)
        self.register_buffer("scratch", torch.ones(2), persistent=False)

    def forward(self, x):
        return self.fc(self.bn1(self.conv1(x)).mean((2, 3)))


def rank(r, path):
    from torch.distributed.tensor import DTensor, Replicate, Shard, init_device_mesh

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533", RANK=str(r), WORLD_SIZE="2")
    torch.distributed.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    from torch.distributed.tensor import distribute_tensor

    a, b = torch.arange(35, dtype=torch.float32).reshape(5, 7), torch.arange(12, dtype=torch.bfloat16).reshape(3, 4)
    dcp.save({"model": {"a.weight": distribute_tensor(a, mesh, [Shard(0)]), "b.weight": distribute_tensor(b, mesh, [Shard(1)]), "c": torch.tensor([3])}}, checkpoint_id=path)
    if r == 0:
        torch.save({"epoch": 1, "model": {"a.weight": distribute_tensor(a, mesh, [Shard(0)], src_data_rank=None)}}, os.path.join(os.path.dirname(path), "dtensor.pt"))
    torch.distributed.destroy_process_group()


def main():
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    torch.manual_seed(1)
    expected = {}
    names = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16",
             torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64", torch.complex128: "C128", torch.float8_e4m3fn: "F8_E4M3"}


    def expect(file, state, **info):
        tensors = {}
        for name, t in state.items():
            raw = t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
            tensors[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "sha256": hashlib.sha256(raw).hexdigest()}
        expected[file] = {"tensors": tensors, **info}


    def save(file, obj, state, protocol=2, legacy=False, **info):
        torch.save(obj, os.path.join(out, file), pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
        expect(file, state, **info)


    net = Net()
    net(torch.randn(4, 1, 5, 5)).sum().backward()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    optimizer.step()
    state = net.state_dict()
    plain = dict(state)

    for protocol in 2, 3, 4, 5:
        save(f"bare-{protocol}.pt", state, plain, protocol)
        save(f"bare-legacy-{protocol}.pt", state, plain, protocol, legacy=True)

    wrapped = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    imagenet = {"epoch": 3, "arch": "resnet", "state_dict": wrapped, "best_acc1": torch.tensor(71.5), "optimizer": optimizer.state_dict(), "scheduler": {"last_epoch": 3, "_step_count": 4}}
    save("imagenet.pth.tar", imagenet, plain, key="state_dict", epoch=3)
    save("imagenet-legacy.pth.tar", imagenet, plain, legacy=True, key="state_dict", epoch=3)

    fairseq = {"args": argparse.Namespace(arch="roberta", lr=[0.0005], data="wikitext"), "model": state,
               "optimizer_history": [{"criterion_name": "MaskedLmLoss", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {"best": 2.5}, "num_updates": 1200}],
               "last_optimizer_state": optimizer.state_dict(), "extra_state": {"train_iterator": {"epoch": 8, "iterations_in_epoch": 0, "shuffle": True}, "val_loss": 2.75}}
    save("fairseq.pt", fairseq, plain, key="model", epoch=7, step=1200, val_loss=2.75)


    Settings.__module__ = "pytorch_lightning.utilities.parsing"
    sys.modules["pytorch_lightning"] = sys.modules["pytorch_lightning.utilities"] = sys.modules["pytorch_lightning.utilities.parsing"] = type(sys)("x")
    sys.modules["pytorch_lightning.utilities.parsing"].Settings = Settings
    lightning = {"epoch": 4, "global_step": 500, "pytorch-lightning_version": "2.6.6", "state_dict": collections.OrderedDict(("model." + k, v) for k, v in state.items()),
                 "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(1.0), "monitor": None}},
                 "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "hparams_name": "kwargs", "hyper_parameters": Settings(lr=0.1, width=8)}
    save("epoch=4-step=500.ckpt", lightning, {"model." + k: v for k, v in plain.items()}, key="state_dict", epoch=4, step=500)

    save("two.pt", {"state_dict": state, "state_dict_ema": {k: v * 2 for k, v in state.items()}}, {k: v * 2 for k, v in plain.items()}, ask="state_dict_ema", weights="EMA")
    save("deep.pt", {"run": {"nets": {"student": state}}, "n": 1}, plain, key="run.nets.student")
    save("numpy.pt", {"model": state, "epoch": np.int64(9), "val_loss": np.float32(0.5), "curve": np.arange(3.0), "scalar": np.float64(1.25)}, plain, key="model", epoch=9, val_loss=0.5)
    save("numpy-5.pt", {"model": state, "epoch": np.int64(9), "val_loss": np.float32(0.5)}, plain, 5, key="model", epoch=9, val_loss=0.5)
    save("compiled.pt", {"model": {"module._orig_mod." + k: v for k, v in state.items()}}, plain, key="model")

    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    kinds = {"f64": torch.randn(3, dtype=torch.float64), "f16": torch.randn(5).half(), "bf16": torch.randn(7).bfloat16(), "i64": torch.tensor([-1, 2**40]), "i32": torch.tensor([7], dtype=torch.int32),
             "i16": torch.tensor([-3], dtype=torch.int16), "i8": torch.tensor([-3, 4], dtype=torch.int8), "u8": torch.tensor([200], dtype=torch.uint8), "bool": torch.tensor([True, False]),
             "c64": torch.randn(2, dtype=torch.complex64), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "f8": torch.randn(4).to(torch.float8_e4m3fn)}
    views = {"base": base, "transposed": base.t(), "slice": base[1:3, 2:5], "row": base[2], "expanded": torch.tensor([1.5]).expand(3, 4), "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
             "parameter": torch.nn.Parameter(torch.randn(3)), "buffer": torch.nn.Buffer(torch.ones(2)), "step": base[::2, ::3]}
    tied = {"wte.weight": base, "lm_head.weight": base, "same.storage": base.view(24)}
    for legacy in False, True:
        tail = "-legacy" if legacy else ""
        some = {k: v for k, v in kinds.items() if not (legacy and k == "f8")}
        save(f"kinds{tail}.pt", some, some, legacy=legacy)
        save(f"views{tail}.pt", views, views, legacy=legacy)
        save(f"tied{tail}.pt", {"model": tied}, {k: v for k, v in tied.items() if k != "lm_head.weight"}, legacy=legacy, key="model", tied={"lm_head.weight": "wte.weight"})
        save(f"module{tail}.pt", net, plain, legacy=legacy)
    torch.jit.script(net).save(os.path.join(out, "scripted.pt"))
    expect("scripted.pt", {**plain, "scratch": net.scratch})

    save_file({"module." + k: v for k, v in plain.items()}, os.path.join(out, "single.safetensors"), {"format": "pt"})
    expect("single.safetensors", plain)

    hf = os.path.join(out, "checkpoint-1500")
    os.makedirs(hf)
    shards = {"model-00001-of-00002.safetensors": ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean"], "model-00002-of-00002.safetensors": ["bn1.running_var", "bn1.num_batches_tracked", "fc.weight", "fc.bias"]}
    for file, part in shards.items():
        save_file({k: plain[k] for k in part}, os.path.join(hf, file), {"format": "pt"})
    json.dump({"metadata": {"total_size": 1}, "weight_map": {k: f for f, part in shards.items() for k in part}}, open(os.path.join(hf, "model.safetensors.index.json"), "w"))
    json.dump({"epoch": 2.5, "global_step": 1500, "log_history": [{"epoch": 2.5, "step": 1500, "loss": 1.5, "learning_rate": 0.01}, {"epoch": 2.5, "step": 1500, "eval_loss": 1.75}]}, open(os.path.join(hf, "trainer_state.json"), "w"))
    expect("checkpoint-1500", plain, epoch=2.5, step=1500, shards=2)

    old = os.path.join(out, "checkpoint-1600")
    os.makedirs(old)
    for file, part in shards.items():
        torch.save({k: plain[k] for k in part}, os.path.join(old, file.replace("model", "pytorch_model").replace("safetensors", "bin")))
    json.dump({"metadata": {}, "weight_map": {k: f.replace("model", "pytorch_model").replace("safetensors", "bin") for f, part in shards.items() for k in part}}, open(os.path.join(old, "pytorch_model.bin.index.json"), "w"))
    expect("checkpoint-1600", plain, shards=2)

    dcp.save({"model": state, "optimizer": optimizer.state_dict(), "epoch": 3}, checkpoint_id=os.path.join(out, "dcp"), no_dist=True)
    expect("dcp", plain, key="model", epoch=3)


    torch.multiprocessing.spawn(rank, args=(os.path.join(out, "dcp-2"),), nprocs=2)
    expect("dcp-2", {"a.weight": torch.arange(35, dtype=torch.float32).reshape(5, 7), "b.weight": torch.arange(12, dtype=torch.bfloat16).reshape(3, 4), "c": torch.tensor([3])}, key="model")

    # Arrays of numpy's: in either order and endianness, in torch's files and in pickles of their own.
    arrays = {"f4": np.arange(6, dtype="<f4").reshape(2, 3), "fortran": np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)), "big": np.arange(5, dtype=">f4"), "c": np.array([1 + 2j, -3j], dtype=">c16"),
              "scalar": np.array(2.5, dtype="<f2"), "count": np.array([7, -8], dtype=">i8"), "mask": np.array([True, False]), "empty": np.zeros((0, 3), dtype="<f4"), "step": np.arange(12, dtype="<f4")[::2]}
    plain_arrays = {k: torch.from_numpy(np.ascontiguousarray(v).astype(v.dtype.newbyteorder("="))).reshape(v.shape) for k, v in arrays.items()}
    objects = {"names": np.array(["a", None], dtype=object)}
    for protocol in 2, 5:
        save(f"arrays-{protocol}.pt", arrays, plain_arrays, protocol)
        with open(os.path.join(out, f"arrays-{protocol}.pkl"), "wb") as f:
            pickle.dump({"model": arrays, "__author__": "someone", "epoch": 6}, f, protocol=protocol)
        expect(f"arrays-{protocol}.pkl", plain_arrays, key="model", epoch=6)
    save("objects.pt", {**arrays, **objects}, plain_arrays, note="names (numpy.ndarray of object)")
    with open(os.path.join(out, "state.pkl"), "wb") as f:
        pickle.dump(state, f)
    expect("state.pkl", plain)
    save("integer-keys.pt", dict(enumerate(state.values())), {str(i): v for i, v in enumerate(state.values())})
    z = {"c64": torch.randn(3, dtype=torch.complex64), "c128": torch.randn(2, 2, dtype=torch.complex128).t()}
    save("complex.pt", z, z)

    # Which dict is the model, and which weights it holds.
    double = {k: v * 2 for k, v in state.items()}
    encoder, decoder = {"0.weight": torch.randn(2, 2)}, {"0.weight": torch.randn(3)}
    both = {"encoder.0.weight": encoder["0.weight"], "decoder.0.weight": decoder["0.weight"]}
    save("words.pt", {"model_parameters": state, "hypernetwork_settings": {"width": 8}, "optimizerG": optimizer.state_dict()}, plain, key="model_parameters")
    save("parts.pt", {"encoder": encoder, "decoder": decoder, "epoch": torch.tensor(4), "global_step": torch.tensor([44])}, both, ask="encoder,decoder", epoch=4, step=44, note="one model")
    save("nested.pt", {"model": {"encoder": encoder, "decoder": decoder}, "epochs": 100, "epoch": -1}, both, ask="model", note="one model", noepoch=True)
    save("mmengine.pth", {"meta": {"epoch": 5, "iter": 50, "mmengine_version": "0.10.4"}, "message_hub": {}, "state_dict": state, "ema_state_dict": {"steps": torch.tensor(50), **{"module." + k: v for k, v in double.items()}}},
         plain, ask="state_dict", epoch=5, step=50, weights="EMA")
    averaging = {"epoch": 3, "global_step": 30, "pytorch-lightning_version": "2.6.6", "state_dict": state, "current_model_state": double, "averaging_state": {"n_averaged": torch.tensor(3)}}
    save("averaging.ckpt", averaging, {k: v * 2 for k, v in plain.items()}, ask="current_model_state", epoch=3, step=30, weights="raw")
    average = torch.optim.swa_utils.AveragedModel(net)
    average.update_parameters(net)
    save("swa.pt", average.state_dict(), plain, weights="average", note="n_averaged")
    save("beside.pt", {"model": state, "torch_rng_state": torch.zeros(64, dtype=torch.uint8), "class_weights": torch.ones(10), "best_prec1": torch.tensor([71.2]), "train_state": {"step": torch.tensor(9)}, "epoch": 2}, plain,
         key="model", epoch=2, step=9, note="class_weights")
    save("ultralytics.pt", {"epoch": 7, "model": None, "ema": net, "train_args": {"epochs": 100}}, plain, key="ema", epoch=7, weights="EMA")
    free = {"state": {}, "param_groups": [{"lr": 0.1, "k": 3, "weight_sum": 1.0, "weight_lr_power": 2.0, "train_mode": True, "params": [0]}]}
    save("schedulefree.pt", {"model": state, "optimizer": free}, plain, key="model", weights="raw")
    save("compiled-inside.pt", {"net." + k.replace("bn1", "_orig_mod.bn1"): v for k, v in state.items()}, plain, strip=["net"])
    save("skip.pt", {**state, "lap": torch.eye(4).to_sparse(), "q.weight": torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)}, plain, skip=["lap", "q.*"], note="lap")
    save("adapter.pt", {"q.lora_A.weight": torch.ones(2, 4), "q.lora_B.weight": torch.ones(4, 2)}, {"q.lora_A.weight": torch.ones(2, 4), "q.lora_B.weight": torch.ones(4, 2)}, note="factors")
    w = torch.randn(3, 2)
    save("tie-1.pt", {"a": w, "b": w}, {"a": w}, tied={"b": "a"})
    save("tie-2.pt", {"a": w, "b": w.clone()}, {"a": w, "b": w})
    json.dump(expected, open(os.path.join(out, "expected.json"), "w"), indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
