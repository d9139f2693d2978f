"""Largest differences between sweeps and what PyTorch computed: foreign_compare.py REFERENCE.json SWEEP..."""
import json, sys

import pandas as pd

reference = json.load(open(sys.argv[1]))
for sweep in sys.argv[2:]:
    table = pd.read_parquet(sweep + "/results.parquet").set_index(["scheme", "epoch", "policy", "metric"]).value
    worst = {}
    for r in reference:
        d = abs(table[r["scheme"], r["epoch"], r["policy"], r["metric"]] - r["value"])
        worst[r["metric"]] = max(worst.get(r["metric"], 0), d)
    print(f"{sweep.rsplit('/', 1)[1]}: {len(reference)} values; largest differences from PyTorch's:", ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
