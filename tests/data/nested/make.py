"""Writes the nested columns of this folder by pyarrow, DuckDB and Polars (which has no maps): python make.py"""

import datetime
import pathlib

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.feather as ft
import pyarrow.parquet as pq

d = str(pathlib.Path(__file__).resolve().parent)
item=pa.struct([("sku",pa.string()),("qty",pa.int32()),("at",pa.struct([("x",pa.float64())]))])
schema=pa.schema([
  ("id",pa.int64()),
  ("place",pa.struct([("city",pa.string()),("geo",pa.struct([("lat",pa.float64()),("tags",pa.list_(pa.string()))]))])),
  ("items",pa.list_(item)),
  ("prices",pa.map_(pa.string(),pa.float64())),
  ("stock",pa.map_(pa.int32(),pa.struct([("n",pa.int32()),("day",pa.date32())]))),
  ("tags",pa.list_(pa.string())),
])
D=datetime.date
rows=[
 dict(id=1,place=dict(city="Oslo",geo=dict(lat=59.9,tags=["north","sea"])),items=[dict(sku="a",qty=2,at=dict(x=0.5)),dict(sku="b",qty=None,at=None)],prices=[("a",1.5),("b",None)],stock=[(7,dict(n=1,day=D(2024,2,29))),(8,None)],tags=["x","y"]),
 dict(id=2,place=None,items=None,prices=None,stock=None,tags=None),
 dict(id=3,place=dict(city=None,geo=None),items=[],prices=[],stock=[],tags=[]),
 dict(id=4,place=dict(city="Rome",geo=dict(lat=None,tags=None)),items=[None,dict(sku=None,qty=5,at=dict(x=None))],prices=[("b",2.25)],stock=[(8,dict(n=None,day=D(2024,3,1)))],tags=[None]),
 dict(id=5,place=dict(city="Bern",geo=dict(lat=46.9,tags=[])),items=[dict(sku="a",qty=3,at=dict(x=1.5)),dict(sku="c",qty=1,at=dict(x=2.5)),dict(sku="a",qty=4,at=dict(x=3.5))],prices=[("c",9.0),("a",3.0)],stock=[(7,dict(n=6,day=None)),(9,dict(n=3,day=None))],tags=["y","z","y"]),
]
t=pa.Table.from_pylist(rows,schema)
pq.write_table(t,d+"/pyarrow.parquet",row_group_size=3)
ft.write_feather(t,d+"/pyarrow.arrow",compression="lz4")
c=duckdb.connect(); c.register("t",t)
c.sql(f"COPY (SELECT * FROM t ORDER BY id) TO '{d}/duckdb.parquet' (FORMAT parquet)")
pl.from_arrow(t.drop_columns(["prices","stock"])).write_parquet(d+"/polars.parquet")
