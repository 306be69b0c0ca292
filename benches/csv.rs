//! The CSV reader over files of several shapes, by queries that leave next to nothing to the operators above it:
//! `cargo bench --bench csv`. Compare only figures of one run.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use highwater::prelude::*;

/// Bytes of each file, about.
const SIZE: usize = 20_000_000;

/// Columns of the wide file.
const COLUMNS: u64 = 100;

/// A shape of file, and the queries over it as a name and SQL.
struct Shape {
    name: &'static str,
    text: String,
    queries: &'static [(&'static str, &'static str)],
}

/// Writes a row by its number, and a number without pattern.
type WriteRow = fn(&mut String, u64, u64) -> std::fmt::Result;

/// A header, and rows until the size is reached.
fn file(header: &str, write_row: WriteRow) -> String {
    let mut text = format!("{header}\n");
    for row in 0.. {
        if text.len() >= SIZE {
            break;
        }
        write_row(&mut text, row, row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16).expect("strings take all");
    }
    text
}

/// A moment of the row's number, as it is usually written.
fn time(row: u64) -> String {
    format!("2000-01-{:02} {:02}:{:02}:{:02}", row / 86_400 % 28 + 1, row / 3_600 % 24, row / 60 % 60, row % 60)
}

/// A time, an integer, a name and two floats, without quotes.
fn plain(text: &mut String, row: u64, mixed: u64) -> std::fmt::Result {
    let (x, y) = (mixed % 1_000_003, mixed % 999_983);
    writeln!(text, "{},{},name {},0.{x:06}7218,-0.{y:06}9025", time(row), mixed % 2_000, mixed % 26)
}

/// The same with quotes around every field; one name in 26 has two lines and doubled quotes.
fn quoted(text: &mut String, row: u64, mixed: u64) -> std::fmt::Result {
    let (x, y) = (mixed % 1_000_003, mixed % 999_983);
    let name = if mixed.is_multiple_of(26) { "the\n\"\"first\"\"" } else { "name" };
    let (id, number) = (mixed % 2_000, mixed % 26);
    writeln!(text, "\"{}\",\"{id}\",\"{name} {number}\",\"0.{x:06}7218\",\"-0.{y:06}9025\"", time(row))
}

/// Many short integers.
fn wide(text: &mut String, row: u64, mixed: u64) -> std::fmt::Result {
    write!(text, "{row}")?;
    for column in 1..COLUMNS {
        write!(text, ",{}", (mixed >> (column % 32)) % 1_000)?;
    }
    writeln!(text)
}

/// An integer and a kilobyte of text.
fn long(text: &mut String, row: u64, mixed: u64) -> std::fmt::Result {
    write!(text, "{row},")?;
    for word in 0..64 {
        write!(text, "{:x} ", mixed.rotate_left(word))?;
    }
    writeln!(text)
}

fn shapes() -> [Shape; 4] {
    let series = "time,id,name,x,y";
    let over_series: &[(&str, &str)] = &[
        ("count", "SELECT count(*) FROM INPUT"),
        ("all columns", "SELECT * FROM INPUT"),
        ("one float", "SELECT x FROM INPUT"),
        ("one time", "SELECT time FROM INPUT"),
        ("one text", "SELECT name FROM INPUT"),
        ("filter, half pass", "SELECT x FROM INPUT WHERE id < 1000"),
        ("filter, few pass", "SELECT time, name, x FROM INPUT WHERE id = 7"),
    ];
    let columns: Vec<String> = (0..COLUMNS).map(|column| format!("c{column:02}")).collect();
    [
        Shape { name: "plain", text: file(series, plain), queries: over_series },
        Shape { name: "quoted", text: file(series, quoted), queries: over_series },
        Shape {
            name: "wide",
            text: file(&columns.join(","), wide),
            queries: &[
                ("count", "SELECT count(*) FROM INPUT"),
                ("two of 100 columns", "SELECT c07, c93 FROM INPUT"),
                ("all columns", "SELECT * FROM INPUT"),
            ],
        },
        Shape {
            name: "long text",
            text: file("id,text", long),
            queries: &[
                ("count", "SELECT count(*) FROM INPUT"),
                ("beside the text", "SELECT id FROM INPUT"),
                ("all columns", "SELECT * FROM INPUT"),
            ],
        },
    ]
}

fn reader(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let session = Session::new(Config::default()).expect("a session");
    for shape in shapes() {
        let path = folder.path().join(format!("{}.csv", shape.name));
        std::fs::write(&path, &shape.text).expect("a writable folder");
        let mut group = criterion.benchmark_group(format!("csv {}", shape.name));
        group.throughput(Throughput::Bytes(shape.text.len() as u64)).sample_size(20);
        for (name, sql) in shape.queries {
            let sql = sql.replace("INPUT", &format!("'{}'", path.display()));
            let frame = session.sql(&sql).expect("the query binds");
            group.bench_function(*name, |bencher| {
                bencher.iter(|| {
                    let mut rows = 0;
                    frame
                        .for_each_batch(|batch| {
                            rows += batch.num_rows();
                            Ok(())
                        })
                        .expect("the query runs");
                    black_box(rows)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, reader);
criterion_main!(benches);
