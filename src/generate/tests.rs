//! The generators: the same bytes at any number of threads, and the domains that the originals have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::io::write::Existing;
use crate::types::interval::parse_interval;
use crate::types::temporal::parse_timestamp;

fn with_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().into(), std::fs::read(path).unwrap())).collect()
}

fn control(cancel: &CancelToken) -> GenerateControl<'_> {
    GenerateControl { cancel, progress: &|_, _| {}, write: WriteContext::default() }
}

fn series(dir: &Path, start: &str, end: &str, freq: &str, partition: &str) -> TimeseriesOptions {
    TimeseriesOptions {
        start: parse_timestamp(start).unwrap().0,
        end: parse_timestamp(end).unwrap().0,
        freq: parse_interval(freq, None).unwrap(),
        partition_freq: parse_interval(partition, None).unwrap(),
        decimals: None,
        seed: 1,
        output: dir.to_path_buf(),
        format: OutputFormat::Csv,
        existing: Existing::Error,
    }
}

fn groups(dir: &Path, rows: u64, files: u64) -> GroupbyOptions {
    GroupbyOptions {
        rows,
        groups: 100,
        nulls: 0.0,
        seed: 1,
        files,
        output: dir.to_path_buf(),
        format: OutputFormat::Csv,
        existing: Existing::Error,
    }
}

fn records(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = ::csv::Reader::from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(String::from).collect()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_number_of_threads() {
    for format in [OutputFormat::Csv, OutputFormat::Parquet] {
        let run = |threads, seed| {
            let dir = tempfile::tempdir().unwrap();
            let cancel = CancelToken::default();
            let options = TimeseriesOptions {
                seed,
                format,
                ..series(&dir.path().join("a"), "2000-01-01", "2000-01-03", "2 s", "1 day")
            };
            let by_group = GroupbyOptions { seed, format, ..groups(&dir.path().join("b"), 50_000, 2) };
            with_threads(threads, || {
                timeseries(&options, &control(&cancel)).unwrap();
                groupby(&by_group, &control(&cancel)).unwrap();
            });
            (contents(&dir.path().join("a")), contents(&dir.path().join("b")))
        };
        let once = run(1, 1);
        assert_eq!(once, run(2, 1));
        assert_ne!(once, run(2, 2));
    }
}

#[test]
fn values_do_not_depend_on_how_rows_are_cut_into_files() {
    let rows = |files| {
        let dir = tempfile::tempdir().unwrap();
        groupby(&groups(dir.path(), 1000, files), &control(&CancelToken::default())).unwrap();
        contents(dir.path()).values().flat_map(|bytes| records(bytes)).collect::<Vec<_>>()
    };
    assert_eq!(rows(1), rows(7));
}

#[test]
fn a_series_has_a_file_per_month_and_every_moment_once() {
    let dir = tempfile::tempdir().unwrap();
    let options = series(dir.path(), "2000-01-01", "2000-04-10", "1 hour", "1 month");
    let summary = timeseries(&options, &control(&CancelToken::default())).unwrap();
    let files = contents(dir.path());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["timeseries-2000-01.csv", "timeseries-2000-02.csv", "timeseries-2000-03.csv", "timeseries-2000-04.csv"]
    );
    let rows: Vec<usize> = files.values().map(|bytes| records(bytes).len()).collect();
    assert_eq!(rows, [31 * 24, 29 * 24, 31 * 24, 9 * 24]);
    let bytes: usize = files.values().map(Vec::len).sum();
    assert_eq!(summary, GenerateSummary { files: 4, rows: 100 * 24, bytes: bytes as u64 });
    let february = records(&files["timeseries-2000-02.csv"]);
    assert_eq!(february[0][0], "2000-02-01 00:00:00");
    assert_eq!(february[february.len() - 1][0], "2000-02-29 23:00:00");
    for row in files.values().flat_map(|bytes| records(bytes)) {
        assert!((700..1300).contains(&row[1].parse::<i64>().unwrap()), "{row:?}");
        assert!(("Alice"..="Zelda").contains(&row[2].as_str()), "{row:?}");
        for field in &row[3..] {
            assert!((-1.0..1.0).contains(&field.parse::<f64>().unwrap()), "{row:?}");
        }
    }
}

#[test]
fn partitions_begin_on_the_same_day_of_the_month_as_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let options = series(dir.path(), "2001-01-31", "2001-05-01", "1 day", "1 month");
    timeseries(&options, &control(&CancelToken::default())).unwrap();
    let first: Vec<String> = contents(dir.path()).values().map(|bytes| records(bytes)[0][0].clone()).collect();
    let days = ["2001-01-31", "2001-02-28", "2001-03-31", "2001-04-30"];
    assert_eq!(first, days.map(|day| format!("{day} 00:00:00")));
}

#[test]
fn groupby_has_the_domains_of_the_benchmark() {
    let dir = tempfile::tempdir().unwrap();
    let options = GroupbyOptions { groups: 10, ..groups(&dir.path().join("g.csv"), 20_000, 1) };
    let summary = groupby(&options, &control(&CancelToken::default())).unwrap();
    assert_eq!((summary.files, summary.rows), (1, 20_000));
    let rows = records(&contents(dir.path())["g.csv"]);
    let distinct = |column: usize| rows.iter().map(|row| row[column].clone()).collect::<BTreeSet<_>>();
    let tens: BTreeSet<String> = (1..=10).map(|id| format!("id{id:03}")).collect();
    assert_eq!(distinct(0), tens);
    assert_eq!(distinct(1), tens);
    assert!(distinct(2).iter().all(|id| id.len() == 12 && id[2..].parse::<u64>().unwrap() <= 2000));
    assert_eq!(distinct(3).len(), 10);
    assert!(distinct(5).iter().all(|id| (1..=2000).contains(&id.parse::<u64>().unwrap())));
    assert_eq!(distinct(6), (1..=5).map(|value| value.to_string()).collect());
    assert_eq!(distinct(7).len(), 15);
    for row in &rows {
        let (_, decimals) = row[8].split_once('.').unwrap();
        assert!(decimals.len() <= 6 && (0.0..=100.0).contains(&row[8].parse::<f64>().unwrap()), "{row:?}");
    }
}

#[test]
fn nulls_come_in_their_share() {
    let dir = tempfile::tempdir().unwrap();
    let options = GroupbyOptions { nulls: 20.0, groups: 1000, ..groups(dir.path(), 20_000, 1) };
    groupby(&options, &control(&CancelToken::default())).unwrap();
    let rows = records(&contents(dir.path())["groupby.csv"]);
    for column in 0..9 {
        let nulls = rows.iter().filter(|row| row[column].is_empty()).count();
        assert!((2000..6500).contains(&nulls), "column {column}: {nulls}");
    }
}

#[test]
fn a_cancelled_or_refused_run_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cancel = CancelToken::default();
    cancel.cancel();
    let error = groupby(&groups(dir.path(), 1000, 3), &control(&cancel)).unwrap_err();
    assert_eq!(error.exit_code(), 130);
    assert!(contents(dir.path()).is_empty());
    std::fs::write(dir.path().join("groupby-0002.csv"), "mine").unwrap();
    let error = groupby(&groups(dir.path(), 1000, 3), &control(&CancelToken::default())).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(contents(dir.path()).len(), 1);
    for wrong in [
        series(dir.path(), "2000-01-02", "2000-01-01", "1 s", "1 day"),
        series(dir.path(), "2000-01-01", "2000-01-02", "1 month", "1 day"),
        series(dir.path(), "2000-01-01", "2000-01-02", "1 s", "1 month 1 day"),
        series(&dir.path().join("a/b"), "2000-01-01", "2000-01-02", "1 s", "1 day"),
    ] {
        assert_eq!(timeseries(&wrong, &control(&CancelToken::default())).unwrap_err().exit_code(), 2);
    }
}

#[test]
fn decimals_round_the_values_and_leave_the_others_alone() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let cancel = CancelToken::default();
    let [exact, rounded] = [None, Some(6)].map(|decimals| {
        let dir = dirs[usize::from(decimals.is_some())].path();
        let options = TimeseriesOptions { decimals, ..series(dir, "2000-01-01", "2000-01-02", "1min", "1d") };
        timeseries(&options, &control(&cancel)).unwrap();
        records(contents(dir).values().next().unwrap())
    });
    assert_eq!(exact.len(), rounded.len());
    for (exact, rounded) in exact.iter().zip(&rounded).skip(1) {
        assert_eq!(exact[..3], rounded[..3]);
        for (exact, rounded) in exact[3..].iter().zip(&rounded[3..]) {
            let (_, digits) = rounded.split_once('.').unwrap_or((rounded, ""));
            assert!(digits.len() <= 6, "{rounded}");
            assert!((exact.parse::<f64>().unwrap() - rounded.parse::<f64>().unwrap()).abs() <= 0.5e-6 + 1e-12);
        }
    }
}
