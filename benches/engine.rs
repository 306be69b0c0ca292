//! The engine's main paths over made-up data, one query each: `cargo bench`. Compare only figures of one run.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use highwater::prelude::*;

const ROWS: u64 = 200_000;

/// A CSV file of the db-benchmark's kind: two low-cardinality texts, a key, two numbers.
fn input() -> (tempfile::TempDir, String, u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut text = String::from("id1,id2,key,v1,v3\n");
    for row in 0..ROWS {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let (a, b) = (mixed % 100, mixed % 37);
        text.push_str(&format!(
            "id{a:03},name {b},{},{},{}.{:06}\n",
            mixed % (ROWS / 2),
            mixed % 5,
            mixed % 100,
            mixed % 1_000_000
        ));
    }
    let path = folder.path().join("input.csv");
    std::fs::write(&path, &text).expect("a writable folder");
    (folder, path.display().to_string(), text.len() as u64)
}

fn queries(criterion: &mut Criterion) {
    let (_folder, path, bytes) = input();
    let session = Session::new(Config::default()).expect("a session");
    let mut group = criterion.benchmark_group("csv");
    group.throughput(Throughput::Bytes(bytes)).sample_size(20);
    for (name, sql) in [
        ("count", "SELECT count(*) FROM INPUT"),
        ("filter and sum", "SELECT sum(v3) FROM INPUT WHERE v1 > 2"),
        ("few groups", "SELECT id1, sum(v1), avg(v3) FROM INPUT GROUP BY id1"),
        ("many groups", "SELECT key, sum(v1), max(v3) FROM INPUT GROUP BY key"),
        ("median", "SELECT id2, median(v3) FROM INPUT GROUP BY id2"),
        ("sort", "SELECT * FROM INPUT ORDER BY v3, key"),
        ("top-n", "SELECT * FROM INPUT ORDER BY v3 DESC LIMIT 10"),
    ] {
        let frame = session.sql(&sql.replace("INPUT", &format!("'{path}'"))).expect("the query binds");
        group.bench_function(name, |bencher| {
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

criterion_group!(benches, queries);
criterion_main!(benches);
