"""Runs every block of Python in docs/results.md on a sweep, in a folder in which it is called sweep; and compares the means of what
each example gave with the table.

usage: recipes.py SWEEP    (pandas, polars, duckdb, zstandard, pyarrow)
"""
import os
import re
import sys
import tempfile

import pandas as pd

text = open(os.path.join(os.path.dirname(__file__), "..", "docs", "results.md"), encoding="utf-8").read()
sweep = os.path.abspath(sys.argv[1])
with tempfile.TemporaryDirectory() as tmp:
    os.chdir(tmp)
    os.symlink(sweep, "sweep")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    for block in blocks:
        names = {}
        exec(block, names)
    table = pd.read_parquet("sweep/results.parquet")
    worst = n = 0
    for row in table.itertuples():
        if row.key in names["e"] and row.metric in names["e"][row.key]:
            values, sizes = names["e"][row.key][row.metric]
            mean = values.astype(float).sum() / (len(values) if sizes is None else sizes.astype(float).sum())
            worst, n = max(worst, abs(mean - row.value) / max(1e-12, abs(row.value))), n + 1
    assert n > 0 and worst < 1e-6, worst
    print(f"docs/results.md: {len(blocks)} blocks run; {n} rows are the means of what each example gave, within {worst:.1e} relative")
