//! Folders for each value of columns, and files of a size.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;

use crate::desk::Desk;

/// Two files with rows of three partitions.
fn sales() -> Desk {
    let desk = Desk::new();
    desk.write("sales/1.csv", "k,id\na,1\nb,2\na,3\n");
    desk.write("sales/2.csv", "k,id\nc,4\na,5\n");
    desk
}

const BY_K: [&str; 4] = ["sales", "-o", "out", "--partition-by=k"];

#[test]
fn values_become_folders_with_a_manifest_and_nothing_else() {
    let desk = sales();
    desk.convert(&[&BY_K[..], &["--verify", "checksum"]].concat())
        .success()
        .stdout(contains("3 files, 5 rows read, 5 written").and(contains("3 files verified")));
    assert_eq!(desk.files("out"), ["k=a/data_0.parquet", "k=b/data_0.parquet", "k=c/data_0.parquet"]);
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "out", "sales"]);
    assert_eq!(
        desk.query("SELECT k, string_agg(id::VARCHAR, ' ' ORDER BY id) AS ids FROM 'out' GROUP BY k ORDER BY k"),
        "a,1 3 5\nb,2\nc,4\n"
    );
    // Rows of a partition keep their order.
    assert_eq!(desk.query("SELECT id FROM 'out/k=a/data_0.parquet'"), "1\n3\n5\n");
    desk.verify(&["out", "--against"])
        .success()
        .stdout(contains("3 files, 5 rows, 2 columns").and(contains("2 files read")));
    desk.convert(&[&BY_K[..], &["--resume"]].concat()).success().stdout(contains("3 files there already"));
    for format in ["csv", "jsonl", "arrow"] {
        let line = ["sales", "-o", format, "--partition-by", "k", "--format", format, "--verify=checksum"];
        desk.convert(&line).success();
        assert_eq!(desk.files(format).len(), 3);
        desk.verify(&[format]).success();
    }
    desk.convert(&["sales", "-o", "both", "--partition-by", "k", "--write-partition-columns", "--verify=checksum"])
        .success();
    assert_eq!(desk.query("SELECT * FROM 'both/k=b/data_0.parquet'"), "b,2\n");
    desk.verify(&["both", "--against"]).success();
    desk.convert(&["sales", "-o", "sorted", "--partition-by", "k", "--sort-by", "k, id DESC"]).success();
    assert_eq!(desk.query("SELECT id FROM 'sorted/k=a/data_0.parquet'"), "5\n3\n1\n");
}

#[test]
fn values_that_are_no_plain_names_come_back_and_are_verified() {
    let desk = Desk::new();
    desk.write("odd.csv", "k,v\na/b,0\nx=y,1\n50%,2\n😀,3\n\"\",4\n\"tab\tnl\n\",5\n..,6\n__HIVE_DEFAULT_PARTITION__,7\n,8\nNULL,9\n*?[]{},10\n%2F,11\n.hid,12\n_x,13\n");
    desk.convert(&["odd.csv", "-o", "out", "--partition-by", "k", "--verify", "checksum"]).success();
    assert_eq!(desk.files("out").len(), 14);
    let rows = |from: &str| desk.query(&format!("SELECT v, k, k IS NULL FROM {from} ORDER BY v"));
    assert_eq!(rows("'out'"), rows("'odd.csv'"));
    desk.verify(&["out", "--against"]).success();
    desk.write("long.csv", &format!("k,v\n{},1\n", "😀".repeat(30)));
    desk.convert(&["long.csv", "-o", "long", "--partition-by", "k"]).code(1).stderr(contains("362 bytes"));
    assert!(!desk.path("long").exists() && !desk.path(".long.highwater").exists());
}

#[test]
fn keys_of_all_types_are_verified() {
    let desk = Desk::new();
    let rows = "(1, true, -0.0::DOUBLE, 1.50::DECIMAL(9,2), DATE '2024-02-29', TIME '12:30:00.5', TIMESTAMP '2024-01-01 00:00:00.000001', TIMESTAMPTZ '2024-07-01 12:00:00+02', INTERVAL '1 month 2 days 03:04:05.6', 0.1::REAL, 7::SMALLINT), \
        (2, false, 'NaN', -7, DATE '0001-01-01', TIME '00:00', TIMESTAMP '1969-12-31 23:59:59', TIMESTAMPTZ '2024-10-27 00:30:00+00', INTERVAL '30 days', 'Infinity', -1), \
        (3, true, 0.0, 1.5, DATE '2024-02-29', TIME '12:30:00.5', TIMESTAMP '2024-01-01 00:00:00.000001', TIMESTAMPTZ '2024-07-01 10:00:00+00', INTERVAL '1 month', 0.1, 7), \
        (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
    let columns = ["b", "d", "dec", "day", "t", "ts", "tz", "i", "r", "s"];
    let sql = format!("COPY (SELECT * FROM (VALUES {rows}) v(id, {})) TO 'types.parquet'", columns.join(", "));
    desk.highwater().args(["--time-zone", "Europe/Berlin", "-c", &sql]).assert().success();
    for key in columns {
        let zone = ["--time-zone", "Europe/Berlin"];
        let line = ["convert", "types.parquet", "-o", key, "--partition-by", key, "--verify", "checksum"];
        desk.highwater().args(zone).args(line).assert().success();
        desk.highwater().args(zone).args(["verify", key, "--against"]).assert().success();
    }
    // What SQL calls equal is one partition.
    assert_eq!(desk.names("d"), ["d=0.0", "d=NaN", "d=__HIVE_DEFAULT_PARTITION__"]);
    assert_eq!(desk.files("i").len(), 3);
}

#[test]
fn keys_that_cannot_be_are_refused_with_help() {
    let desk = sales();
    let by = |columns: &str| desk.convert(&["sales", "-o", "out", "--partition-by", columns]);
    by("kk").code(2).stderr(contains("no column 'kk'").and(contains("did you mean 'k'")));
    by("year").code(2).stderr(contains("columns are k, id"));
    by("k,K").code(2).stderr(contains("twice"));
    by("k,id").code(2).stderr(contains("all columns are partitions").and(contains("--write-partition-columns")));
    by("k,").code(2).stderr(contains("no names of columns"));
    desk.convert(&["sales", "-o", "out", "--layout", "partition"]).code(2).stderr(contains("--partition-by"));
    assert_eq!(desk.names("."), ["in", "sales"]);
}

#[test]
fn partitions_that_are_there_are_refused_replaced_or_added_to() {
    let desk = sales();
    desk.convert(&BY_K).success();
    let first = desk.read("out/k=a/data_0.parquet");
    desk.convert(&BY_K).code(2).stderr(contains("there already").and(contains("--existing append")));
    desk.write("more.csv", "k,id\na,6\nd,7\n");
    desk.convert(&["more.csv", "-o", "out", "--partition-by", "k", "--existing", "append"]).success();
    let both =
        ["k=a/data_0.parquet", "k=a/data_1.parquet", "k=b/data_0.parquet", "k=c/data_0.parquet", "k=d/data_0.parquet"];
    assert_eq!(desk.files("out"), both);
    assert_eq!(desk.read("out/k=a/data_0.parquet"), first, "what is there is not touched");
    desk.verify(&["out"]).success().stdout(contains("5 files, 7 rows"));
    desk.convert(&["more.csv", "-o", "out", "--existing", "append"]).code(2).stderr(contains("other partitions"));
    desk.convert(&["more.csv", "-o", "out", "--partition-by", "k", "--format", "csv", "--existing", "append"])
        .code(2)
        .stderr(contains("another format"));
    // What is replaced is all that was converted, and nothing else.
    desk.write("out/notes.md", "mine");
    desk.convert(&["more.csv", "-o", "out", "--partition-by", "k", "--existing", "overwrite"])
        .success()
        .stdout(contains("2 files, 2 rows").and(contains("3 files of before removed")));
    assert_eq!(desk.files("out"), ["k=a/data_0.parquet", "k=d/data_0.parquet", "notes.md"]);
    desk.verify(&["out", "--against"]).success();
    // What nobody converted is in the way.
    desk.write("theirs/k=a/x.parquet", "");
    desk.convert(&["sales", "-o", "theirs", "--partition-by", "k"]).code(2).stderr(contains("'theirs/k=a' is there"));
}

#[test]
fn a_resumed_partitioning_is_that_of_the_inputs_as_they_are() {
    let desk = sales();
    desk.convert(&BY_K).success();
    desk.write("sales/2.csv", "k,id\na,5\nd,8\n");
    let resume = [&BY_K[..], &["--resume"]].concat();
    desk.convert(&resume).success().stdout(contains("3 files, 5 rows read").and(contains("1 file of before removed")));
    assert_eq!(desk.files("out"), ["k=a/data_0.parquet", "k=b/data_0.parquet", "k=d/data_0.parquet"]);
    desk.write("sales/3.csv", "k,id\nd,9\n");
    fs::remove_file(desk.path("sales/1.csv")).unwrap();
    desk.convert(&resume).success();
    let (resumed, manifest) = (desk.read("out/k=d/data_0.parquet"), desk.read("_out.manifest.jsonl"));
    fs::remove_dir_all(desk.path("out")).unwrap();
    desk.convert(&BY_K).success();
    assert_eq!((desk.read("out/k=d/data_0.parquet"), desk.read("_out.manifest.jsonl")), (resumed, manifest));
    desk.convert(&["sales", "-o", "out", "--partition-by", "id", "--resume"])
        .code(2)
        .stderr(contains("partition_by was"));
    fs::remove_file(desk.path("out/k=d/data_0.parquet")).unwrap();
    desk.verify(&["out"]).code(1).stdout(contains("data_0.parquet: cannot be read"));
    desk.convert(&resume).success();
    desk.verify(&["out"]).success();
}

#[test]
fn a_partitioning_that_fails_leaves_nothing_or_what_was_there() {
    let desk = sales();
    desk.write("sales/3.csv", "k,id\na,7,y\n");
    desk.convert(&BY_K).code(1).stderr(contains("3.csv"));
    assert_eq!(desk.names("."), ["in", "sales"]);
    fs::remove_file(desk.path("sales/3.csv")).unwrap();
    desk.convert(&BY_K).success();
    let (files, manifest) = (desk.files("out"), desk.read("_out.manifest.jsonl"));
    desk.write("sales/3.csv", "k,id\na,7,y\n");
    for more in [&["--existing", "overwrite"][..], &["--existing", "append"], &["--resume"]] {
        desk.convert(&[&BY_K[..], more].concat()).code(1);
        assert_eq!(
            (desk.files("out"), desk.read("_out.manifest.jsonl")),
            (files.clone(), manifest.clone()),
            "{more:?}"
        );
        assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "out", "sales"]);
    }
}

#[test]
fn rejects_and_partitions_account_for_every_row() {
    let desk = sales();
    desk.write("sales/3.csv", "k,id\na,many\nz,9\n");
    let line =
        [&BY_K[..], &["--types", "id=BIGINT", "--on-error", "reject", "--rejects", "bad/", "--verify", "checksum"]]
            .concat();
    desk.convert(&line).code(4).stdout(contains("7 rows read, 6 written, 1 rejected"));
    assert_eq!(desk.names("bad"), ["3.rejects.csv"]);
    desk.verify(&["out", "--against"]).success();
}

#[test]
fn files_end_at_a_size_in_every_layout() {
    let desk = Desk::new();
    let rows = |first: u64, count: u64| -> String {
        (first..first + count)
            .map(|id| format!("{id},{},text {}\n", id % 3, id.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect()
    };
    fs::remove_dir_all(desk.path("in")).unwrap();
    desk.write("in/a.csv", &format!("id,k,t\n{}", rows(0, 60_000)));
    desk.write("in/b.csv", &format!("id,k,t\n{}", rows(60_000, 1_000)));
    let size = ["--file-size", "300kB", "--verify", "checksum"];
    let convert = |more: &[&str]| desk.convert(&[&["in", "-o", "out"][..], &size, more].concat());
    convert(&[]).success();
    let files = desk.files("out");
    assert!(files.len() > 3 && files[0] == "a_0.parquet" && files.last().unwrap() == "b_0.parquet", "{files:?}");
    assert_eq!(desk.query("SELECT count(*), sum(id) FROM 'out'"), format!("61000,{}\n", 60_999_u64 * 61_000 / 2));
    desk.verify(&["out", "--against"]).success();
    // Fewer files than before.
    desk.write("in/a.csv", &format!("id,k,t\n{}", rows(0, 30_000)));
    convert(&["--resume"]).success().stdout(contains("1 file there already"));
    let fewer = desk.files("out");
    assert!(fewer.len() < files.len() && fewer[..2] == files[..2], "{fewer:?}");
    desk.verify(&["out"]).success();
    convert(&["--existing", "append"]).success();
    assert_eq!(desk.files("out").len(), 2 * fewer.len());
    assert_eq!(desk.query("SELECT count(*) FROM 'out'"), "62000\n");
    convert(&["--existing", "overwrite"]).success();
    assert_eq!(desk.files("out"), fewer);
    desk.write("other/a_0.parquet", "mine");
    desk.convert(&["in", "-o", "other", "--file-size", "1MB"]).code(2).stderr(contains("'other/a_0.parquet' is there"));

    let merged = ["in", "-o", "merged", "--merge", "--rows-per-file", "20000", "--verify", "count"];
    desk.convert(&merged).success();
    assert_eq!(desk.files("merged"), ["data_0.parquet", "data_1.parquet"]);
    desk.verify(&["merged", "--against"]).success();
    let parts = ["in", "-o", "parts", "--partition-by", "k", "--rows-per-file", "4000", "--verify", "checksum"];
    desk.convert(&parts).success();
    assert_eq!(desk.files("parts").len(), 9);
    desk.verify(&["parts", "--against"]).success();
}

#[test]
fn a_plan_of_partitions_writes_nothing() {
    let desk = sales();
    desk.convert(&[&BY_K[..], &["--dry-run"]].concat()).success().stdout(
        contains("2 files → out/k=*/data_*.parquet").and(contains("files to write: about")).and(contains("k VARCHAR")),
    );
    assert_eq!(desk.names("."), ["in", "sales"]);
}

#[test]
fn inputs_without_rows_become_no_partitions() {
    let desk = Desk::new();
    desk.write("none.csv", "k,id\n");
    desk.convert(&["none.csv", "-o", "out", "--partition-by", "k", "--verify", "checksum"])
        .success()
        .stdout(contains("0 files"));
    assert!(desk.path("out").is_dir() && desk.files("out").is_empty());
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "none.csv", "out"]);
}

#[test]
fn thousands_of_partitions_take_little_memory_and_few_files() {
    let desk = Desk::new();
    let rows: String = (0..20_000_u64).map(|id| format!("{},{id}\n", id * 7919 % 3000)).collect();
    desk.write("many.csv", &format!("k,id\n{rows}"));
    let script = "ulimit -n 60; exec \"$0\" \"$@\"";
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", script]).arg(assert_cmd::cargo::cargo_bin("highwater")).current_dir(desk.0.path());
    command.env("XDG_CONFIG_HOME", "/nonexistent").args(["--threads", "2", "--memory-limit", "40MB", "convert"]);
    command.args(["many.csv", "-o", "out", "--partition-by", "k", "--format", "csv"]).assert().success();
    assert_eq!(desk.names("out").len(), 3000);
    desk.verify(&["out", "--level", "count"]).success().stdout(contains("3,000 files, 20,000 rows"));
    let lines = desk.read("_out.manifest.jsonl").iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 5, "a run, three lines of files, of which the last is the part, and its end");
}
