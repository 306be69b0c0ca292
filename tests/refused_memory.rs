//! Random queries whose requests for memory are refused at random give the answer that they give without: whatever is
//! spilled, and whenever, does not show.

use std::path::Path;

use arrow::array::RecordBatch;
use highwater::metrics::OperatorMetrics;
use highwater::prelude::*;
use highwater::types::temporal::format_value;
use proptest::prelude::*;
use proptest::sample::select;

/// How many different keys there are.
#[derive(Clone, Copy, Debug)]
enum Keys {
    Distinct,
    One,
    /// Nine rows in ten have the same.
    Skewed,
    Few,
    Nulls,
}

/// A table of some hundred rows, in files of a partition or two each.
fn write_tables(folder: &Path) {
    let shapes = [Keys::Distinct, Keys::One, Keys::Skewed, Keys::Few, Keys::Nulls];
    for keys in shapes {
        for rows in [0u64, 1, 400] {
            let mut text = String::from("k,s,n,f,t\n");
            for row in 0..rows {
                let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                let key = match keys {
                    Keys::Distinct => row * 7919 % 1009,
                    Keys::One => 5,
                    Keys::Skewed if mixed % 10 < 9 => 5,
                    Keys::Skewed => mixed % 100,
                    Keys::Few | Keys::Nulls => mixed % 7,
                };
                let null = matches!(keys, Keys::Nulls) && mixed % 3 == 0;
                let (k, s) = if null {
                    (String::new(), String::new())
                } else {
                    (key.to_string(), format!("{}{key}", "long text ".repeat((key % 3) as usize)))
                };
                let n = if mixed % 11 == 0 { String::new() } else { (mixed % 1000).to_string() };
                text.push_str(&format!("{k},{s},{n},{}.25,t{}\n", mixed % 64, mixed % 90));
            }
            std::fs::write(folder.join(format!("{keys:?}-{rows}.csv")), text).expect("a writable folder");
        }
    }
}

fn query() -> impl Strategy<Value = String> {
    let table = (select(vec!["Distinct", "One", "Skewed", "Few", "Nulls"]), select(vec![0, 1, 400, 400, 400, 400]));
    let keys = select(vec!["", "k", "s", "k, s", "t, k", "k % 5", "s, n"]);
    let aggregate = select(vec![
        "count(*)",
        "count(n)",
        "sum(n)",
        "sum(f)",
        "avg(f)",
        "min(s)",
        "max(t)",
        "first(n)",
        "last(t)",
        "stddev(f)",
        "median(n)",
        "quantile(f, 0.9)",
        "count(DISTINCT n)",
        "sum(DISTINCT f)",
        "mode(t)",
        "corr(n, f)",
        "arg_max(t, n)",
        "bit_xor(n)",
        "bool_or(n > 5)",
        "approx_count_distinct(t)",
        "approx_quantile(f, 0.5)",
        "sum(n) FILTER (WHERE f > 20)",
        "string_agg(t, '-' ORDER BY n, f)",
        "array_agg(n)",
        "array_agg(DISTINCT t ORDER BY t)",
        "median(DISTINCT f)",
        "mode(n) FILTER (WHERE f < 50)",
        "kurtosis(f)",
    ]);
    let aggregates = prop::collection::vec(aggregate, 1..5);
    let condition = select(vec!["", " WHERE n > 300", " WHERE k IS NULL OR f < 40"]);
    let shape = 0..4u8;
    (table, keys, aggregates, condition, shape).prop_map(|((table, rows), keys, aggregates, condition, shape)| {
        let types = "types={'k': 'BIGINT', 's': 'VARCHAR', 'n': 'BIGINT', 'f': 'DOUBLE', 't': 'VARCHAR'}";
        let input = format!("read_csv('FOLDER/{table}-{rows}.csv', {types}){condition}");
        let named = aggregates.iter().enumerate().map(|(index, call)| format!("{call} AS a{index}"));
        let list = named.collect::<Vec<_>>().join(", ");
        let grouped = match keys {
            "" => format!("SELECT {list} FROM {input}"),
            keys => format!("SELECT {keys}, {list} FROM {input} GROUP BY {keys}"),
        };
        let order = if keys.is_empty() { "t, n, f" } else { keys };
        match shape {
            0 => grouped,
            1 => format!("SELECT * FROM ({grouped}) ORDER BY ALL"),
            2 => format!("SELECT DISTINCT s, k, n FROM {input}"),
            _ => format!("SELECT k, s, n, f, t FROM {input} ORDER BY {order}"),
        }
    })
}

/// The rows as text, and whether anything was spilled.
fn run(session: &Session, sql: &str) -> (Vec<Vec<Option<String>>>, bool) {
    let mut rows = Vec::new();
    let mut take = |batch: RecordBatch| {
        let row = |row| batch.columns().iter().map(|column| format_value(column, row)).collect::<Vec<_>>();
        rows.extend((0..batch.num_rows()).map(row));
        Ok(())
    };
    let used = session.sql(sql).and_then(|frame| frame.for_each_batch(&mut take)).expect("the query runs");
    let spilled = used.metrics().iter().any(|(_, metrics)| OperatorMetrics::get(&metrics.spilled_bytes) > 0);
    (rows, spilled)
}

#[test]
fn memory_refused_at_random_changes_no_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_tables(folder.path());
    let config = |threads, batch_size| Config {
        memory_limit: 1 << 30,
        threads,
        batch_size,
        partition_bytes: 2048,
        temp_dir: folder.path().to_path_buf(),
        ..Config::default()
    };
    let plain = Session::new(config(1, 8192)).expect("a session");
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 2000, ..ProptestConfig::default() });
    let spills = std::cell::Cell::new(0);
    let cases = (query(), 1u64..10, any::<u64>(), 1usize..4, select(vec![7usize, 64, 1000]));
    let outcome = runner.run(&cases, |(query, one_in, seed, threads, batch_size)| {
        let sql = query.replace("FOLDER", &folder.path().display().to_string());
        let (expected, _) = run(&plain, &sql);
        let session = Session::refusing_memory(config(threads, batch_size), one_in, seed).expect("a session");
        let (found, spilled) = run(&session, &sql);
        prop_assert_eq!(&found, &expected, "{}", sql);
        spills.set(spills.get() + u32::from(spilled));
        Ok(())
    });
    outcome.expect("no answer depends on memory");
    assert!(spills.get() > 500, "only {} of 2000 queries spilled", spills.get());
}
