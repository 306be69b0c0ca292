#!/usr/bin/env python3
"""Write the small CSV files of this folder, byte for byte (README.md says what
each is for). Needs nothing but Python: python3 tests/data/make.py"""
import gzip
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent


def put(name, data):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))


QUOTED = '''\
id,text,n
1,plain,10
2,"comma, inside",20
3,"a ""quoted"" word",30
4,"two
lines",40
5,"""",50
6,"",60
7,,70
8," spaces kept ",80
9,"ends with newline
",90
10,"first
second, with comma
third ""line""",100
"11","a quoted number before it","110"
'''
put("quoted.csv", QUOTED)
put("crlf.csv", QUOTED.replace("\n", "\r\n"))

put("bom.csv", b"\xef\xbb\xbf" + "id,name\n1,Zürich\n2,東京\n3,\n".encode())
put("no_newline.csv", "id,name,n\n1,a,10\n2,b,20\n3,c,30")
put("semicolon.csv", 'item;price;qty\nnuts, mixed;2.50;3\nbolts;0.125;400\n"a;b";-1.75;1\nnails;;7\n')
put("european.csv", '''\
id;amount;count;day;at;note;code
1;1.234,56;1.000;31.01.2013;31.01.2013 10:00;plain;-
2;-0,5;12;29.02.2012;01.02.2013 23:59;;x
3;1.000.000,25;1.234.567;01.12.1999;31.12.1999 00:00;"";NA
4;;;;;NA;n.a.
4 rows;;;;;;
''')
put("ragged.csv", "a,b,c\n1,2,3\n4,5,6\n7,8\n9,10,11\n12,13,14\n15,16,17,18\n19,20,21\n")
put("header_only.csv", "id,name,value\n")
put("empty.csv", b"")
put("unterminated.csv", 'id,text\n1,fine\n2,"never closed\n3,swallowed\n')
put("dup_header.csv", "id,x,x,\n1,2,3,4\n5,6,7,8\n")
put("quoted.csv.gz", gzip.compress(QUOTED[:100].encode(), mtime=0) + gzip.compress(QUOTED[100:].encode(), mtime=0))
put("utf16.csv", "id,city\n1,Bern\n2,Zürich\n3,東京\n".encode("utf-16"))
put("latin1.csv", "id,city\n1,Bern\n2,Zürich\n3,Málaga\n4,Oslo\n".encode("latin-1"))

rng = random.Random(2013)
noise = bytes(rng.randrange(256) for _ in range(2000))
put("binary.csv", b"id,value\n1,a\x00b\n2,\x00\x00\n" + noise)

# 6600 rows of about 39 bytes. Line 2002 lies behind the first 64 KiB, and well
# before the 64 KiB in the middle and at the end.
rows = ["id,amount,station,note"]
for i in range(1, 6601):
    amount = "abc" if i == 2001 else str((i * 37) % 1000)
    rows.append(f"{i},{amount},station-{i % 7},ordinary row {i:06}")
put("bad_value.csv", "\n".join(rows) + "\n")

put("types.csv", '''\
id,flag,big,beyond,dec,day,ts,ts_zone,clock,country,code,empty_quoted,empty_plain
1,true,9223372036854775807,9223372036854775808,0.1,2013-03-10,2013-03-10 02:30:00,2013-03-10T02:30:00Z,05:17:00,NA,00501,"",
2,false,-9223372036854775808,-9223372036854775809,-12.50,2012-02-29,2012-02-29T23:59:59,2012-02-29T23:59:59+01:00,23:59:59,DE,07302,"",
3,true,9007199254740993,18446744073709551615,1e3,1969-12-31,1969-12-31 23:59:59.999999,1969-12-31T23:59:59.999999-05:00,00:00:00,ZA,10115,"",
4,false,-1,0,123456789.123456,0001-01-01,2013-11-03 01:30:00.5,2013-11-03T01:30:00+05:30,12:34:56.789,NO,00000,"",
5,,,,,,,,,,,"",
6,true,0,1,2.2250738585072014e-308,9999-12-31,2000-01-01T00:00:00,2000-01-01 00:00:00+00,23:59:59.999999,NA,99999,"",
''')

words = ["", "NA", "N/A", "NaN", "null", "None", '""', '"NA"', "-"]
put("nulls.csv", "id,num,text\n" + "".join(
    f"{i},{w},{w}\n" for i, w in enumerate(words[:-1], 1)) + "9,1.5,word\n10,-2,NAN\n")

put("timestamps_unsorted.csv", '''\
sensor,ts,value
b,1970-01-01T00:30:00Z,4.5
a,1970-01-01T00:00:00Z,2
a,1969-12-31T23:59:59.999999Z,1
b,1969-12-31T22:00:00Z,10
a,1970-01-01T02:59:59Z,7
a,1969-12-31T23:00:00Z,0.5
b,1970-01-01T00:30:00Z,5.5
a,,99
a,1970-01-01T00:59:59.999Z,
b,1970-01-01T01:00:00+01:00,6
a,1970-01-01T02:00:00Z,3
''')

put("union/schema_a.csv", "id,name,value\n1,one,10\n2,two,20\n3,three,\n")
put("union/schema_b.csv", "value,extra,name,id\n1.5,x,four,4\n2.25,,five,5\n-3,z,,6\n")

put("hive/year=2023/month=12/sales.csv", "id,amount,note\n1,10,a\n2,20,b\n")
put("hive/year=2024/month=01/sales.csv", "id,amount,note\n3,30.5,c\n")
put("hive/year=2024/month=02/sales.csv", "note,ID\nd,4\n")
put("hive/year=2024/month=__HIVE_DEFAULT_PARTITION__/sales.csv", "id,amount,note\n5,50,\n")
put("notes.csv", "# exported by hand\n# two lines, of notes\nid;who\n1;'Smith; Ann'\n2;'Doe'\n")
put("wide_numbers.csv", "n,m\n9007199254740993,9007199254740993\n1.5,1\n")
