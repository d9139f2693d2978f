"""Says how far the tables of two sweeps of the same evaluations are apart.

usage: gpu_compare.py SWEEP SWEEP"""
import sys

import pandas as pd

a, b = (pd.read_parquet(f"{folder}/results.parquet") for folder in sys.argv[1:3])
key = ["run", "scheme", "k", "epoch", "policy", "split", "metric"]
both = a.merge(b, on=key, suffixes=("", "_b"))
if not len(a) == len(b) == len(both):
    sys.exit(f"{sys.argv[1]} has {len(a)} values, {sys.argv[2]} {len(b)}, of which {len(both)} are of the same evaluations")
loss = both[both.metric == "loss"]
for policy, rows in loss.groupby("policy"):
    print(f"  {policy}: largest relative difference of the loss {((rows.value - rows.value_b).abs() / rows.value).max():.1e}")
counts = both[both.metric.isin(["top1", "top5"])]
print(f"  {len(both)} values; {(counts.value != counts.value_b).sum()} of {len(counts)} shares of right answers differ, by at most {(counts.value - counts.value_b).abs().max():.3f} points")
