"""Writes the files of this folder, by pyarrow, DuckDB and Polars (which has no maps): python tests/data/nested/make.py"""

import datetime
import pathlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
DAY = datetime.date(2024, 2, 29)
ITEM = pa.struct([("sku", pa.string()), ("qty", pa.int32()), ("at", pa.struct([("x", pa.float64())]))])
GEO = pa.struct([("lat", pa.float64()), ("tags", pa.list_(pa.string()))])
SCHEMA = pa.schema([
    ("id", pa.int64()),
    ("place", pa.struct([("city", pa.string()), ("geo", GEO)])),
    ("items", pa.list_(ITEM)),
    ("prices", pa.map_(pa.string(), pa.float64())),
    ("stock", pa.map_(pa.int32(), pa.struct([("n", pa.int32()), ("day", pa.date32())]))),
    ("tags", pa.list_(pa.string())),
])  # fmt: skip


def item(sku, qty, at):
    """A struct of a list; `at` is a struct with a null, or null itself."""
    return {"sku": sku, "qty": qty, "at": at if at is None else {"x": None if at == "null" else at}}


ROWS = [
    {
        "id": 1,
        "place": {"city": "Oslo", "geo": {"lat": 59.9, "tags": ["north", "sea"]}},
        "items": [item("a", 2, 0.5), item("b", None, None)],
        "prices": [("a", 1.5), ("b", None)],
        "stock": [(7, {"n": 1, "day": DAY}), (8, None)],
        "tags": ["x", "y"],
    },
    {"id": 2, "place": None, "items": None, "prices": None, "stock": None, "tags": None},
    {"id": 3, "place": {"city": None, "geo": None}, "items": [], "prices": [], "stock": [], "tags": []},
    {
        "id": 4,
        "place": {"city": "Rome", "geo": {"lat": None, "tags": None}},
        "items": [None, item(None, 5, "null")],
        "prices": [("b", 2.25)],
        "stock": [(8, {"n": None, "day": DAY + datetime.timedelta(days=1)})],
        "tags": [None],
    },
    {
        "id": 5,
        "place": {"city": "Bern", "geo": {"lat": 46.9, "tags": []}},
        "items": [item("a", 3, 1.5), item("c", 1, 2.5), item("a", 4, 3.5)],
        "prices": [("c", 9.0), ("a", 3.0)],
        "stock": [(7, {"n": 6, "day": None}), (9, {"n": 3, "day": None})],
        "tags": ["y", "z", "y"],
    },
]

table = pa.Table.from_pylist(ROWS, SCHEMA)
pq.write_table(table, HERE / "pyarrow.parquet", row_group_size=3)
feather.write_feather(table, HERE / "pyarrow.arrow", compression="lz4")
connection = duckdb.connect()
connection.register("t", table)
connection.sql(f"COPY (SELECT * FROM t ORDER BY id) TO '{HERE}/duckdb.parquet' (FORMAT parquet)")
pl.from_arrow(table.drop_columns(["prices", "stock"])).write_parquet(HERE / "polars.parquet")
