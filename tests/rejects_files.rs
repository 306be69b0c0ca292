//! Files of rejects through the binary: when they are written, and where they may not be.

mod common;

use std::fs;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use common::Files;

fn highwater(threads: usize) -> Command {
    let mut command = Command::cargo_bin("highwater").expect("the binary is built");
    command.env("XDG_CONFIG_HOME", "/nonexistent").args(["--threads", &threads.to_string()]);
    command
}

const BAD: &str = "id,n\n1,x\n2,y\n3,4\n4,z\n";

#[test]
fn rejects_are_written_where_there_were_too_many() {
    let files = Files::new(&[("in/a.csv", BAD)]);
    let query = |options: &str| {
        let options = format!(", types = {{'n': 'BIGINT'}}, on_error = 'reject'{options}");
        format!("SELECT count(*) FROM {}", files.csv("in/*.csv", &options))
    };
    for (target, written) in [("all.csv", "all.csv"), ("bad/", "bad/a.rejects.csv")] {
        let target = files.path(target);
        let mut command = highwater(1);
        command.args(["--max-rejects", "1", "-c", &query(""), "--rejects"]).arg(&target);
        let note = format!("what did not fit until then is in '{}'", target.display());
        command.assert().code(1).stdout("").stderr(contains("more than 1 row was rejected").and(contains(note)));
        assert_eq!(files.read(written).lines().count(), 4, "{}", files.read(written));
    }
    let own = files.path("own.csv");
    let sql = query(&format!(", max_rejects = 1, rejects = '{}'", own.display()));
    highwater(1).args(["-c", &sql]).assert().code(1).stdout("").stderr(contains("more than 1 row"));
    assert_eq!(files.read("own.csv").lines().count(), 4);
}

#[test]
fn where_rejects_cannot_go_is_told_before_anything_is_printed() {
    let files = Files::new(&[("a.csv", BAD)]);
    for target in ["/nonexistent/x.csv".into(), files.path("a.csv"), files.path("")] {
        let from = files.csv("a.csv", &format!(", types = {{'n': 'BIGINT'}}, rejects = '{}'", target.display()));
        highwater(2).args(["-c", &format!("SELECT * FROM {from}")]).assert().code(2).stdout("");
    }
    assert_eq!(files.read("a.csv"), BAD);
}

#[test]
fn rejects_do_not_become_data_of_the_next_run() {
    let files = Files::new(&[("in/a.csv", BAD)]);
    let sql = |pattern: &str| {
        let from = files.csv(pattern, ", types = {'n': 'BIGINT'}, on_error = 'reject'");
        format!("SELECT count(*) AS n FROM {from}")
    };
    let ran = |pattern: &str, target: &str| {
        let mut command = highwater(2);
        command.args(["-c", &sql(pattern), "--rejects"]).arg(files.path(target));
        command.assert()
    };
    for (pattern, target) in
        [("in/*.csv", "in/"), ("in", "in/bad.csv"), ("**/*.csv", "in/new/"), ("in/?.csv", "in/b.csv")]
    {
        ran(pattern, target).code(2).stdout("").stderr(contains("which the statement reads"));
    }
    assert_eq!(fs::read_dir(files.path("in")).unwrap().count(), 1);
    let converted = files.path("out.parquet");
    let mut convert = highwater(2);
    convert.arg("convert").arg(files.path("in")).args(["--layout", "merge", "-o"]).arg(&converted);
    convert.arg("--rejects").arg(files.path("in/")).assert().code(2).stderr(contains("which the statement reads"));
    assert!(!converted.exists());

    // Not every file beside the data is read as data.
    ran("in/a.csv", "in/").code(4).stdout("n\n1\n");
    ran("in/?.csv", "in/bad.csv").code(4).stderr(contains("bad.csv', written when the run ends"));
    let own = files.path("own.csv");
    let read = format!("SELECT * FROM '{}'", own.display());
    let hint = contains("which the statement reads").and(contains("rejects()"));
    highwater(2).args(["-c", &sql("in/a.csv"), "-c", &read, "--rejects"]).arg(&own).assert().code(2).stderr(hint);
}
