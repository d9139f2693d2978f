"""Whether pandas, polars and DuckDB read a table of results, and read the same.

usage: readers.py RESULTS.parquet
"""
import json
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

path = sys.argv[1]
columns = "run seed folder config recipe devices scheme k epoch step policy split metric value stderr n seconds key".split()
pandas = pd.read_parquet(path)
assert list(pandas.columns) == columns, list(pandas.columns)
assert pandas.notna().all().all()
polars = pl.read_parquet(path)
assert polars.columns == columns
duck = duckdb.sql(f"select * from read_parquet('{path}')").df()
for column in columns:
    assert polars[column].to_list() == pandas[column].tolist() == duck[column].tolist(), column
provenance = json.loads(pq.read_metadata(path).metadata[b"lawa-replay"])
assert {"software", "model", "data", "schemes", "policies"} <= set(provenance), provenance
print(f"readers: pandas, polars and DuckDB read the same {len(pandas)} rows; provenance: {', '.join(sorted(provenance))}")
