//! The command line as a user has it: output, errors, exit codes, files left behind.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn highwater() -> Command {
    let mut command = Command::cargo_bin("highwater").expect("the binary is built");
    // The user's own configuration must not change what is tested.
    command.env("XDG_CONFIG_HOME", "/nonexistent").env_remove("HIGHWATER_THREADS").arg("--threads").arg("2");
    command
}

fn query(sql: &str) -> assert_cmd::assert::Assert {
    highwater().args(["-c", sql]).assert()
}

/// Names of what is in a folder, hidden files too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_question_over_the_data_is_answered_as_csv_when_piped() {
    query("SELECT origin, count(*) AS flights FROM 'data/flights/*.csv' GROUP BY origin ORDER BY origin")
        .success()
        .stdout("origin,flights\nEWR,120835\nJFK,111279\nLGA,104662\n")
        .stderr("");
}

#[test]
fn every_format_has_the_value() {
    for format in ["table", "csv", "tsv", "json", "jsonl", "markdown", "line", "box"] {
        highwater()
            .args(["--format", format, "-c", "SELECT 42 AS answer, 'text' AS word"])
            .assert()
            .success()
            .stdout(contains("42").and(contains("text")).and(contains("answer")));
    }
}

#[test]
fn every_format_has_lists() {
    for (format, shown) in [
        ("table", "│ [1, NULL, 3] │ ['a, b', c] │"),
        ("box", "│ [1, NULL, 3] │ ['a, b', c] │"),
        ("csv", "\"[1, NULL, 3]\",\"['a, b', c]\""),
        ("tsv", "[1, NULL, 3]\t['a, b', c]"),
        ("json", r#"{"l":[1,null,3],"s":["a, b","c"]}"#),
        ("jsonl", r#"{"l":[1,null,3],"s":["a, b","c"]}"#),
        ("markdown", "| [1, NULL, 3] | ['a, b', c] |"),
        ("line", "l = [1, NULL, 3]\ns = ['a, b', c]"),
    ] {
        let query = "SELECT [1, NULL, 3] AS l, ['a, b', 'c'] AS s";
        highwater().args(["--format", format, "-c", query]).assert().success().stdout(contains(shown));
    }
}

#[test]
fn files_with_lists_are_written_read_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("l.parquet").display().to_string();
    let write = format!("COPY (SELECT i, [i, NULL] AS l FROM generate_series(1, 3) AS g(i)) TO '{file}'");
    highwater().args(["-c", &write]).assert().success();
    let read = format!("SELECT sum(l[1]), count(l) FROM '{file}' WHERE len(l) = 2");
    highwater().args(["-c", &read]).assert().success().stdout(contains("6,3"));
    highwater().args(["describe", &file]).assert().success().stdout(contains("BIGINT[]"));
    highwater().args(["head", &file]).assert().success().stdout(contains("[1, NULL]"));
    let intervals = format!("COPY (SELECT [INTERVAL '1 day'] AS l) TO '{file}.other.parquet'");
    highwater().args(["-c", &intervals]).assert().failure().stderr(contains("lists of intervals"));
}

#[test]
fn statements_come_from_arguments_files_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("q.sql");
    fs::write(&file, "CREATE TABLE t AS SELECT 1 AS a;\nSELECT a + 1 AS b FROM t;\n").unwrap();
    highwater().arg("-f").arg(&file).assert().success().stdout(contains("b\n2\n"));
    highwater().write_stdin("SELECT 3 AS c;").assert().success().stdout("c\n3\n");
    highwater()
        .args(["-c", "SELECT 1 AS a", "-c", "SELECT 2 AS b"])
        .assert()
        .success()
        .stdout(contains("a\n1\n").and(contains("b\n2\n")));
}

#[test]
fn errors_have_their_exit_codes() {
    query("SELECT 1 FROM 'nothing/*.csv'").code(1).stderr(contains("nothing/*.csv"));
    query("SELEC 1").code(1).stderr(contains("error"));
    query("SELECT nosuch(1)").code(1).stderr(contains("nosuch"));
    highwater().arg("--nonsense").assert().code(2);
    highwater().args(["--memory-limit", "many", "-c", "SELECT 1"]).assert().code(2).stderr(contains("many"));
    highwater()
        .args([
            "--max-spill",
            "10KB",
            "--memory-limit",
            "40MB",
            "-c",
            "SELECT * FROM 'data/flights/*.csv' ORDER BY tailnum",
        ])
        .assert()
        .code(3)
        .stderr(contains("spill"));
}

#[test]
fn an_unknown_column_has_a_suggestion_and_its_place() {
    query("SELECT origin,\n       carier FROM 'data/flights/2013-01.csv'")
        .code(1)
        .stderr(contains("carier").and(contains("carrier")).and(contains("2")));
}

#[test]
fn an_unknown_function_has_a_suggestion() {
    query("SELECT coun(*) FROM 'data/airlines.csv'").code(1).stderr(contains("count"));
}

#[test]
fn types_are_checked_before_anything_is_read() {
    query("SELECT dep_time + carrier FROM 'data/flights/2013-01.csv'").code(1).stderr(contains("VARCHAR"));
    query("SELECT * FROM 'data/flights/2013-01.csv' WHERE time_hour > 'yesterday'")
        .code(1)
        .stderr(contains("yesterday"));
}

#[test]
fn bad_input_says_where() {
    let cases = [
        ("SELECT sum(amount) FROM 'tests/data/bad_value.csv'", vec!["bad_value.csv", "2002", "amount", "abc"]),
        ("SELECT * FROM 'tests/data/ragged.csv'", vec!["ragged.csv", "line 4"]),
        ("SELECT * FROM 'tests/data/unterminated.csv'", vec!["unterminated.csv", "line 3"]),
        ("SELECT * FROM 'tests/data/binary.csv'", vec!["binary.csv"]),
        ("SELECT * FROM 'tests/data/latin1.csv'", vec!["latin1.csv", "UTF-8"]),
        ("SELECT * FROM 'tests/data/empty.csv'", vec!["empty.csv"]),
        ("SELECT * FROM 'tests/slt'", vec!["tests/slt"]),
        ("SELECT * FROM read_csv('data/airlines.csv', delm = ';')", vec!["delm", "delim"]),
        ("SELECT * FROM read_csv('data/airlines.csv', types = {'carier': 'VARCHAR'})", vec!["carier", "carrier"]),
        ("SELECT x FROM (SELECT 1 AS x, 2 AS x)", vec!["ambiguous"]),
    ];
    for (sql, words) in cases {
        // A wrong option of a reader is wrong usage; all else is wrong data or SQL.
        let code = if sql.contains("read_csv") { 2 } else { 1 };
        // Rows before the one that ends the query are there already.
        let rows = match sql {
            _ if sql.contains("ragged") => "a,b,c\n1,2,3\n4,5,6\n",
            _ if sql.contains("unterminated") => "id,text\n1,fine\n",
            _ if sql.contains("latin1") => "id,city\n1,Bern\n",
            _ => "",
        };
        let assert = query(sql).code(code).stdout(rows);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        for word in words {
            assert!(error.contains(word), "{sql}: no {word:?} in\n{error}");
        }
    }
}

#[test]
fn rejected_rows_are_counted_and_told_by_the_exit_code() {
    query("SELECT sum(amount) AS s FROM read_csv('tests/data/bad_value.csv', on_error = 'reject')")
        .code(4)
        .stdout("s\n3299063\n")
        .stderr(
            contains("6,600 rows read, 6,599 kept, 1 rejected, 0 values set to null")
                .and(contains("line 2002"))
                .and(contains("amount"))
                .and(contains("abc")),
        );
    query("SELECT count(amount) AS n, count(*) AS all FROM read_csv('tests/data/bad_value.csv', on_error = 'null')")
        .success()
        .stdout("n,all\n6599,6600\n")
        .stderr(contains("6,600 kept, 0 rejected, 1 value set to null").and(contains("line 2002")));
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let mut child = Process::new(assert_cmd::cargo::cargo_bin("highwater"))
        .args(["-c", "SELECT * FROM 'data/flights/*.csv'"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn output_files_are_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out.csv");
    let sql = "SELECT carrier, name FROM 'data/airlines.csv' ORDER BY carrier LIMIT 1";
    highwater().args(["-c", sql, "-o"]).arg(&target).assert().success().stdout("");
    assert_eq!(fs::read_to_string(&target).unwrap(), "carrier,name\n9E,Endeavor Air Inc.\n");
    highwater().args(["-c", sql, "-o"]).arg(&target).assert().code(2).stderr(contains("overwrite"));
    highwater().args(["--existing", "overwrite", "-c", sql, "-o"]).arg(&target).assert().success();

    let failing =
        format!("COPY (SELECT amount FROM 'tests/data/bad_value.csv') TO '{}/bad.parquet'", folder.path().display());
    query(&failing).code(1);
    assert_eq!(names(folder.path()), ["out.csv"], "nothing partial is left");
}

#[test]
fn copy_writes_what_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let copy = format!("COPY (SELECT * FROM 'data/weather/*.csv') TO '{}/w.parquet'", folder.path().display());
    query(&copy).success();
    let sum = |from: &str| {
        let sql =
            format!("SELECT count(*) AS n, sum(temp) AS t, min(time_hour) AS a, count(wind_gust) AS g FROM '{from}'");
        query(&sql).success().get_output().stdout.clone()
    };
    assert_eq!(sum(&format!("{}/w.parquet", folder.path().display())), sum("data/weather/*.csv"));
    query(&copy).code(2).stderr(contains("overwrite"));
}

#[test]
fn parquet_is_the_same_file_at_any_number_of_threads_memory_and_batches() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        "row_group_size 10_000, row_group_bytes '1MB', bloom_filter ['origin'], kv_metadata {'source': 'nycflights13'},
        column_options {'temp': {codec: 'gzip', level: 9}, 'time_hour': {encoding: 'delta'}}, sorting_columns 'origin'";
    let files = [("1", "4GB", "8192"), ("3", "4GB", "1000"), ("2", "64MB", "100"), ("2", "64MB", "50000")].map(
        |(threads, memory, batch)| {
            let file = folder.path().join(format!("{threads}-{memory}-{batch}.parquet"));
            let copy = format!(
                "SET threads = {threads}; SET batch_size = {batch}; COPY (SELECT * FROM 'data/weather/*.csv' ORDER BY origin, time_hour) TO '{}' ({options})",
                file.display()
            );
            highwater().args(["--memory-limit", memory, "-c", &copy]).assert().success();
            fs::read(file).unwrap()
        },
    );
    assert!(files.iter().all(|file| *file == files[0]));
}

#[test]
fn options_of_parquet_that_cannot_be_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("w.parquet");
    for (options, part) in [
        ("row_group_sise 5", "did you mean 'row_group_size'"),
        ("row_group_bytes 'lots'", "lots"),
        ("compression snapy", "did you mean 'snappy'"),
        ("column_options {'tmp': {codec: 'snappy'}}", "did you mean 'temp'"),
        ("column_options {'temp': {codec: 'snappy', encoding: 'delta'}}", "has no encoding"),
        ("column_options {'temp': {bloom: 3}}", "true or false"),
        ("sorting_columns 'wind_gust'", "is not in the order"),
        ("header true", "no meaning for parquet"),
    ] {
        let copy = format!("COPY (SELECT * FROM 'data/weather/*.csv') TO '{}' ({options})", target.display());
        query(&copy).failure().stderr(contains(part));
    }
    assert!(names(folder.path()).is_empty(), "nothing partial is left");
}

#[test]
fn a_null_in_the_only_column_of_a_csv_file_is_no_lost_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.csv");
    for values in ["(1), (NULL), (3)", "('a'), (NULL), ('')"] {
        let copy =
            format!("COPY (SELECT x FROM (VALUES {values}) t(x)) TO '{}' (existing 'overwrite')", path.display());
        query(&copy).success();
        let count = format!("SELECT count(*) AS n, count(x) AS x, count(DISTINCT x) AS d FROM '{}'", path.display());
        query(&count).success().stdout("n,x,d\n3,2,2\n");
    }
}

#[test]
fn a_nan_that_was_written_to_csv_reads_back_and_a_null_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.csv");
    let values = "(1.5, 'a'), (CAST('NaN' AS DOUBLE), 'NaN'), (NULL, NULL), (CAST('-Infinity' AS DOUBLE), '')";
    query(&format!("COPY (SELECT x, t FROM (VALUES {values}) v(x, t)) TO '{}'", path.display())).success();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x,t\n1.5,a\n\"NaN\",NaN\n,\n-Infinity,\"\"\n");
    query(&format!("SELECT x, t FROM '{}'", path.display()))
        .success()
        .stdout("x,t\n1.5,a\n\"NaN\",NaN\n,\n-Infinity,\"\"\n");
}

#[test]
fn files_are_read_by_flags_as_by_options() {
    let european = ["--decimal-separator", ",", "--thousands", ".", "--dateformat", "%d.%m.%Y", "--skip-footer", "1"];
    highwater()
        .args(["schema", "tests/data/european.csv"])
        .args(european)
        .args(["--timestampformat", "%d.%m.%Y %H:%M"])
        .assert()
        .success()
        .stdout(contains("amount,DOUBLE").and(contains("day,DATE")).and(contains("at,TIMESTAMP")));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    let columns = [
        "id=INTEGER",
        "amount=DECIMAL(12,2)",
        "count=BIGINT",
        "day=DATE",
        "at=VARCHAR",
        "note=VARCHAR",
        "code=VARCHAR",
    ];
    highwater()
        .args(["convert", "tests/data/european.csv", "--merge", "-o"])
        .arg(&out)
        .args(european)
        .args(columns.iter().flat_map(|column| ["--columns", column]))
        .assert()
        .success()
        .stdout(contains("4 rows read, 4 written"));
    query(&format!("SELECT sum(amount) AS a, max(day) AS d FROM '{}'", out.display()))
        .success()
        .stdout("a,d\n1001234.31,2013-01-31\n");
    highwater()
        .args(["head", "tests/data/european.csv", "--thousands", "."])
        .assert()
        .code(2)
        .stderr(contains("--decimal-separator and --thousands are both"));
}

#[test]
fn convert_makes_a_parquet_file_of_each_input() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    highwater()
        .args(["convert", "data/flights", "-o"])
        .arg(&out)
        .assert()
        .success()
        .stdout(contains("336,776 rows read").and(contains("336,776 written")).and(contains("0 rejected")));
    assert_eq!(names(&out).len(), 12);
    assert_eq!(names(&out)[0], "2013-01.parquet");
    let sql = format!("SELECT count(*) AS n, sum(distance) AS d FROM '{}'", out.display());
    let ours = query(&sql).success().get_output().stdout.clone();
    let theirs =
        query("SELECT count(*) AS n, sum(distance) AS d FROM 'data/flights'").success().get_output().stdout.clone();
    assert_eq!(ours, theirs);

    highwater().args(["convert", "data/flights", "-o"]).arg(&out).assert().code(2).stderr(contains("overwrite"));
    highwater().args(["convert", "data/flights", "--existing", "overwrite", "-o"]).arg(&out).assert().success();
    assert_eq!(names(&out).len(), 12);
}

#[test]
fn convert_keeps_folders_below_the_input() {
    let folder = tempfile::tempdir().unwrap();
    for (month, text) in [("a/1.csv", "x\n1\n"), ("b/1.csv", "x\n2\n"), ("b/c/2.csv", "x\n3.5\n")] {
        let path = folder.path().join("in").join(month);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let out = folder.path().join("out");
    highwater().arg("convert").arg(folder.path().join("in")).arg("-o").arg(&out).assert().success();
    let sql = format!("SELECT sum(x) AS s FROM '{}'", out.display());
    query(&sql).success().stdout("s\n6.5\n");
    assert!(out.join("b/c/2.parquet").is_file());
}

#[test]
fn compressed_files_are_files_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    let gzip = |name: &str, text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        fs::write(input.join(name), encoder.finish().unwrap()).unwrap();
    };
    gzip("a.csv.gz", "id,name\n1,one\n2,two\n");
    fs::write(input.join("b.csv.zst"), zstd::encode_all(&b"id,name\n3,three\n"[..], 3).unwrap()).unwrap();
    fs::write(input.join("c.csv"), "id,name\n4,four\n").unwrap();
    for pattern in ["", "/*", "/*.csv*"] {
        query(&format!(
            "SELECT sum(id), max(filename) LIKE '%c.csv' FROM read_csv('{}{pattern}', filename = true)",
            input.display()
        ))
        .success()
        .stdout(contains("10,true"));
    }
    query(&format!("SELECT name FROM '{}/a.csv.gz' WHERE a.id = 2", input.display())).success().stdout("name\ntwo\n");
    let out = folder.path().join("out");
    highwater().arg("convert").arg(&input).arg("-o").arg(&out).assert().success();
    assert_eq!(names(&out), ["a.parquet", "b.parquet", "c.parquet"]);

    let whole = fs::read(input.join("a.csv.gz")).unwrap();
    fs::write(input.join("a.csv.gz"), &whole[..whole.len() - 3]).unwrap();
    query(&format!("SELECT count(*) FROM '{}/a.csv.gz'", input.display()))
        .code(1)
        .stdout("")
        .stderr(contains("cut off").and(contains("a.csv.gz")));
}

#[test]
fn convert_merges_on_request_and_leaves_nothing_after_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let merged = folder.path().join("weather.parquet");
    highwater().args(["convert", "data/weather/*.csv", "--layout", "merge", "-o"]).arg(&merged).assert().success();
    query(&format!("SELECT count(*) AS n FROM '{}'", merged.display())).success().stdout("n\n26115\n");

    let out = folder.path().join("bad");
    highwater().args(["convert", "tests/data/bad_value.csv", "-o"]).arg(&out).assert().code(1).stderr(contains("2002"));
    assert!(!out.exists(), "the folder was not there before");
    highwater()
        .args(["convert", "tests/data/bad_value.csv", "--on-error", "reject", "-o"])
        .arg(&out)
        .assert()
        .code(4)
        .stdout(contains("6,600 rows read").and(contains("6,599 written")).and(contains("1 rejected")));
}

#[test]
fn generated_data_is_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, threads: &str| {
        let out = folder.path().join(name);
        let mut command = Command::cargo_bin("highwater").unwrap();
        command
            .args(["--threads", threads, "generate", "timeseries", "--start", "2000-01-01", "--end", "2000-03-01"])
            .args(["--freq", "10min", "--partition-freq", "1M", "--seed", "7", "-o"])
            .arg(&out)
            .assert()
            .success();
        names(&out).iter().map(|name| fs::read(out.join(name)).unwrap()).collect::<Vec<_>>()
    };
    let first = make("a", "1");
    assert_eq!(first.len(), 2);
    assert_eq!(first, make("b", "2"));
    let sql = format!("SELECT count(*) AS n, count(DISTINCT name) AS names FROM '{}/a'", folder.path().display());
    query(&sql).success().stdout("n,names\n8640,26\n");
}

#[test]
fn explain_says_before_and_after_the_run_what_operators_do() {
    query("EXPLAIN SELECT tailnum, count(*) FROM 'data/flights/*.csv' GROUP BY tailnum ORDER BY 2 DESC")
        .success()
        .stdout(contains("may spill").and(contains("bounded by")).and(contains("Scan")));
    query("EXPLAIN ANALYZE SELECT tailnum, count(*) FROM 'data/flights/*.csv' GROUP BY tailnum")
        .success()
        .stdout(contains("rows 336,776").and(contains("peak memory")).and(contains("spilled")));
}

#[test]
fn settings_come_from_flags_environment_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "batch_size = 1000\n[memory]\ntarget = 0.4\n").unwrap();
    highwater()
        .env("HIGHWATER_MEMORY__SPILL", "0.65")
        .arg("--config")
        .arg(&file)
        .args(["-c", "SHOW ALL"])
        .assert()
        .success()
        .stdout(
            contains("batch_size,1000")
                .and(contains("memory.target,0.4"))
                .and(contains("memory.spill,0.65"))
                .and(contains("threads,2")),
        );
    fs::write(&file, "batch_sise = 1000\n").unwrap();
    highwater()
        .arg("--config")
        .arg(&file)
        .args(["-c", "SELECT 1"])
        .assert()
        .code(2)
        .stderr(contains("batch_sise").and(contains("batch_size")));
}

#[test]
fn files_are_described() {
    highwater()
        .args(["schema", "data/weather"])
        .assert()
        .success()
        .stdout(contains("time_hour").and(contains("TIMESTAMP WITH TIME ZONE")));
    highwater()
        .args(["head", "data/airlines.csv", "-n", "2"])
        .assert()
        .success()
        .stdout(predicate::str::is_match("^carrier,name\n.*\n.*\n$").unwrap());
    highwater().args(["describe", "data/airports.csv"]).assert().success().stdout(contains("lat"));
}

#[test]
fn a_schema_file_is_written_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    fs::create_dir(path("day=2024-05-01")).unwrap();
    let (first, second, schema) = (path("day=2024-05-01/a.csv"), path("day=2024-05-01/b.csv"), path("s.toml"));
    fs::write(&first, "id;amount\n1;-\n2;2.5\n").unwrap();
    let day = path("day=2024-05-01");

    // On a terminal or in a pipe, columns and types are shown as before.
    let plain = "column,type\nid,BIGINT\namount,DOUBLE\nday,DATE\n";
    highwater().args(["schema", &day, "--nullstr", "-"]).assert().success().stdout(plain);
    let written = highwater().args(["schema", &day, "--nullstr", "-", "--toml"]).assert().success().stderr("");
    let text = String::from_utf8(written.get_output().stdout.clone()).unwrap();
    assert!(text.contains("version = 1") && text.contains("nullstr = \"-\""), "{text}");
    highwater().args(["schema", &day, "--nullstr", "-", "-o", &schema]).assert().success().stdout("");
    assert_eq!(fs::read_to_string(&schema).unwrap(), text, "the same every time");
    highwater().args(["schema", &day, "-o", &schema]).assert().code(2).stderr(contains("exists"));
    highwater().args(["schema", &day, "--toml", "--format", "json"]).assert().code(2);
    highwater().args(["schema", "data/airlines.parquet", "--toml"]).assert().failure();

    // Used by -c, by convert, and by an option of the function.
    let sum = format!("SELECT sum(amount) AS s, count(*) AS n FROM '{day}'");
    highwater().args(["--schema", &schema, "-c", &sum]).assert().success().stdout("s,n\n2.5,2\n");
    let by_option = format!("SELECT count(amount) AS n FROM read_csv('{day}', schema_file = '{schema}')");
    query(&by_option).success().stdout("n\n1\n");
    highwater()
        .args(["convert", &day, "-o", &path("out.parquet"), "--merge", "--schema", &schema])
        .assert()
        .success()
        .stdout(contains("2 rows read, 2 written"));

    // A new file that fits is read, one that does not is told with what to do.
    fs::write(&second, "AMOUNT;id\n4;3\n").unwrap();
    highwater().args(["--schema", &schema, "-c", &sum]).assert().success().stdout("s,n\n6.5,3\n");
    fs::write(&second, "AMOUNT;id\nmuch;3\n").unwrap();
    highwater().args(["--schema", &schema, "-c", &sum]).assert().code(1).stderr(
        contains("\"amount\"")
            .and(contains("b.csv"))
            .and(contains("no DOUBLE"))
            .and(contains("write the schema file anew")),
    );
    fs::write(&schema, text.replace("size = ", "sise = ")).unwrap();
    highwater()
        .args(["--schema", &schema, "-c", &sum])
        .assert()
        .code(1)
        .stderr(contains("files.sise").and(contains("line")).and(contains("s.toml")));
    highwater().args(["--schema", "nowhere.toml", "-c", &sum]).assert().code(1).stderr(contains("nowhere.toml"));
}

#[test]
fn files_in_other_encodings_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (input, output) = (path("old.csv"), path("new.parquet"));
    fs::write(&input, b"id,city\n1,Z\xfcrich\n").unwrap();
    highwater().args(["convert", &input, "-o", &output]).assert().code(1).stderr(contains("UTF-8"));
    highwater().args(["convert", &input, "-o", &output, "--encoding", "latin-1"]).assert().success();
    highwater().args(["-c", &format!("SELECT city FROM '{output}'")]).assert().success().stdout("city\nZ\u{fc}rich\n");
    highwater().args(["convert", &input, "-o", &output, "--encoding", "klingon"]).assert().code(2);
}

#[test]
fn a_large_result_goes_to_a_file_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT i % 400000 AS k, 'a text of ' || (i % 400000) AS t, sum(i) AS s, count(*) AS n FROM generate_series(1, 1000000) AS g(i) GROUP BY ALL";
    let run = |arguments: &[&str]| {
        let mut command = highwater();
        command.current_dir(folder.path()).args(["--memory-limit", "40MB"]).args(arguments).assert().success();
    };
    run(&["-c", query, "-o", "out.parquet"]);
    run(&["-c", &format!("COPY ({query}) TO 'copy.parquet' (COMPRESSION 'zstd:3')")]);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("out.parquet") == read("copy.parquet"));
    run(&["generate", "groupby", "--rows", "300000", "-o", "data.parquet", "--format", "parquet"]);
}
