//! JSON files end to end: types, nested values, what does not fit, and the same rows however files are cut.

use std::fs;
use std::io::Write;

use highwater::config::Config;
use highwater::error::{Error, Result};
use highwater::io::options::{OptionValue, Options};
use highwater::prelude::*;
use highwater::types::temporal::format_value;
use proptest::prelude::*;

fn session(threads: usize, batch_size: usize, partition_bytes: u64) -> Session {
    Session::new(Config { threads, batch_size, partition_bytes, ..Config::default() }).unwrap()
}

fn usual() -> Session {
    session(2, 8192, 1 << 20)
}

fn shown(session: &Session, sql: &str) -> Result<Vec<String>> {
    let batch = session.sql(sql)?.compute()?;
    let cell = |row| batch.columns().iter().map(move |column| format_value(column, row).unwrap_or("NULL".into()));
    Ok((0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join("|")).collect())
}

fn rows(sql: &str) -> Vec<String> {
    shown(&usual(), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn fails(sql: &str) -> Error {
    shown(&usual(), sql).expect_err(sql)
}

/// A folder with files of that content.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
    }
    let path = dir.path().display().to_string();
    (dir, path)
}

#[test]
fn values_have_the_types_that_they_show() {
    let text = concat!(
        r#"{"i": 1, "f": 1.5, "b": true, "t": "a\u00e4\n\"x\"", "d": "2024-02-29", "ts": "2024-02-29T10:00:00", "l": [1, null, 3], "o": {"x": [1, 2]}}"#,
        "\r\n\n",
        r#"{"t": "plain", "i": null, "f": 2, "n": 18446744073709551615, "l": [], "m": "x"}"#,
        "\n",
        r#"{"i":-3,"ts":"2024-03-01","m":5,"o":"text","l":null}"#,
    );
    let (_dir, path) = folder(&[("x.jsonl", text)]);
    let frame = usual().sql(&format!("FROM '{path}/x.jsonl'")).unwrap();
    let types: Vec<String> = frame
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), highwater::types::sql_name(field.data_type())))
        .collect();
    let expected = "i BIGINT, f DOUBLE, b BOOLEAN, t VARCHAR, d DATE, ts TIMESTAMP, l BIGINT[], o VARCHAR, n DECIMAL(38,0), m VARCHAR";
    assert_eq!(types.join(", "), expected);
    assert_eq!(
        rows(&format!("FROM '{path}/x.jsonl'")),
        [
            "1|1.5|true|aä\n\"x\"|2024-02-29|2024-02-29 10:00:00|[1, NULL, 3]|{\"x\": [1, 2]}|NULL|NULL",
            "NULL|2.0|NULL|plain|NULL|NULL|[]|NULL|18446744073709551615|x",
            "-3|NULL|NULL|NULL|NULL|2024-03-01 00:00:00|NULL|text|NULL|5",
        ]
    );
    assert_eq!(rows(&format!("SELECT sum(i), count(*) FROM '{path}/*.jsonl' WHERE f > 1")), ["1|2"]);
}

#[test]
fn arrays_and_objects_over_several_lines_are_read() {
    let array = "\u{feff} [\n {\"a\": 1,\n  \"b\": \"]}\"} ,\n{\"a\":2}\n]\n";
    let pretty = "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n";
    let (_dir, path) = folder(&[
        ("x.json", array),
        ("p.json", pretty),
        ("e.json", "[]"),
        ("bom.jsonl", "\u{feff}{\"a\":1}\n{\"a\":2}"),
    ]);
    assert_eq!(rows(&format!("FROM '{path}/x.json'")), ["1|]}", "2|NULL"]);
    assert_eq!(rows(&format!("FROM '{path}/p.json'")), ["1", "2"]);
    assert_eq!(rows(&format!("FROM '{path}/bom.jsonl'")), ["1", "2"]);
    assert_eq!(rows(&format!("SELECT count(*), sum(a) FROM read_json('{path}/*.json')")), ["4|6"]);
    for (text, part) in [
        ("[{\"a\": 1} {\"a\": 2}]", "neither a comma"),
        ("[{\"a\": 1}, {\"a\": 2}", "never closed"),
        ("[{\"a\": 1}] 5", "something follows"),
        ("[{\"a\": 1}, 5]", "not a JSON object"),
        ("{\"a\": 1}\n[1]\n", "not a JSON object"),
    ] {
        fs::write(format!("{path}/w.json"), text).unwrap();
        let error = fails(&format!("FROM '{path}/w.json'")).to_string();
        assert!(error.contains(part) && error.contains("w.json"), "{text}: {error}");
    }
}

#[test]
fn files_are_matched_by_key_and_paths_are_columns() {
    let (_dir, path) = folder(&[
        ("y=2024/a.ndjson", "{\"a\": 1, \"y\": 7}\n"),
        ("y=2025/b.ndjson", "{\"b\": \"x\"}\n{\"a\": 2.5}\n"),
        ("y=2025/empty.ndjson", ""),
    ]);
    assert_eq!(rows(&format!("SELECT a, b, y FROM '{path}'")), ["1.0|NULL|2024", "NULL|x|2025", "2.5|NULL|2025"]);
    assert_eq!(rows(&format!("SELECT a FROM '{path}' WHERE y = 2024")), ["1.0"]);
    let named =
        format!("SELECT count(DISTINCT f) FROM read_ndjson('{path}', filename = 'f', hive_partitioning = false)");
    assert_eq!(rows(&named), ["2"]);
    let error = fails(&format!("FROM '{path}/y=2025/empty.ndjson'")).to_string();
    assert!(error.contains("has no record") && error.contains("columns ="), "{error}");
    assert_eq!(
        rows(&format!(
            "SELECT count(*), max(q) FROM read_json('{path}/y=2025/empty.ndjson', columns = {{'q': 'INTEGER'}})"
        )),
        ["0|NULL"]
    );
}

#[test]
fn types_may_be_given() {
    let (_dir, path) =
        folder(&[("x.jsonl", "{\"id\": \"007\", \"n\": \"12\", \"l\": [\"1\", 2]}\n{\"id\": 8, \"extra\": 1}\n")]);
    let typed = |options: &str| rows(&format!("SELECT * FROM read_json('{path}/x.jsonl', {options})"));
    assert_eq!(typed("types = {'N': 'SMALLINT', 'l': 'INTEGER[]'}"), ["007|12|[1, 2]|NULL", "8|NULL|NULL|1"]);
    assert_eq!(typed("columns = {'id': 'INTEGER', 'l': 'JSON', 'none': 'DATE'}"), ["7|[\"1\", 2]|NULL", "8|NULL|NULL"]);
    for (options, part) in [
        ("columns = {'id': 'INTEGR'}", "no type"),
        ("typs = {'id': 'INTEGER'}", "did you mean 'types'"),
        ("types = 'x'", "map of names"),
        ("delim = ';'", "no option 'delim'"),
        ("format = 'x'", "newline_delimited"),
        ("on_error = 'widen'", "sample_size"),
        ("types = {'id': 'INTEGER[][]'}", "no type"),
    ] {
        let error = fails(&format!("FROM read_json('{path}/x.jsonl', {options})"));
        assert!(error.exit_code() == 2 && error.to_string().contains(part), "{options}: {error}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let text: String = (0..20_000).map(|i| format!("{{\"a\": {i}, \"b\": \"{}\"}}\n", "x".repeat(20))).collect();
    // Behind the head and away from the middle and the end, where no sample looks.
    let place = text.find("{\"a\": 5000,").unwrap();
    let with = |line: &str| {
        let mut text = text.clone();
        text.insert_str(place, line);
        folder(&[("x.jsonl", &text)])
    };
    for (line, part, raw) in [
        ("{\"a\": \"five\"}\n", "BIGINT, which samples", "text: \"five\""),
        ("{\"a\": 5.5}\n", "BIGINT, which samples", "5.5"),
        ("{\"a\": [5]}\n", "BIGINT, which samples", "[5]"),
        ("{\"a\": 5\n", "ends too early", "{\\\"a\\\": 5"),
        ("{\"a\": 5}}\n", "something follows", "}}"),
        ("5,six\n", "not a JSON object", "5,six"),
        ("{\"c\": 5}\n", "the key 'c' has no column", "column \"c\""),
        ("{\"a\": 5, \"a\": 6}\n", "the key 'a' comes twice", "column \"a\""),
        ("{\"b\": \"\u{1}\"}\n", "control character", "u{1}"),
    ] {
        let (_dir, path) = with(line);
        // Also for queries that ask for nothing else.
        let error = fails(&format!("SELECT sum(a) FROM '{path}/x.jsonl'")).to_string();
        for part in [part, raw, "x.jsonl", "line 5001", "hint"] {
            assert!(error.contains(part), "{line}: {error} {part}");
        }
        let rejecting = format!("read_json('{path}/x.jsonl', on_error = 'reject')");
        assert_eq!(rows(&format!("SELECT count(*), sum(a) FROM {rejecting}")), ["20000|199990000"], "{line}");
        assert_eq!(rows(&format!("SELECT count(*) FROM {rejecting}")), ["20000"], "{line}");
        assert!(
            fails(&format!("SELECT count(a) FROM read_json('{path}/x.jsonl', max_rejects = 0)"))
                .to_string()
                .contains("line 5001")
        );
        let limited = format!("SELECT a FROM '{path}/x.jsonl' LIMIT 2");
        assert_eq!(rows(&limited), ["0", "1"], "what a LIMIT does not need is not judged");
    }
    let (_dir, path) = with("{\"a\": \"five\", \"b\": \"null\"}\n");
    let nulled = format!("SELECT count(*), count(a), count(b) FROM read_json('{path}/x.jsonl', on_error = 'null')");
    assert_eq!(rows(&nulled), ["20001|20000|20001"]);
    assert_eq!(
        rows(&format!("SELECT count(a), min(length(a)) FROM read_json('{path}/x.jsonl', sample_size = -1)")),
        ["20001|1"]
    );
    let (_dir, path) = with("{\"c\": 5}\n");
    assert_eq!(rows(&format!("SELECT count(c) FROM read_json('{path}/x.jsonl', sample_size = -1)")), ["1"]);
    assert_eq!(rows(&format!("SELECT count(*) FROM read_json('{path}/x.jsonl', ignore_extra = true)")), ["20001"]);
    assert_eq!(rows(&format!("SELECT count(c) FROM read_json('{path}/x.jsonl', types = {{'c': 'INTEGER'}})")), ["1"]);
}

#[test]
fn rejected_records_are_in_the_log() {
    let (_dir, path) = folder(&[("x.jsonl", "{\"a\": 1}\nnonsense\n{\"a\": \"x\"}\n{\"a\": 3}\n")]);
    let session = usual();
    let read = format!("SELECT a FROM read_json('{path}/x.jsonl', types = {{'a': 'INTEGER'}}, on_error = 'reject')");
    assert_eq!(shown(&session, &read).unwrap(), ["1", "3"]);
    assert_eq!(
        shown(&session, "SELECT line, byte_offset, \"column\", reason, raw, record FROM rejects()").unwrap(),
        ["2|9|NULL|not a JSON object|NULL|nonsense", "3|18|a|not an INTEGER|x|{\"a\": \"x\"}"]
    );
}

#[test]
fn compressed_files_are_read() {
    let (dir, path) = folder(&[]);
    let text: String = (0..50_000).map(|i| format!("{{\"a\": {i}}}\n")).collect();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(text.as_bytes()).unwrap();
    fs::write(dir.path().join("x.jsonl.gz"), zipped.finish().unwrap()).unwrap();
    fs::write(dir.path().join("y.json.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    for file in ["x.jsonl.gz", "y.json.zst"] {
        assert_eq!(rows(&format!("SELECT count(*), sum(a) FROM '{path}/{file}'")), ["50000|1249975000"], "{file}");
    }
}

#[test]
fn what_is_written_is_read() {
    let (_dir, path) = folder(&[]);
    let query = "SELECT 1 AS i, 1.5::DECIMAL(5,2) AS d, 'a\"b\\c' AS t, DATE '2024-02-29' AS day, [1, 2] AS l, NULL::INTEGER AS n, \
        TIMESTAMP '2024-02-29 10:00:00.5' AS ts UNION ALL SELECT 2, 2.25, 'ü', DATE '2024-03-01', [3], 4, TIMESTAMP '2024-03-01 00:00:00'";
    for file in ["x.json", "x.jsonl"] {
        usual().execute(&format!("COPY ({query}) TO '{path}/{file}'")).unwrap();
        assert_eq!(
            rows(&format!("FROM '{path}/{file}'")),
            [
                "1|1.5|a\"b\\c|2024-02-29|[1, 2]|NULL|2024-02-29 10:00:00.5",
                "2|2.25|ü|2024-03-01|[3]|4|2024-03-01 00:00:00"
            ]
        );
    }
    let options: Options =
        vec![("types".into(), OptionValue::Map(vec![("i".into(), OptionValue::Text("VARCHAR".into()))]))];
    let frame = usual().read_json(&format!("{path}/x.jsonl"), &options).unwrap();
    assert_eq!(frame.select([col("i")]).unwrap().compute().unwrap().num_rows(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn however_files_are_cut_the_rows_are_the_same(
        values in prop::collection::vec((any::<Option<i32>>(), "[a-z\"\\\\{}\\[\\]:, \u{e4}\u{1f600}]{0,12}"), 1..80),
        threads in 1usize..4, batch in 1usize..40, partition in 1u64..300, array in any::<bool>(),
    ) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let records: Vec<String> = values.iter().map(|(number, text)| match number {
            Some(number) => format!("{{\"n\": {number}, \"t\": \"{}\"}}", escaped(text)),
            None => format!("{{\"t\": \"{}\"}}", escaped(text)),
        }).collect();
        let text = if array { format!("[{}]", records.join(",\n")) } else { records.join("\n") };
        let (_dir, path) = folder(&[("x.json", &text)]);
        let read = shown(&session(threads, batch, partition), &format!("SELECT * FROM read_json('{path}/x.json', types = {{'n': 'INTEGER', 't': 'VARCHAR'}})"));
        let number_first = values.first().is_some_and(|(number, _)| number.is_some());
        let expected: Vec<String> = values.iter().map(|(number, text)| {
            let number = number.map_or("NULL".to_string(), |number| number.to_string());
            if number_first { format!("{number}|{text}") } else { format!("{text}|{number}") }
        }).collect();
        prop_assert_eq!(read.unwrap(), expected);
    }
}

#[test]
fn folders_of_tables_may_hold_notes_in_json() {
    let (_dir, path) = folder(&[("a.csv", "x\n1\n"), ("about.json", "{\"title\": \"t\"}")]);
    assert_eq!(rows(&format!("FROM '{path}'")), ["1"]);
    assert!(fails(&format!("FROM '{path}/*'")).to_string().contains("not of one format"));
}
