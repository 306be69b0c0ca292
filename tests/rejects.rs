//! What becomes of values and rows that do not fit, in every mode of `on_error`, through the library and the binary, with
//! one worker and with two.

mod common;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use assert_cmd::Command;
use highwater::config::Config;
use highwater::error::{Error, Result};
use highwater::io::csv::{CsvOptions, OnError};
use highwater::session::{Receiver, RejectFiles, RunOptions, Session};
use highwater::types::sql_name;
use highwater::types::temporal::format_value;
use predicates::prelude::*;
use predicates::str::contains;

use common::Files;

/// Small pieces, so that a file is read by several tasks.
fn session(threads: usize) -> Session {
    Session::new(Config { threads, partition_bytes: 4096, batch_size: 100, ..Config::default() }).unwrap()
}

/// What a statement left behind.
#[derive(Debug, Default)]
struct Ran {
    types: Vec<String>,
    rows: Vec<String>,
    notes: Vec<String>,
    read: u64,
    rejected: u64,
    nulled: u64,
    misfit: Option<String>,
}

impl Receiver for Ran {
    fn schema(&mut self, schema: &SchemaRef) -> Result<()> {
        assert!(self.types.is_empty(), "the columns are told once");
        self.types = schema.fields().iter().map(|field| sql_name(field.data_type())).collect();
        Ok(())
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        let cell = |column: &arrow::array::ArrayRef, row| format_value(column, row).unwrap_or_else(|| "~".into());
        let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
        self.rows.extend((0..batch.num_rows()).map(line));
        Ok(())
    }
}

fn run_with(session: &Session, sql: &str, options: &RunOptions) -> Result<Ran> {
    let mut ran = Ran::default();
    for statement in session.parse(sql)? {
        session.run(&statement, options, &mut ran)?;
    }
    let progress = &options.progress;
    ran.notes = progress.notes();
    ran.misfit = progress.misfit();
    ran.read = progress.rows_read.load(Relaxed);
    ran.rejected = progress.rows_rejected.load(Relaxed);
    ran.nulled = progress.values_nulled.load(Relaxed);
    Ok(ran)
}

fn run(session: &Session, sql: &str) -> Result<Ran> {
    run_with(session, sql, &RunOptions::default())
}

fn rows(session: &Session, sql: &str) -> Vec<String> {
    run(session, sql).unwrap_or_else(|error| panic!("{sql}: {error}")).rows
}

fn highwater(threads: usize) -> Command {
    let mut command = Command::cargo_bin("highwater").expect("the binary is built");
    command.env("XDG_CONFIG_HOME", "/nonexistent").args(["--threads", &threads.to_string()]);
    command
}

fn place(error: &Error) -> (Option<u64>, Option<u64>, Option<&str>, Option<&str>) {
    let location = &error.kind().location;
    (location.line, location.byte_offset, location.column.as_deref(), location.raw.as_deref())
}

/// 1,000 files of three rows. The last row of the last file does not fit what all others suggest.
fn thousand() -> (Files, String) {
    let files = Files::new(&[]);
    let mut last = String::new();
    for file in 0..1000 {
        let mut text = String::from("id,value,name\n");
        for row in 0..3 {
            let id = file * 3 + row;
            let value = if id == 2999 { "abc".to_string() } else { (id % 7).to_string() };
            writeln!(text, "{id},{value},row {id}").unwrap();
        }
        fs::write(files.path(&format!("part-{file:04}.csv")), &text).unwrap();
        last = text;
    }
    (files, last)
}

const SAMPLE: &str = ", sample_size = 2";

#[test]
fn a_type_change_in_the_last_row_of_1000_files_in_every_mode() {
    let (files, last) = thousand();
    let of = |mode: &str| files.csv("*.csv", &format!("{SAMPLE}, on_error = '{mode}'"));
    let offset = last.find("2999,").unwrap() as u64;
    let file = files.path("part-0999.csv").display().to_string();
    let figures = |mode: &str| format!("SELECT count(*), count(value), sum(id) FROM {}", of(mode));
    for threads in [1, 2] {
        let session = session(threads);
        let error = run(&session, &figures("error")).unwrap_err();
        assert_eq!(place(&error), (Some(4), Some(offset), Some("value"), Some("abc")));
        assert_eq!(error.kind().location.file.as_deref(), Some(Path::new(&file)));
        assert!(error.kind().hint.as_ref().is_some_and(|hint| hint.contains("widen")), "{error}");

        let nulled = run(&session, &figures("null")).unwrap();
        assert_eq!(nulled.rows, ["3000|2999|4498500"]);
        assert_eq!((nulled.read, nulled.rejected, nulled.nulled), (3000, 0, 1));
        let found = format!("{file}|4|{offset}|value|not a BIGINT|abc");
        assert_eq!(rows(&session, "SELECT * FROM rejects()"), [format!("{found}|~")]);

        let rejected = run(&session, &figures("reject")).unwrap();
        assert_eq!(rejected.rows, ["2999|2999|4495501"]);
        assert_eq!((rejected.read, rejected.rejected, rejected.nulled), (3000, 1, 0));
        assert!(rejected.misfit.is_some_and(|misfit| misfit.starts_with("not a BIGINT") && misfit.contains("line 4")));
        assert_eq!(rows(&session, "SELECT * FROM rejects()"), [format!("{found}|2999,abc,row 2999")]);

        let widened = run(&session, &format!("SELECT * FROM {}", of("widen"))).unwrap();
        assert_eq!(widened.types, ["BIGINT", "VARCHAR", "VARCHAR"]);
        assert_eq!((widened.rows.len(), widened.rows[2999].as_str()), (3000, "2999|abc|row 2999"));
        assert_eq!((widened.read, widened.rejected, widened.nulled), (3000, 0, 0), "only the last run counts");
        let note = format!("column \"value\" was widened from BIGINT to VARCHAR by \"abc\" in '{file}', line 4");
        assert_eq!(widened.notes, [note.as_str()]);
        assert_eq!(rows(&session, "SELECT * FROM rejects()"), [""; 0]);

        let query = |mode: &str| highwater(threads).args(["-c", &figures(mode)]).assert();
        let told = || contains("line 4").and(contains("part-0999.csv")).and(contains(format!("byte {offset}")));
        query("error").code(1).stdout("").stderr(told().and(contains("\"value\"")).and(contains("\"abc\"")));
        query("null")
            .success()
            .stdout(contains("3000,2999,4498500"))
            .stderr(contains("3,000 rows read, 3,000 kept, 0 rejected, 1 value set to null").and(told()));
        query("reject")
            .code(4)
            .stdout(contains("2999,2999,4495501"))
            .stderr(contains("3,000 rows read, 2,999 kept, 1 rejected, 0 values set to null").and(told()));
        query("widen").success().stdout(contains("3000,3000,4498500")).stderr(format!("note: {note}\n"));
    }
}

/// Two files with something wrong in many places.
fn dirty() -> Files {
    let (mut first, mut second) = (String::from("id,amount,day\n"), String::from("id,amount,day\n"));
    for row in 0..600 {
        match row % 100 {
            7 => writeln!(first, "{row},x{row},2013-01-01").unwrap(),
            50 => writeln!(first, "{row},5").unwrap(),
            _ => writeln!(first, "{row},{row},2013-01-01").unwrap(),
        }
        match row {
            300 => writeln!(second, "{row},y,z,more").unwrap(),
            599 => writeln!(second, "{row},,\"31. \"\"Mai\"\"\"").unwrap(),
            _ => writeln!(second, "{row},{row},2013-01-02").unwrap(),
        }
    }
    Files::new(&[("in/a.csv", &first), ("in/b.csv", &second), ("clean/c.csv", "id,amount,day\n1,2,2013-01-01\n")])
}

const TYPES: &str = ", types = {'amount': 'BIGINT', 'day': 'DATE'}";

#[test]
fn rejects_are_a_table_in_the_order_of_the_data_at_every_thread_count() {
    let files = dirty();
    let sql = format!("SELECT count(*) FROM {}", files.csv("in", &format!("{TYPES}, on_error = 'reject'")));
    let table = "SELECT * FROM rejects()";
    let (one, two) = (session(1), session(2));
    assert_eq!(rows(&one, table), [""; 0], "nothing was read yet");
    assert_eq!(run(&one, &sql).unwrap().rows, ["1186"]);
    let found = rows(&one, table);
    assert_eq!(run(&two, &sql).unwrap().rejected, 14);
    assert_eq!(rows(&two, table), found);
    assert_eq!(found.len(), 16);
    assert!(found[0].ends_with("/a.csv|9|119|amount|not a BIGINT|x7|7,x7,2013-01-01"), "{}", found[0]);
    assert!(found[1].contains("/a.csv|52|") && found[1].ends_with("|~|too few fields: 2 of 3|~|50,5"), "{}", found[1]);
    let row: Vec<_> = found[12..15].iter().map(|line| line.split('|').skip(3).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(row, ["~|too many fields: 4 of 3|~|300,y,z,more", "amount|not a BIGINT|y|~", "day|not a DATE|z|~"]);
    assert!(found[15].contains("/b.csv|601|") && found[15].contains("day|not a DATE"), "{}", found[15]);

    // It is a table like any other, and stays until other files are read.
    let by_reason = "SELECT reason, count(*) FROM rejects() AS r WHERE line > 1 GROUP BY reason ORDER BY reason";
    let expected = ["not a BIGINT|7", "not a DATE|2", "too few fields: 2 of 3|6", "too many fields: 4 of 3|1"];
    assert_eq!(rows(&two, by_reason), expected);
    assert_eq!(rows(&two, "SELECT column, raw FROM rejects() LIMIT 1"), ["amount|x7"]);
    assert_eq!(two.rejects().count_rows().unwrap(), 16);
    run(&two, "CREATE TABLE bad AS FROM rejects()").unwrap();
    run(&two, &format!("SELECT * FROM {}", files.csv("clean", ""))).unwrap();
    assert_eq!(two.rejects().count_rows().unwrap(), 0);
    assert_eq!(rows(&two, "SELECT count(*) FROM bad"), ["16"]);
    assert!(run(&two, "SELECT * FROM rejects(1)").is_err());
    assert!(run(&two, "SELECT * FROM reject()").unwrap_err().to_string().contains("did you mean 'rejects'"));

    // Frames of the API leave theirs too.
    let options =
        CsvOptions::default().with_type("amount", highwater::types::DataType::Int64).on_error(OnError::Reject);
    let frame = two.read_csv(files.path("in").to_str().unwrap(), options).unwrap();
    assert_eq!(frame.count_rows().unwrap(), 1187, "day is text");
    assert_eq!(two.rejects().count_rows().unwrap(), 14);
}

#[test]
fn values_that_became_null_are_recorded_too() {
    let files = Files::new(&[("a.csv", "id,n\n1,x\n2\n3,4\n")]);
    for threads in [1, 2] {
        let session = session(threads);
        let from = files.csv("a.csv", ", types = {'n': 'INTEGER'}, on_error = 'null'");
        let ran = run(&session, &format!("SELECT * FROM {from}")).unwrap();
        assert_eq!((ran.rows, ran.nulled), (vec!["1|~".into(), "2|~".into(), "3|4".into()], 2));
        let found = "SELECT line, byte_offset, column, reason, raw, record FROM rejects()";
        assert_eq!(rows(&session, found), ["2|5|n|not an INTEGER|x|~", "3|9|~|too few fields: 1 of 2|~|2"]);
    }
}

#[test]
fn rejects_go_to_files_that_are_the_same_at_every_thread_count() {
    let files = dirty();
    let from = |options: &str| format!("SELECT count(*) AS n FROM {}", files.csv("in", &format!("{TYPES}{options}")));
    let mut texts = Vec::new();
    for threads in [1, 2] {
        let out = files.path(&format!("rejects-{threads}.csv"));
        let command = |sql: &str| {
            let mut command = highwater(threads);
            command.args(["-c", sql, "--rejects"]).arg(&out);
            command
        };
        command(&from(", on_error = 'reject'")).assert().code(4).stdout("n\n1186\n").stderr(
            contains("1,200 rows read, 1,186 kept, 14 rejected")
                .and(contains(format!("all of them: '{}'", out.display())))
                .and(contains("a.csv', line 9")),
        );
        texts.push(fs::read_to_string(&out).unwrap());

        // Statements of one run add to one file.
        let clean = format!("SELECT count(*) AS n FROM {}", files.csv("clean", ""));
        command(&from(", on_error = 'reject'")).args([
            "-c",
            &clean,
            "-c",
            &from(", on_error = 'null', ignore_extra = true"),
        ]);
        let session = session(threads);
        let shared = Arc::new(RejectFiles::new(&out).unwrap());
        let options = RunOptions { rejects: Some(shared.clone()), ..RunOptions::default() };
        run_with(&session, &from(", on_error = 'reject'"), &options).unwrap();
        run_with(&session, &clean, &options).unwrap();
        run_with(&session, &from(", on_error = 'reject'"), &options).unwrap();
        shared.finish().unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 33);

        // A table may name a file for its own.
        let own = files.path(&format!("own-{threads}.csv"));
        run(&session, &from(&format!(", rejects = '{}'", own.display()))).unwrap();
        texts.push(fs::read_to_string(&own).unwrap());
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    let lines: Vec<_> = texts[0].lines().collect();
    assert_eq!(lines[0], "file,line,byte_offset,column,reason,raw,record");
    assert_eq!(lines.len(), 17);
    let second = format!("{},52,", files.path("in/a.csv").display());
    assert!(lines[2].starts_with(&second) && lines[2].ends_with(",,too few fields: 2 of 3,,\"50,5\""), "{}", lines[2]);

    // In a folder, each file has its own.
    let folder = files.path("folder/");
    highwater(2).args(["-c", &from(", on_error = 'reject'"), "--rejects"]).arg(&folder).assert().code(4);
    assert_eq!(files.read("folder/a.rejects.csv").lines().count(), 13);
    assert_eq!(files.read("folder/b.rejects.csv").lines().count(), 5);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2);

    // None at all are a file too; no input is ever replaced.
    let none = files.path("none.csv");
    let clean = format!("SELECT * FROM {}", files.csv("clean", ""));
    highwater(2)
        .args(["-c", &clean, "--summary", "--rejects"])
        .arg(&none)
        .assert()
        .success()
        .stderr(contains("note: 1 rows read, 1 kept, 0 rejected, 0 values set to null"));
    assert_eq!(files.read("none.csv").lines().count(), 1);
    let input = files.path("in/a.csv");
    let before = files.read("in/a.csv");
    highwater(2)
        .args(["-c", &from(", on_error = 'reject'"), "--rejects"])
        .arg(&input)
        .assert()
        .code(2)
        .stderr(contains("which the statement reads"));
    assert_eq!(files.read("in/a.csv"), before);
    highwater(2).args(["-c", "SELECT 1", "--rejects", "/nonexistent/x.csv"]).assert().code(2);
}

#[test]
fn convert_writes_rejects_and_counts_every_row() {
    let files = dirty();
    for threads in [1, 2] {
        let convert = |out: &str, more: &[&str]| {
            let mut command = highwater(threads);
            command.arg("convert").arg(files.path("in")).arg("-o").arg(files.path(out));
            command.args(["--types", "amount=BIGINT", "--types", "day=DATE", "--existing", "overwrite"]).args(more);
            command.assert()
        };
        let target = files.path("bad.csv");
        convert("out", &["--on-error", "reject", "--rejects", target.to_str().unwrap()])
            .code(4)
            .stdout(contains("1,200 rows read, 1,186 written, 14 rejected"))
            .stderr(contains("1,186 kept, 14 rejected").and(contains("a.csv', line 9")));
        assert_eq!(files.read("bad.csv").lines().count(), 17);
        convert("limited", &["--on-error", "reject", "--max-rejects", "12"])
            .code(1)
            .stderr(contains("more than 12 rows were rejected").and(contains("a.csv', line 9")));
        assert!(!files.path("limited/b.parquet").exists());
    }
}

#[test]
fn too_many_rejects_end_the_query_and_show_the_first() {
    let files = dirty();
    for threads in [1, 2] {
        let session = session(threads);
        for (limit, column) in [("0", "SUM(id)"), ("1", "id"), ("13", "id")] {
            let from = files.csv("in", &format!("{TYPES}, max_rejects = {limit}"));
            let error = run(&session, &format!("SELECT {column} FROM {from}")).unwrap_err();
            assert_eq!(place(&error), (Some(9), Some(119), Some("amount"), Some("x7")), "{error}");
            assert!(error.to_string().contains("max_rejects"), "{error}");
        }
        let from = files.csv("in", &format!("{TYPES}, max_rejects = 14, on_error = 'reject'"));
        assert_eq!(rows(&session, &format!("SELECT count(*) FROM {from}")), ["1186"]);
        let options = RunOptions { max_rejects: Some(13), ..RunOptions::default() };
        let error = run_with(&session, &format!("SELECT count(*) FROM {from}"), &options).unwrap_err();
        assert!(error.to_string().starts_with("more than 13 rows were rejected"), "{error}");
        // What a LIMIT does not need cannot be too many.
        let from = files.csv("in", &format!("{TYPES}, max_rejects = 1"));
        assert_eq!(rows(&session, &format!("SELECT id FROM {from} LIMIT 5")).len(), 5);
        assert_eq!(rows(&session, "SELECT 1"), ["1"], "the session goes on");
    }
    let from = files.csv("in", &format!("{TYPES}, on_error = 'reject'"));
    highwater(2)
        .args(["--max-rejects", "3", "-c", &format!("SELECT count(*) FROM {from}")])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("more than 3 rows were rejected").and(contains("line 9")).and(contains("rejects()")));
}

#[test]
fn rows_of_the_wrong_length_in_every_mode() {
    let files = Files::new(&[("a.csv", "a,b,c\n1,2,3\n4,5\n6,7,8\n"), ("b.csv", "a,b,c\n1,2,3\n4,5,6,7\n8,9,10\n")]);
    let path = |name: &str| files.path(name);
    for threads in [1, 2] {
        let session = session(threads);
        let read = |file: &str, options: &str| run(&session, &format!("SELECT * FROM {}", files.csv(file, options)));
        let refused = |file: &str, options: &str, text: &str| {
            let error = read(file, options).unwrap_err();
            assert_eq!(place(&error), (Some(3), Some(12), None, Some(text)), "{error}");
            assert_eq!(error.kind().location.file, Some(path(file)));
            assert!(error.kind().hint.is_some());
        };
        for mode in ["error", "widen"] {
            refused("a.csv", &format!(", on_error = '{mode}'"), "4,5");
            refused("b.csv", &format!(", on_error = '{mode}'"), "4,5,6,7");
        }
        refused("b.csv", ", on_error = 'null'", "4,5,6,7");
        refused("b.csv", ", null_padding = true", "4,5,6,7");
        refused("a.csv", ", ignore_extra = true", "4,5");
        for options in [", on_error = 'null'", ", null_padding = true"] {
            assert_eq!(read("a.csv", options).unwrap().rows, ["1|2|3", "4|5|~", "6|7|8"]);
        }
        for options in [
            ", ignore_extra = true",
            ", truncate_ragged_lines = true",
            ", strict_mode = false",
            ", on_error = 'null', ignore_extra = true",
        ] {
            let ran = read("b.csv", options).unwrap();
            assert_eq!((ran.rows, ran.nulled), (vec!["1|2|3".into(), "4|5|6".into(), "8|9|10".into()], 0), "{options}");
        }
        for (file, reason) in
            [("a.csv", "too few fields: 2 of 3|~|4,5"), ("b.csv", "too many fields: 4 of 3|~|4,5,6,7")]
        {
            let ran = read(file, ", on_error = 'reject'").unwrap();
            assert_eq!((ran.rows.len(), ran.rejected), (2, 1));
            let found = rows(&session, "SELECT line, byte_offset, column, reason, raw, record FROM rejects()");
            assert_eq!(found, [format!("3|12|~|{reason}")]);
        }
    }
}

/// A file in which columns turn out to be of other types, one after the other.
fn turning() -> Files {
    let mut text = String::from("id,a,b,c,d\n");
    for row in 0..2000 {
        let a = if row == 900 { "1.5".into() } else { row.to_string() };
        let b = match row {
            500 => "18446744073709551615",
            1500 => "many",
            _ => "7",
        };
        let c = if row == 1999 { "2013-01-01 10:00:00" } else { "2013-01-01" };
        writeln!(text, "{row},{a},{b},{c},1").unwrap();
    }
    Files::new(&[("t.csv", &text)])
}

const WIDEN: &str = ", sample_size = 10, on_error = 'widen'";

#[test]
fn types_are_widened_as_far_as_the_values_ask_and_the_restarts_do_not_show() {
    let files = turning();
    let from = files.csv("t.csv", WIDEN);
    for threads in [1, 2] {
        let session = session(threads);
        let all = run(&session, &format!("SELECT * FROM {from}")).unwrap();
        assert_eq!(all.types, ["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP", "BIGINT"]);
        assert_eq!((all.rows.len(), all.read), (2000, 2000));
        assert_eq!(all.rows[900], "900|1.5|7|2013-01-01 00:00:00|1");
        assert_eq!(all.rows[500], "500|500.0|18446744073709551615|2013-01-01 00:00:00|1");
        let exact = rows(&session, &format!("SELECT * FROM {}", files.csv("t.csv", ", sample_size = -1")));
        assert_eq!(all.rows, exact, "as if all had been looked at before");
        for column in ["a", "b", "c"] {
            assert!(all.notes.iter().any(|note| note.starts_with(&format!("column \"{column}\" was widened"))));
        }

        // Only what is read is widened, and as far as it is needed.
        let ran = run(&session, &format!("SELECT sum(a), max(d) FROM {from}")).unwrap();
        assert_eq!((ran.types, ran.rows), (vec!["DOUBLE".into(), "BIGINT".into()], vec!["1998101.5|1".into()]));
        assert_eq!(ran.notes.len(), 1);
        let ran = run(&session, &format!("SELECT a, b FROM {from} LIMIT 5")).unwrap();
        assert_eq!((ran.types, ran.notes.len()), (vec!["BIGINT".into(), "BIGINT".into()], 0));
        let ran = run(&session, &format!("SELECT a, b FROM {from} LIMIT 700")).unwrap();
        assert_eq!(ran.types, ["BIGINT", "DECIMAL(38,0)"]);
        let sorted = run(&session, &format!("SELECT b FROM {from} ORDER BY b DESC, id LIMIT 1")).unwrap();
        assert_eq!(sorted.rows, ["many"]);
        let both = run(&session, &format!("SELECT b FROM {from} UNION ALL SELECT a FROM {from}"));
        let both = both.unwrap_err().to_string();
        assert!(both.contains("widened from"), "text and numbers do not meet, and why there is text is told: {both}");
        let many = format!("WITH t AS (SELECT * FROM {from}) SELECT count(*) FROM t WHERE CAST(b AS VARCHAR) = 'many'");
        assert_eq!(rows(&session, &many), ["1"]);
        let error = run(&session, &format!("SELECT sum(b) FROM {from}")).unwrap_err().to_string();
        assert!(error.contains("sum") && error.contains("many") && error.contains("line 1502"), "{error}");

        // Tables, views and files get all rows, or nothing.
        run(&session, &format!("CREATE VIEW v AS SELECT * FROM {from}; CREATE TABLE t AS SELECT * FROM v")).unwrap();
        assert_eq!(rows(&session, "SELECT count(*), max(b) FROM t"), ["2000|many"]);
        run(&session, &format!("INSERT INTO t SELECT * FROM {from}")).unwrap();
        assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["4000"]);
        let out = files.path(&format!("copy-{threads}.csv"));
        run(&session, &format!("COPY (SELECT * FROM {from}) TO '{}'", out.display())).unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 2001);
        let analyzed = run(&session, &format!("EXPLAIN ANALYZE SELECT b FROM {from}")).unwrap();
        assert!(analyzed.rows.iter().any(|line| line.contains("2,000 rows in")), "{analyzed:?}");
    }
}

#[test]
fn numbers_are_widened_to_decimals_where_doubles_would_round() {
    let mut text = String::from("n,m\n");
    for row in 0..3000 {
        let n = match row {
            700 => "9007199254740993",
            1400 => "-0.125",
            2100 => "1.5",
            _ => "9999",
        };
        let m = match row {
            1000 => "1.5",
            2000 => "9007199254740993",
            2500 => "1e3",
            _ => "7",
        };
        writeln!(text, "{n},{m}").unwrap();
    }
    let files = Files::new(&[("t.csv", &text)]);
    for threads in [1, 2] {
        let session = session(threads);
        let ask = |options: &str| {
            let ran =
                run(&session, &format!("SELECT max(n), min(n), max(m) FROM {}", files.csv("t.csv", options))).unwrap();
            (ran.types, ran.rows)
        };
        let widened = ask(WIDEN);
        // A decimal holds 1e3 too.
        assert_eq!(widened.0, ["DECIMAL(38,3)", "DECIMAL(38,3)", "DECIMAL(38,1)"]);
        assert_eq!(widened.1, ["9007199254740993.000|-0.125|9007199254740993.0"]);
        let ran = run(&session, &format!("SELECT n FROM {} LIMIT 2200", files.csv("t.csv", WIDEN))).unwrap();
        assert_eq!((ran.types, ran.rows.len()), (vec!["DECIMAL(38,3)".into()], 2200));
    }
}

#[test]
fn what_was_declared_is_not_widened() {
    let files = turning();
    for threads in [1, 2] {
        let session = session(threads);
        let from = files.csv("t.csv", &format!("{WIDEN}, types = {{'a': 'BIGINT'}}"));
        let error = run(&session, &format!("SELECT a FROM {from}")).unwrap_err();
        let (line, _, column, raw) = place(&error);
        assert_eq!((line, column, raw), (Some(902), Some("a"), Some("1.5")));
        assert_eq!(rows(&session, &format!("SELECT max(b) FROM {from}")), ["many"]);
        let bad = Files::new(&[("x.csv", "t\na\nb\n")]);
        fs::write(bad.path("x.csv"), b"t\na\nb\nZ\xfcrich\n").unwrap();
        let error = run(&session, &format!("SELECT * FROM {}", bad.csv("x.csv", WIDEN))).unwrap_err();
        assert_eq!((error.kind().location.line, error.kind().message.contains("UTF-8")), (Some(4), true), "{error}");
    }
}

#[test]
fn frames_know_their_types_beforehand() {
    let files = turning();
    let session = session(2);
    let options = CsvOptions::default().sample_size(highwater::io::csv::SampleSize::Rows(10)).on_error(OnError::Widen);
    let frame = session.read_csv(files.path("t.csv").to_str().unwrap(), options).unwrap();
    let types: Vec<_> = frame.dtypes().into_iter().map(sql_name).collect();
    assert_eq!(types, ["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP", "BIGINT"]);
    assert_eq!(frame.compute().unwrap().num_rows(), 2000);
    let frame = session.sql(&format!("SELECT b FROM {}", files.csv("t.csv", WIDEN))).unwrap();
    assert_eq!((sql_name(frame.dtypes()[0]), frame.count_rows().unwrap()), ("VARCHAR".into(), 2000));
}

#[test]
fn conversions_start_again_before_anything_has_its_name() {
    let (files, _) = thousand();
    fs::create_dir(files.path("in")).unwrap();
    for number in 980..1000 {
        let name = format!("part-{number:04}.csv");
        fs::rename(files.path(&name), files.path("in").join(&name)).unwrap();
    }
    // Long enough that its last row is in no sample of its first rows.
    for (layout, out, count) in [("per-file", "out", 20), ("merge", "out.parquet", 1)] {
        let mut large = String::from("id,value,name\n");
        for id in 0..30_000 {
            let value = if id == 20_000 { "abc" } else { "1" };
            writeln!(large, "{id},{value},a row that is long enough").unwrap();
        }
        fs::write(files.path("in/part-0999.csv"), large).unwrap();
        highwater(2)
            .arg("convert")
            .arg(files.path("in"))
            .args(["--on-error", "widen", "--layout", layout, "-o"])
            .arg(files.path(out))
            .assert()
            .success()
            .stdout(contains("30,057 rows read, 30,057 written, 0 rejected").and(contains(format!("{count} file"))))
            .stderr(contains("widened from BIGINT to VARCHAR").and(contains("line 20002")));
        let sql = format!("SELECT count(*) AS n, max(value) AS m FROM '{}'", files.path(out).display());
        highwater(1).args(["-c", &sql]).assert().success().stdout("n,m\n30057,abc\n");
    }
    assert_eq!(fs::read_dir(files.path("out")).unwrap().count(), 20, "nothing else is left behind");
}

#[test]
fn a_file_whose_every_row_is_bad_is_counted_to_the_last_and_takes_bounded_memory() {
    let files = Files::new(&[]);
    let mut text = String::from("id,amount\n");
    (0..200_000).for_each(|row| writeln!(text, "{row},a value that is no number {row}").unwrap());
    fs::write(files.path("bad.csv"), text).unwrap();
    let config = Config { memory_limit: 64 << 20, threads: 2, ..Config::default() };
    let session = Session::new(config).unwrap();
    let from = files.csv("bad.csv", ", types = {'amount': 'BIGINT'}, on_error = 'reject'");
    let ran = run(&session, &format!("SELECT count(*) FROM {from}")).unwrap();
    assert_eq!((ran.rows, ran.read, ran.rejected), (vec!["0".into()], 200_000, 200_000));
    assert!(ran.notes.iter().any(|note| note.contains("the first of 200,000")), "{:?}", ran.notes);
    let kept = session.rejects().count_rows().unwrap();
    assert!((10_000..100_000).contains(&kept), "{kept}");
    assert_eq!(rows(&session, "SELECT max(line) - min(line) + 1 = count(*), min(line) FROM rejects()"), ["true|2"]);

    let target = files.path("all.csv");
    let own = format!("SELECT count(*) FROM {}, rejects = '{}')", from.trim_end_matches(')'), target.display());
    run(&session, &own).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 200_001);
    assert_eq!(
        rows(&session, "SELECT count(*), count(DISTINCT line), max(line) FROM rejects()"),
        ["200000|200000|200001"]
    );
}
