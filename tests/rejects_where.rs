//! Values that do not fit, where a condition is checked before the other columns are read, and where columns have formats.

use std::fmt::Write;
use std::fs;

use assert_cmd::Command;

/// A file of 1,000 rows: `a` is bad in every tenth, `b` in every 25th from 5 on, and `c` never.
fn text() -> String {
    let mut text = String::from("a,b,c\n");
    for row in 0..1000 {
        let a = if row % 10 == 0 { "x".into() } else { row.to_string() };
        let b = if row % 25 == 5 { "y".into() } else { (row % 7).to_string() };
        writeln!(text, "{a},{b},{row}").unwrap();
    }
    text
}

/// What the binary says to statements about a file, `FILE` in them, with a thread count and a batch size.
fn run(text: &str, sql: &str, threads: usize, batch: usize) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.csv");
    fs::write(&file, text).unwrap();
    let mut command = Command::cargo_bin("highwater").expect("the binary is built");
    command.env("XDG_CONFIG_HOME", "/nonexistent").args(["--threads", &threads.to_string(), "--format", "csv"]);
    let settings = format!("SET batch_size = {batch}; SET partition_bytes = 2000; ");
    command.args(["-c", &(settings + &sql.replace("FILE", &file.display().to_string()))]);
    let output = command.output().unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*file.to_string_lossy(), "FILE");
    (shown(&output.stdout), shown(&output.stderr))
}

fn everywhere(text: &str, sql: &str) -> (String, String) {
    let first = run(text, sql, 1, 8192);
    for (threads, batch) in [(1, 7), (2, 64), (2, 8192)] {
        let other = run(text, sql, threads, batch);
        assert_eq!(
            (&first.0, is_error(&first.1)),
            (&other.0, is_error(&other.1)),
            "{threads} threads, batches of {batch}"
        );
    }
    first
}

fn is_error(message: &str) -> bool {
    message.contains("error")
}

const TYPES: &str = "types = {'a': 'BIGINT', 'b': 'BIGINT', 'c': 'BIGINT'}";

#[test]
fn what_became_null_is_recorded_once_in_the_order_of_the_data() {
    let sql = format!(
        "SELECT count(*) AS n, count(a) AS a, sum(c) AS c FROM read_csv('FILE', {TYPES}, on_error = 'null') WHERE b > 3; \
         SELECT line, column, raw, record FROM rejects();"
    );
    let passes = |row: usize| row % 25 != 5 && row % 7 > 3;
    let mut expected = String::from("line,column,raw,record\n");
    for row in 0..1000 {
        if row % 10 == 0 && passes(row) {
            writeln!(expected, "{},a,x,", row + 2).unwrap();
        }
        if row % 25 == 5 {
            writeln!(expected, "{},b,y,", row + 2).unwrap();
        }
    }
    let rows: Vec<usize> = (0..1000).filter(|row| passes(*row)).collect();
    let whole = rows.iter().filter(|row| **row % 10 != 0).count();
    let counts = format!("n,a,c\n{},{whole},{}\n", rows.len(), rows.iter().sum::<usize>());
    let (told, message) = everywhere(&text(), &sql);
    assert!(told.starts_with(&counts), "{told} {message}");
    assert!(told.ends_with(&expected), "{told}\n{expected}");
    let nulled = expected.lines().count() - 1;
    assert!(message.contains(&nulled.to_string()), "{message}");
}

#[test]
fn rejected_rows_are_judged_whole_before_a_condition() {
    let sql = format!(
        "SELECT count(*) AS n FROM read_csv('FILE', {TYPES}, on_error = 'reject') WHERE c < 500; \
         SELECT count(*) AS found, count(record) AS records FROM rejects();"
    );
    let bad = |row: usize| row.is_multiple_of(10) || row % 25 == 5;
    let kept = (0..500).filter(|row| !bad(*row)).count();
    let rejected = (0..1000).filter(|row| bad(*row)).count();
    let (told, _) = everywhere(&text(), &sql);
    assert!(told.starts_with(&format!("n\n{kept}\n")), "{told}");
    assert!(told.ends_with(&format!("found,records\n140,{rejected}\n")), "{told}");
}

#[test]
fn the_first_row_that_does_not_fit_is_told_whichever_column_is_read_first() {
    for (condition, line, column) in [("b >= 0", 2, "a"), ("b > 0", 7, "b"), ("c > 7 AND c < 12", 12, "a")] {
        let sql = format!("SELECT a, b FROM read_csv('FILE', {TYPES}) WHERE {condition};");
        for (threads, batch) in [(1, 8192), (1, 3), (2, 64)] {
            let (_, message) = run(&text(), &sql, threads, batch);
            let is_told = message.contains(&format!("line {line},")) && message.contains(&format!("\"{column}\""));
            assert!(is_told, "{condition}: {message}");
        }
    }
}

#[test]
fn columns_that_a_condition_leaves_for_later_are_widened_too() {
    let mut numbers = String::from("a;b;c\n");
    // Far behind the samples.
    (0..60_000).for_each(|row| writeln!(numbers, "1.234;{row};7").unwrap());
    let at = numbers.len() / 3;
    let at = at + numbers[at..].find('\n').unwrap() + 1;
    numbers.insert_str(at, "1.234,5;100000;x\n");
    let options = "delim = ';', decimal_separator = ',', thousands = '.', on_error = 'widen'";
    let sql = format!("SELECT a, c FROM read_csv('FILE', {options}) WHERE b = 100000;");
    let (told, message) = run(&numbers, &sql, 2, 8192);
    assert_eq!(told, "a,c\n1234.5,x\n", "{message}");
    assert!(message.contains("\"a\" was widened from BIGINT to DOUBLE by \"1.234,5\""), "{message}");
    assert!(message.contains("\"c\" was widened from BIGINT to VARCHAR by \"x\""), "{message}");
    // A column of nothing but dates stays one.
    let dates = numbers.replace("a;b;c", "d;b;c").replace("1.234;", "2013-01-31;").replace("1.234,5;", "2013-01;");
    let sql = "SELECT d FROM read_csv('FILE', delim = ';', parse_dates = ['d'], on_error = 'widen') WHERE b = 100000;";
    let (_, message) = run(&dates, sql, 2, 8192);
    assert!(message.contains("column \"d\"") && message.contains("DATE") && is_error(&message), "{message}");
    assert!(!message.contains("was widened from DATE"), "{message}");
}

#[test]
fn rows_before_an_error_are_enough_for_a_limit_whatever_the_batches() {
    let good: String = (0..100).map(|row| format!("{row},{row}\n")).collect();
    let sql = |condition: &str, options: &str, limit: usize| {
        format!(
            "SELECT a, b FROM read_csv('FILE', types = {{'a': 'BIGINT', 'b': 'BIGINT'}}{options}) WHERE {condition} LIMIT {limit}"
        )
    };
    for (what, bad, condition, options) in [
        ("a value of the condition", "x,1\n", "a >= 50", ""),
        ("a value of another column", "60,x\n", "a >= 50", ""),
        ("a short row", "60\n", "a >= 50", ""),
        ("a quote that is never closed", "60,\"x\n", "a >= 50", ""),
        ("a condition that cannot be worked out", "200,1\n", "50 / (200 - a) >= 0 AND a >= 50", ""),
        ("more rejected rows than allowed", "x,1\ny,1\n", "a >= 50", ", on_error = 'reject', max_rejects = 1"),
    ] {
        let text = format!("a,b\n{good}{bad}{good}");
        let (rows, message) = everywhere(&text, &sql(condition, options, 50));
        assert_eq!(rows.lines().count(), 51, "{what}: {message}");
        assert!(!is_error(&message), "{what}: {message}");
        let (_, message) = everywhere(&text, &sql(condition, options, 51));
        assert!(is_error(&message), "{what}: {message}");
    }
}
