//! What does not fit into the budget goes to disk, and the answer is the same. From the counters, not from hope.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use highwater::config::Scheduler;
use highwater::context::CancelToken;
use highwater::error::ErrorClass;
use highwater::metrics::OperatorMetrics;
use highwater::prelude::*;
use highwater::session::{Outcome, Receiver, RunOptions};
use highwater::types::SchemaRef;

const TINY: u64 = 6 << 20;

fn config(memory_limit: u64, threads: usize) -> Config {
    Config { memory_limit, threads, partition_bytes: 256 << 10, batch_size: 1024, ..Config::default() }
}

/// `rows` rows of a key, a text and a number, in no order.
fn write_input(folder: &std::path::Path, rows: u64) {
    let mut text = String::from("key,text,value\n");
    for row in 0..rows {
        let key = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (rows * 3 / 4);
        text.push_str(&format!("{key},a text of some length {key},{}.25\n", row % 1000));
    }
    std::fs::write(folder.join("input.csv"), text).expect("a writable folder");
}

/// The batches of a query, the bytes it spilled, and the most that any operator reserved.
fn run(config: Config, sql: &str) -> Result<(Vec<RecordBatch>, u64, u64)> {
    let session = Session::new(config)?;
    let mut batches = Vec::new();
    let used = session.sql(sql)?.for_each_batch(|batch| {
        batches.push(batch);
        Ok(())
    })?;
    let sum = |counter: fn(&OperatorMetrics) -> &std::sync::atomic::AtomicU64| {
        used.metrics().iter().map(|(_, metrics)| OperatorMetrics::get(counter(metrics))).collect::<Vec<_>>()
    };
    let spilled = sum(|metrics| &metrics.spilled_bytes).into_iter().sum();
    let peak = sum(|metrics| &metrics.peak_reserved).into_iter().max().unwrap_or(0);
    Ok((batches, spilled, peak))
}

/// All rows as one batch.
fn together(batches: &[RecordBatch]) -> RecordBatch {
    arrow::compute::concat_batches(&batches[0].schema(), batches).expect("batches of one schema")
}

fn check_spills(query: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 120_000);
    let sql = query.replace("INPUT", &format!("'{}/input.csv'", folder.path().display()));
    let (expected, none, _) = run(config(1 << 30, 2), &sql).expect("the query runs in memory");
    assert_eq!(none, 0, "with a large budget nothing is spilled");
    for threads in [1, 2, 3] {
        let spill_folder = tempfile::tempdir().expect("a temporary folder");
        let tiny = Config { temp_dir: spill_folder.path().to_path_buf(), ..config(TINY, threads) };
        let (ours, spilled, peak) = run(tiny, &sql).expect("the query runs on disk");
        assert!(spilled > 0, "{threads} threads: nothing was spilled");
        assert!(peak <= TINY, "{threads} threads: {peak} bytes were reserved");
        assert_eq!(together(&ours), together(&expected), "{threads} threads");
        assert_eq!(std::fs::read_dir(spill_folder.path()).expect("a folder").count(), 0, "files were left");
    }
}

#[test]
fn group_by_spills() {
    check_spills(
        "SELECT * FROM (SELECT key, text, sum(value) s, count(*) n, median(value) m, min(text) t, stddev(value) d
                        FROM INPUT GROUP BY key, text) ORDER BY key",
    );
}

#[test]
fn distinct_spills() {
    check_spills("SELECT count(*), min(text), max(key) FROM (SELECT DISTINCT key, text FROM INPUT)");
}

#[test]
fn count_distinct_spills() {
    check_spills("SELECT count(DISTINCT text), count(*) FROM INPUT");
}

#[test]
fn a_median_of_all_rows_or_of_most_spills() {
    check_spills(
        "SELECT median(key), quantile_cont(value, 0.3), quantile_disc(key, 0.9), count(*), avg(key) FROM INPUT",
    );
    check_spills(
        "SELECT CASE WHEN key % 10 = 0 THEN key % 7 ELSE -1 END k, median(key) m, min(text) t, quantile_disc(value, 0.5) q
         FROM INPUT GROUP BY k ORDER BY k",
    );
}

#[test]
fn the_distinct_values_of_all_rows_or_of_most_spill() {
    let calls =
        "count(DISTINCT text) a, count(DISTINCT key) b, mode(text) c, mode(key % 50000) d, sum(DISTINCT value) e,
                 median(DISTINCT key) f, avg(DISTINCT key) g, sum(value) h, corr(DISTINCT key, value) i,
                 count(DISTINCT key) FILTER (WHERE value < 300) j";
    check_spills(&format!("SELECT {calls} FROM INPUT"));
    check_spills(&format!(
        "SELECT CASE WHEN key % 10 = 0 THEN key % 7 ELSE -1 END k, {calls} FROM INPUT GROUP BY k ORDER BY k"
    ));
    check_spills(&format!("SELECT key % 3 k, {calls} FROM INPUT GROUP BY k ORDER BY k"));
    check_spills(&format!("SELECT nullif(key % 3, 1) k, text, {calls} FROM INPUT GROUP BY k, text ORDER BY k, text"));
}

#[test]
fn a_list_or_text_of_all_rows_or_of_most_spills() {
    check_spills(
        "SELECT array_agg(key), array_agg(DISTINCT key ORDER BY key DESC), string_agg(key::VARCHAR, ',' ORDER BY value, key)
         FROM INPUT",
    );
    check_spills(
        "SELECT CASE WHEN key % 10 = 0 THEN key % 7 ELSE -1 END k, array_agg(DISTINCT key) l, string_agg(key::VARCHAR, '') s
         FROM INPUT GROUP BY k ORDER BY k",
    );
    check_spills("SELECT len(array_agg(value ORDER BY key)), len(string_agg(text, '; ')) FROM INPUT WHERE key < 40000");
}

#[test]
fn a_list_that_does_not_fit_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 120_000);
    let sql = format!("SELECT array_agg(text) FROM '{}/input.csv'", folder.path().display());
    let error = run(config(TINY, 2), &sql).expect_err("7 MB do not fit into 6 MB");
    assert_eq!(error.class(), ErrorClass::Resource, "{error}");
    assert!(error.to_string().contains("what is made of one group does not fit"), "{error}");
}

#[test]
fn lists_and_joined_texts_spill() {
    check_spills(
        "SELECT * FROM (SELECT key, array_agg(text ORDER BY value DESC) l, string_agg(value, ',') s, first(text ORDER BY value) f,
                               array_agg(DISTINCT value ORDER BY value) d, histogram(value, 0, 1000, 4) h
                        FROM INPUT GROUP BY key) ORDER BY key",
    );
}

#[test]
fn lists_are_sorted_and_grouped_on_disk() {
    check_spills("SELECT [key, value] l, [text] t FROM INPUT ORDER BY t, l");
    check_spills("SELECT count(*), max(n) FROM (SELECT count(*) n FROM INPUT GROUP BY [text, 'and more'])");
}

#[test]
fn sort_spills() {
    check_spills("SELECT text, value, key FROM INPUT ORDER BY value DESC, text");
}

#[test]
fn tables_of_the_session_spill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 120_000);
    let session = Session::new(config(TINY, 2)).expect("a session");
    session
        .execute(&format!("CREATE TABLE t AS SELECT * FROM '{}/input.csv'", folder.path().display()))
        .expect("it fits on disk");
    let sum = |from: &str| {
        session.sql(&format!("SELECT sum(value), count(*), min(text) FROM {from}")).unwrap().compute().unwrap()
    };
    assert_eq!(sum("t"), sum(&format!("'{}/input.csv'", folder.path().display())));
    session.execute("INSERT INTO t SELECT * FROM t").expect("a table can grow from itself");
    assert_eq!(session.table("t").unwrap().count_rows().unwrap(), 240_000);
}

#[test]
fn a_full_quota_is_an_error_and_the_session_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 120_000);
    let session = Session::new(Config { max_spill: Some(1 << 20), ..config(TINY, 2) }).expect("a session");
    let sql = format!("SELECT * FROM '{}/input.csv' ORDER BY text", folder.path().display());
    let error = session.sql(&sql).unwrap().for_each_batch(|_| Ok(())).expect_err("1 MiB of disk is not enough");
    assert_eq!(error.class(), ErrorClass::Resource, "{error}");
    assert!(error.to_string().contains("spill"), "{error}");
    let count = format!("SELECT count(*) FROM '{}/input.csv'", folder.path().display());
    assert_eq!(session.sql(&count).unwrap().compute().unwrap().num_rows(), 1);
}

#[test]
fn a_budget_too_small_says_who_needs_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 50_000);
    let session = Session::new(config(1 << 20, 2)).expect("a session");
    let frame = session.sql(&format!("SELECT * FROM '{}/input.csv'", folder.path().display())).unwrap();
    let error = frame.compute().expect_err("the result does not fit");
    assert_eq!(error.class(), ErrorClass::Resource, "{error}");
    assert!(error.to_string().contains("result"), "{error}");
    assert!(error.to_string().contains("memory-limit"), "{error}");
}

struct Nobody;

impl Receiver for Nobody {
    fn schema(&mut self, _: &SchemaRef) -> Result<()> {
        Ok(())
    }

    fn batch(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_interrupt_ends_a_query_within_a_second() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 200_000);
    for scheduler in [Scheduler::Threads, Scheduler::Synchronous] {
        let session = Session::new(Config { scheduler, ..config(TINY, 2) }).expect("a session");
        let statements = session
            .parse(&format!("SELECT * FROM '{}/input.csv' ORDER BY text, value", folder.path().display()))
            .expect("it parses");
        let cancel = CancelToken::default();
        let options = RunOptions { cancel: cancel.clone(), ..RunOptions::default() };
        let runner = std::thread::spawn(move || {
            let result = session.run(&statements[0], &options, &mut Nobody);
            (result, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(100));
        let asked = Instant::now();
        cancel.cancel();
        let (result, ended) = runner.join().expect("no panic");
        match result {
            Err(error) => assert_eq!(error.class(), ErrorClass::Cancelled, "{error}"),
            Ok(outcome) => {
                assert!(matches!(outcome, Outcome::Rows { rows: 200_000 }), "it was faster than the interrupt")
            }
        }
        assert!(ended.saturating_duration_since(asked) < Duration::from_secs(1));
    }
}

#[test]
fn dropping_the_iterator_ends_the_query() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 200_000);
    let session = Session::new(config(64 << 20, 2)).expect("a session");
    let frame = session.sql(&format!("SELECT * FROM '{}/input.csv'", folder.path().display())).unwrap();
    let mut batches = frame.batches();
    assert!(batches.next().unwrap().unwrap().num_rows() > 0);
    let since = Instant::now();
    drop(batches);
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(frame.count_rows().unwrap(), 200_000);
}

#[test]
fn ties_among_groups_are_decided_the_same_way_every_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 60_000);
    let sql = format!(
        "SELECT key, c FROM (SELECT key, count(*) c FROM '{}/input.csv' GROUP BY key) ORDER BY c LIMIT 20",
        folder.path().display()
    );
    let (expected, _, _) = run(config(1 << 30, 1), &sql).expect("the query runs");
    for (limit, threads) in [(1 << 30, 2), (1 << 30, 3), (TINY, 1), (TINY, 3)] {
        for _ in 0..3 {
            let (ours, _, _) = run(config(limit, threads), &sql).expect("the query runs");
            assert_eq!(together(&ours), together(&expected), "{threads} threads, {limit} bytes");
        }
    }
}

#[test]
fn an_error_behind_a_limit_is_not_met_whatever_the_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut text = String::from("n\n");
    (0..50_000).for_each(|n| text.push_str(&format!("{n}\n")));
    text.push_str("oops\n");
    (0..50_000).for_each(|n| text.push_str(&format!("{n}\n")));
    std::fs::write(folder.path().join("input.csv"), text).expect("a writable folder");
    let from = format!("read_csv('{}/input.csv', types = {{'n': 'BIGINT'}})", folder.path().display());
    for threads in [1, 2, 4] {
        for _ in 0..5 {
            let small = || Config { partition_bytes: 64 << 10, ..config(1 << 30, threads) };
            let (rows, _, _) = run(small(), &format!("SELECT n FROM {from} LIMIT 1")).expect("the first row is right");
            assert_eq!(together(&rows).num_rows(), 1);
            let error = run(small(), &format!("SELECT max(n) FROM {from}")).expect_err("a value is wrong");
            assert_eq!(error.kind().location.line, Some(50_002), "{error}");
        }
    }
}

#[test]
fn queries_run_within_queries() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 50_000);
    for threads in [1, 2] {
        let session = Session::new(config(1 << 30, threads)).expect("a session");
        let frame = session.sql(&format!("SELECT * FROM '{}/input.csv'", folder.path().display())).unwrap();
        let pairs = frame.batches().zip(frame.batches());
        let rows: usize = pairs.map(|(a, b)| (a.unwrap().num_rows() + b.unwrap().num_rows()) / 2).sum();
        assert_eq!(rows, 50_000);
        let mut seen = 0;
        frame
            .for_each_batch(|_| {
                if seen == 0 {
                    assert_eq!(frame.count_rows()?, 50_000);
                }
                seen += 1;
                Ok(())
            })
            .expect("a query within a query");
    }
}

/// The rows and the peak of what the query says it reserves, with the counters of its gap filling.
fn fill_gaps(sql: &str, memory_limit: u64) -> (u64, u64, u64) {
    let session = Session::new(config(memory_limit, 2)).expect("a session");
    let mut rows = 0;
    let frame = session.sql(sql).expect("the query binds");
    let used = frame.for_each_batch(|batch| {
        rows += batch.num_rows() as u64;
        Ok(())
    });
    let used = used.expect("the query runs");
    let metrics = used.metrics();
    let peak = metrics.iter().map(|(_, metrics)| OperatorMetrics::get(&metrics.peak_reserved)).max().unwrap_or(0);
    let filled = metrics.iter().filter(|(headline, _)| headline.starts_with("FillGaps"));
    (rows, peak, filled.map(|(_, metrics)| OperatorMetrics::get(&metrics.rows_out)).sum())
}

const SECONDS: &str =
    "SELECT time_bucket_gapfill('1 second', ts) AS second, locf(max(x)) AS l, interpolate(max(x)) AS i
     FROM (VALUES (TIMESTAMP '2024-01-01', 1), ('2024-02-01', 3), ('2024-03-01', 2)) AS v (ts, x) GROUP BY second";

#[test]
fn more_buckets_than_memory_are_given_in_order_batch_by_batch() {
    let (rows, peak, _) = fill_gaps(&format!("{SECONDS} ORDER BY second"), TINY);
    assert_eq!(rows, 60 * 86_400 + 1);
    assert!(peak < 2 << 20, "{peak} bytes were reserved");
}

#[test]
fn a_limit_ends_the_filling_of_gaps() {
    let (rows, _, filled) = fill_gaps(&format!("{SECONDS} ORDER BY second LIMIT 10"), TINY);
    assert_eq!(rows, 10);
    assert!(filled <= 2048, "{filled} buckets were filled");
}

#[test]
fn series_that_do_not_fit_are_filled_from_a_sort_that_spills() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_input(folder.path(), 120_000);
    let sql = format!(
        "SELECT count(*), sum(l), count(l) FROM
           (SELECT time_bucket_gapfill('1 hour', TIMESTAMP '2024-01-01' + value * INTERVAL '1 hour') AS hour, key % 5000 AS k,
                   locf(max(value)) AS l
            FROM '{}/input.csv' GROUP BY ALL)",
        folder.path().display()
    );
    let (expected, ..) = run(config(1 << 30, 2), &sql).expect("the query runs in memory");
    let (ours, spilled, peak) = run(config(TINY, 2), &sql).expect("the query runs on disk");
    assert!(spilled > 0 && peak <= TINY, "{spilled} spilled, {peak} reserved");
    assert_eq!(together(&ours), together(&expected));
}
