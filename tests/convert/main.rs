//! Converting as a user does it: resuming, overwriting, appending, verifying, and what is wrong with inputs and outputs.

mod desk;
mod partitions;
mod places;
mod resumes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use desk::Desk;

#[test]
fn nothing_but_outputs_and_a_manifest_is_left() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success().stdout(contains("3 files, 150 rows read, 150 written"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "out"]);
    desk.convert(&["in", "-o", "all.parquet", "--merge", "--manifest", "record"]).success();
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "all.parquet", "in", "out", "record"]);
    assert_eq!(desk.sum("out"), desk.sum("all.parquet"));
}

#[test]
fn what_was_converted_is_kept_and_what_is_new_or_changed_is_converted() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("3 files, 150 rows read"));
    desk.convert(&["in", "-o", "out", "--resume"])
        .success()
        .stdout(contains("0 files").and(contains("3 files there already")));
    let kept = fs::metadata(desk.path("out/a.parquet")).unwrap().modified().unwrap();
    desk.write("in/b.csv", "id,text\n7,seven\n");
    desk.write("in/d.csv", "id,text\n8,eight\n");
    desk.convert(&["in", "-o", "out", "--resume"])
        .success()
        .stdout(contains("2 files, 2 rows read").and(contains("2 files there")));
    assert_eq!(fs::metadata(desk.path("out/a.parquet")).unwrap().modified().unwrap(), kept);
    let (resumed, manifest) = (desk.read("out/b.parquet"), desk.read("_out.manifest.jsonl"));
    fs::remove_dir_all(desk.path("out")).unwrap();
    // A manifest of which nothing is there any more is none.
    desk.convert(&["in", "-o", "out"]).success().stdout(contains("4 files, 102 rows read"));
    assert_eq!((desk.read("out/b.parquet"), desk.read("_out.manifest.jsonl")), (resumed, manifest), "as undisturbed");
    fs::remove_file(desk.path("out/c.parquet")).unwrap();
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("1 file, 50 rows read"));
}

#[test]
fn content_decides_where_the_time_does_not() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let touch = |name: &str| {
        let file = fs::File::options().write(true).open(desk.path(name)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(100)).unwrap();
    };
    touch("in/a.csv");
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("0 files").and(contains("3 files there")));
    let text = String::from_utf8(desk.read("in/a.csv")).unwrap().replace("text 7", "TEXT 7");
    let time = fs::metadata(desk.path("in/a.csv")).unwrap().modified().unwrap();
    desk.write("in/a.csv", &text);
    fs::File::options().write(true).open(desk.path("in/a.csv")).unwrap().set_modified(time).unwrap();
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("0 files"));
    desk.convert(&["in", "-o", "out", "--resume=checksum"]).success().stdout(contains("1 file, 50 rows"));
}

#[test]
fn what_was_begun_otherwise_is_not_gone_on_with() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--compression", "snappy"]).success();
    for (arguments, words) in [
        (&["--compression", "zstd"][..], "write.compression was \"snappy\" and is \"zstd\""),
        (&["--compression", "snappy", "--nullstr", "-"], "read.nullstr was not given and is \"-\""),
        (&["--compression", "snappy", "--format", "csv"], "no meaning"),
        (&["--compression", "snappy", "--batch-size", "10"], "settings.batch_size was 8192 and is 10"),
    ] {
        let line = [&["in", "-o", "out", "--resume"], arguments].concat();
        desk.convert(&line).code(2).stderr(contains(words));
    }
    desk.write("in/d.csv", "id,text,more\n1.5,x,1\n");
    let line = ["in", "-o", "out", "--resume", "--compression", "snappy"];
    desk.convert(&line).code(2).stderr(contains("\"id\" was BIGINT and is DOUBLE").and(contains("overwrite")));
    fs::remove_file(desk.path("in/d.csv")).unwrap();
    fs::remove_file(desk.path("in/a.csv")).unwrap();
    desk.convert(&line).code(2).stderr(contains("a.csv' was converted before, and is no input now"));
    assert_eq!(desk.sum("out").split(',').next(), Some("150"), "nothing was lost");
}

#[test]
fn existing_outputs_are_refused_replaced_or_added_to() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let sum = desk.sum("out");
    desk.convert(&["in", "-o", "out"]).code(2).stderr(contains("there already").and(contains("--existing overwrite")));
    desk.convert(&["in/a.csv", "-o", "out", "--existing", "append"]).success();
    assert_eq!(desk.names("out"), ["a-2.parquet", "a.parquet", "b.parquet", "c.parquet"]);
    desk.verify(&["out"]).success().stdout(contains("4 files, 200 rows, 2 columns"));
    desk.write("odd.csv", "id,other\n1,2\n");
    desk.convert(&["odd.csv", "-o", "out", "--existing", "append"]).code(2).stderr(contains("\"text\" is missing now"));
    desk.convert(&["in", "-o", "all.parquet", "--merge", "--existing", "append"]).code(2).stderr(contains("one file"));
    // What is replaced is all that was converted, and nothing else.
    desk.write("out/notes.md", "mine");
    fs::remove_file(desk.path("in/c.csv")).unwrap();
    desk.convert(&["in", "-o", "out", "--existing", "overwrite"])
        .success()
        .stdout(contains("2 files of before removed"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "notes.md"]);
    assert_ne!(desk.sum("out"), sum);
    desk.verify(&["out"]).success();
}

#[test]
fn an_overwrite_that_was_not_even_begun_can_be_resumed() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--types", "id=VARCHAR"]).success();
    desk.convert(&["in", "-o", "out", "--resume"]).code(2).stderr(contains("cannot be resumed"));
    // What is there is done, and is to be replaced.
    let line = ["in", "-o", "out", "--existing", "overwrite", "--resume"];
    desk.convert(&line).success().stdout(contains("3 files, 150 rows"));
    desk.convert(&line).success().stdout(contains("3 files there already"));
    desk.verify(&["out", "--against"]).success();
}

#[test]
fn an_overwrite_that_fails_leaves_what_was_there_and_is_gone_on_with() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let (sum, manifest) = (desk.sum("out"), desk.read("_out.manifest.jsonl"));
    desk.write("in/c.csv", "id,text\n1,x\n2,y,z\n");
    let line = ["in", "-o", "out", "--existing", "overwrite"];
    desk.convert(&line).code(1).stderr(contains("c.csv").and(contains("--resume goes on")));
    assert_eq!((desk.sum("out"), desk.read("_out.manifest.jsonl")), (sum, manifest));
    desk.write("in/c.csv", "id,text\n1,x\n");
    desk.convert(&[&line[..], &["--resume"]].concat())
        .success()
        .stdout(contains("1 file, 1 rows").and(contains("2 files there already")));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
    desk.verify(&["out", "--against"]).success().stdout(contains("against 3 files read again"));
}

#[test]
fn a_conversion_that_fails_keeps_what_is_complete() {
    let desk = Desk::new();
    desk.write("in/b.csv", "id,text\n1,x\n2,y,z\n");
    desk.convert(&["in", "-o", "out"]).code(1).stderr(contains("b.csv"));
    assert_eq!(desk.names("out"), ["a.parquet"]);
    desk.convert(&["in", "-o", "out"]).code(2).stderr(contains("--resume goes on"));
    desk.verify(&["out"]).code(1).stdout(contains("not done"));
    desk.write("in/b.csv", "id,text\n1,x\n");
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("2 files, 51 rows"));
    desk.verify(&["out"]).success();
}

#[test]
fn outputs_that_changed_are_found() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--verify", "checksum"]).success().stdout(contains("3 files verified"));
    desk.verify(&["out", "--against", "in"]).success().stdout(contains("all as it was converted"));
    let whole = desk.read("out/b.parquet");
    let mut bytes = whole.clone();
    bytes[100] ^= 1;
    fs::write(desk.path("out/b.parquet"), &bytes).unwrap();
    desk.verify(&["out", "--level", "count"]).success();
    desk.verify(&["out"]).code(1).stdout(contains("b.parquet: has other bytes"));
    fs::copy(desk.path("out/a.parquet"), desk.path("out/b.parquet")).unwrap();
    desk.verify(&["out"]).code(1).stdout(contains("b.parquet"));
    fs::remove_file(desk.path("out/b.parquet")).unwrap();
    desk.verify(&["out"]).code(1).stdout(contains("b.parquet: cannot be read"));
    fs::write(desk.path("out/b.parquet"), &whole).unwrap();
    desk.write("out/z.parquet", "");
    desk.verify(&["out"]).code(1).stdout(contains("z.parquet: is not in the manifest"));
    fs::remove_file(desk.path("out/z.parquet")).unwrap();
    desk.verify(&["out"]).success();
    // The inputs, too.
    desk.write("in/a.csv", &String::from_utf8(desk.read("in/a.csv")).unwrap().replace("text 7", "text 8"));
    desk.verify(&["out"]).success();
    desk.verify(&["out", "--against"])
        .code(1)
        .stdout(contains("a.csv: is not what was converted").and(contains("\"text\"")));
    desk.verify(&["in"]).code(2).stderr(contains("no manifest"));
}

#[test]
fn a_damaged_manifest_is_told() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let text = String::from_utf8(desk.read("_out.manifest.jsonl")).unwrap();
    desk.write("_out.manifest.jsonl", &text.replacen("\"rows\":50", "\"rows\":51", 1));
    desk.verify(&["out"]).code(1).stderr(contains("damaged in line 2"));
    desk.convert(&["in", "-o", "out", "--resume"]).code(1).stderr(contains("damaged"));
}

#[test]
fn text_formats_are_verified_too() {
    let desk = Desk::new();
    desk.write("in/a.csv", "id,text,day,x\n1,,2024-01-01,1.5\n2,\"\",,NaN\n,\"a,\"\"b\",2024-02-29,-0.0\n");
    for format in ["csv", "tsv"] {
        desk.convert(&["in", "-o", format, "--format", format, "--verify", "checksum"]).success();
        desk.verify(&[format, "--against"]).success();
    }
}

#[test]
fn what_json_cannot_say_is_told_when_it_is_verified() {
    let desk = Desk::new();
    desk.write("x/a.csv", "x\n1.5\n\"NaN\"\n");
    for format in ["jsonl", "json"] {
        let line = ["x", "-o", format, "--format", format, "--types", "x=DOUBLE"];
        desk.convert(&[&line[..], &["--verify", "count"]].concat()).success();
        desk.verify(&[format, "--level", "count"]).success();
        desk.verify(&[format]).code(1).stdout(contains("\"x\" has 1 nulls, and should have 0"));
        desk.convert(&[&line[..], &["--verify", "checksum", "--existing", "overwrite"]].concat())
            .code(1)
            .stderr(contains("neither NaN"));
    }
}

#[test]
fn json_and_arrow_outputs_are_verified_value_by_value() {
    let desk = Desk::new();
    desk.write("types/a.csv", "b,i,d,dec,t,day,time,at,zoned\ntrue,-9223372036854775808,1e300,1234567890123456789.25,é\\\"x,2024-02-29,12:30:00.5,2024-01-01 00:00:00.000001,2024-01-01T00:00:00+05:00\n,,,,,,,,\n");
    desk.write("types/b.csv", "b,i,d,dec,t,day,time,at,zoned\n");
    for format in ["json", "jsonl", "arrow"] {
        let line = ["types", "-o", format, "--format", format, "--types", "dec=DECIMAL(30,2)", "--verify", "checksum"];
        desk.convert(&line).success().stdout(contains("2 files verified"));
        desk.verify(&[format, "--against"]).success().stdout(contains("2 files, 2 rows, 9 columns"));
        let path = format!("{format}/a.{format}");
        let mut bytes = desk.read(&path);
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        fs::write(desk.path(&path), &bytes).unwrap();
        desk.verify(&[format]).code(1).stdout(contains("other bytes"));
    }
}

#[test]
fn all_types_come_back_as_they_were_read() {
    let desk = Desk::new();
    desk.write("types.csv", "b,i,d,f,t,day,time,at,zoned\ntrue,1,12345678901234567890,1e300,é,2024-02-29,12:30:00.5,2024-01-01 00:00:00.000001,2024-01-01T00:00:00+05:00\n,,,,,,,,\n");
    desk.convert(&["types.csv", "-o", "out", "--verify", "checksum"]).success();
    desk.verify(&["out", "--against"]).success();
    let sql = "COPY (SELECT [1, NULL] AS l, INTERVAL '1 month' AS v, CAST(1 AS SMALLINT) AS s, CAST('NaN' AS REAL) AS r) TO 'x.parquet'";
    desk.highwater().args(["-c", sql]).assert().success();
    desk.convert(&["x.parquet", "-o", "again", "--verify", "checksum"]).success();
    desk.verify(&["again", "--against"]).success();
}

#[test]
fn a_plan_writes_nothing() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--dry-run"]).success().stdout(
        contains("in/a.csv → out/a.parquet")
            .and(contains("id BIGINT"))
            .and(predicate::str::is_match("3 files to write: about 1[45]\\d rows").unwrap())
            .and(contains("nothing was written")),
    );
    assert_eq!(desk.names("."), ["in"]);
    desk.convert(&["in/a.csv", "-o", "out"]).success();
    desk.convert(&["in", "-o", "out", "--dry-run"]).code(2).stderr(contains("there already"));
    desk.convert(&["out", "-o", "two", "--dry-run"]).success().stdout(contains("1 file to write: 50 rows"));
}

#[test]
fn a_summary_is_written_as_json() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out", "--summary", "s.json"]).success();
    let summary: serde_json::Value = serde_json::from_slice(&desk.read("s.json")).unwrap();
    assert_eq!(summary["rows_read"], 150);
    assert_eq!(summary["files_written"], 3);
    let sizes = desk.names("out").into_iter().map(|name| fs::metadata(desk.path("out").join(name)).unwrap().len());
    assert_eq!(summary["bytes_written"], sizes.sum::<u64>());
}

#[test]
fn two_conversions_to_one_place_are_refused() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path(".out.highwater")).unwrap();
    let lock = fs::File::create(desk.path(".out.highwater/lock")).unwrap();
    lock.lock().unwrap();
    fs::write(desk.path(".out.highwater/lock"), "4711").unwrap();
    desk.convert(&["in", "-o", "out"])
        .code(2)
        .stderr(contains("another conversion (process 4711) is writing to 'out'"));
    drop(lock);
    desk.convert(&["in", "-o", "out"]).success();
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
}

#[test]
fn unfinished_files_of_a_killed_run_are_removed() {
    let desk = Desk::new();
    desk.write(".out.highwater/lock", "1");
    desk.write(".out.highwater/.journal.tmp-1-0", "half");
    desk.write(".out.highwater/new/x/b.parquet.part", "half");
    desk.write("._out.manifest.jsonl.tmp-1-0", "half");
    desk.convert(&["in", "-o", "out"]).success();
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "out"]);
}

#[test]
fn names_that_collide_are_found_before_anything_is_written() {
    let desk = Desk::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, b"id,text\n1,x\n").unwrap();
    fs::write(desk.path("in/a.csv.gz"), encoder.finish().unwrap()).unwrap();
    desk.convert(&["in", "-o", "out"]).code(2).stderr(contains("would both become 'out/a.parquet'"));
    assert_eq!(desk.names("."), ["in"]);
    fs::remove_file(desk.path("in/a.csv.gz")).unwrap();
    desk.write("in/A.csv", "id,text\n1,x\n");
    desk.convert(&["in", "-o", "out"]).success();
    assert_eq!(desk.names("out"), ["A.parquet", "a.parquet", "b.parquet", "c.parquet"]);
    desk.convert(&["in", "-o", "in", "--format", "csv"]).code(2).stderr(contains("would overwrite an input"));
}

#[test]
fn outputs_in_the_folder_of_the_inputs_are_no_inputs() {
    let desk = Desk::new();
    for out in ["in/out", "in"] {
        desk.convert(&["in", "-o", out]).success().stdout(contains("3 files"));
        desk.convert(&["in", "-o", out, "--resume"]).success().stdout(contains("3 files there already"));
        desk.convert(&["in", "-o", out, "--existing", "overwrite"]).success().stdout(contains("3 files, 150 rows"));
        fs::remove_dir_all(desk.path("in/out")).ok();
    }
}

#[test]
fn files_without_rows_become_files_without_rows() {
    let desk = Desk::new();
    desk.write("in/d.csv", "");
    desk.write("in/e.csv", "id,text\n");
    desk.write("in/f.csv", "id,text");
    desk.convert(&["in", "-o", "out", "--verify", "checksum"]).success().stdout(contains("6 files, 150 rows read"));
    assert_eq!(desk.sum("out/e.parquet"), "0,");
    assert_eq!(desk.sum("out/d.parquet"), "0,");
    desk.verify(&["out", "--against"]).success();
    desk.convert(&["in/d.csv", "-o", "none"]).code(1).stderr(contains("empty"));
    assert!(!desk.path("none").exists());
}

#[test]
fn folders_that_cannot_be_written_are_told() {
    let desk = Desk::new();
    desk.write("file", "");
    desk.convert(&["in", "-o", "file/out"]).code(1).stderr(contains("file/out"));
    desk.convert(&["in", "-o", "missing/all.parquet", "--merge"]).code(2).stderr(contains("no folder 'missing'"));
    fs::create_dir(desk.path("closed")).unwrap();
    fs::set_permissions(desk.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write everywhere.
    if fs::write(desk.path("closed/probe"), "").is_err() {
        desk.convert(&["in", "-o", "closed"]).code(1).stderr(contains("closed"));
        desk.convert(&["in", "-o", "closed/deep"]).code(1).stderr(contains("closed/deep"));
    }
    fs::set_permissions(desk.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A limit of the size of files stands for a disk that is full: both end a write.
#[test]
fn a_disk_that_is_full_leaves_what_is_complete() {
    let desk = Desk::new();
    let rows: String =
        (0..200_000).map(|id: u64| format!("{id},{}\n", id.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    desk.write("in/b.csv", &format!("id,text\n{rows}"));
    let mut command = Process::new("sh");
    // 512 bytes a block; SIGXFSZ is ignored, so that the write fails instead.
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(assert_cmd::cargo::cargo_bin("highwater"));
    command.args(["convert", "in", "-o", "out"]).current_dir(desk.0.path()).env("XDG_CONFIG_HOME", "/nonexistent");
    let output = command.stdout(Stdio::null()).process_group(0).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 3)), "{told}");
    assert!(told.contains("b.parquet"), "{told}");
    assert_eq!(desk.names("out"), ["a.parquet"]);
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("1 file there already"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
    desk.verify(&["out", "--against"]).success();
}

#[test]
fn an_input_that_grows_meanwhile_is_an_error_and_nothing_is_made_of_it() {
    let desk = Desk::new();
    let rows: String = (0..2_000_000_u64).map(|id| format!("{id},text\n")).collect();
    desk.write("in/b.csv", &format!("id,text\n{rows}"));
    let binary = assert_cmd::cargo::cargo_bin("highwater");
    for change in ["grow", "vanish"] {
        let mut child = Process::new(&binary)
            .args(["--threads", "1", "convert", "in", "-o", change])
            .current_dir(desk.0.path())
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The first file is done, and the second one is being read.
        while !desk.path(change).join("a.parquet").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let whole = desk.read("in/b.csv");
        if change == "grow" {
            let mut file = fs::File::options().append(true).open(desk.path("in/b.csv")).unwrap();
            std::io::Write::write_all(&mut file, b"3,more\n").unwrap();
        } else {
            fs::remove_file(desk.path("in/b.csv")).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{change}: {told}");
        assert!(told.contains("b.csv"), "{told}");
        assert_eq!(desk.names(change), ["a.parquet"]);
        fs::write(desk.path("in/b.csv"), &whole).unwrap();
        desk.convert(&["in", "-o", change, "--resume"]).success();
        desk.verify(&[change, "--against"]).success();
    }
}

#[test]
fn widened_types_hold_for_all_outputs_and_survive_a_resume() {
    let desk = Desk::new();
    let rows: String = (0..60_000).map(|id| format!("{id},x\n")).collect();
    desk.write("in/b.csv", &format!("id,text\n{rows}1.5,x\n{rows}"));
    let line = ["in", "-o", "out", "--on-error", "widen"];
    desk.convert(&line).success();
    desk.highwater().args(["schema", "out"]).assert().success().stdout(contains("id,DOUBLE"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet", "c.parquet"]);
    desk.verify(&["out"]).success();
    desk.convert(&[&line[..], &["--resume"]].concat()).success();
    desk.verify(&["out"]).success();
}

#[test]
fn rejects_count_over_all_runs_of_a_conversion() {
    let desk = Desk::new();
    let bad = |name: &str, rows: usize| {
        let text = String::from_utf8(desk.read(name)).unwrap();
        desk.write(name, &(text + &"many,x\n".repeat(rows)));
    };
    bad("in/a.csv", 1);
    bad("in/c.csv", 5);
    let convert = |more: &[&str]| {
        let line = ["in", "-o", "out", "--types", "id=BIGINT", "--on-error", "reject"];
        desk.convert(&[&line[..], more].concat())
    };
    convert(&["--max-rejects", "3", "--rejects", "bad/"]).code(1).stderr(contains("more than 3 rows"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet"]);
    convert(&["--resume", "--rejects", "bad.csv"]).code(2).stderr(contains("name a folder"));
    convert(&["--resume", "--max-rejects", "5", "--rejects", "bad/"]).code(1).stderr(contains("rows were rejected"));
    convert(&["--resume", "--max-rejects", "6", "--rejects", "bad/"]).code(4).stdout(contains("1 file, 55 rows read"));
    assert_eq!(desk.names("bad"), ["a.rejects.csv", "c.rejects.csv"]);
    convert(&["--resume"]).code(4).stdout(contains("0 files"));
    desk.verify(&["out", "--against"]).success();
}

#[test]
fn the_same_bytes_whatever_the_threads() {
    let desk = Desk::new();
    let rows: String = (0..300_000).map(|id| format!("{id},text {}\n", id % 1000)).collect();
    desk.write("in/b.csv", &format!("id,text\n{rows}"));
    for threads in ["1", "2", "5"] {
        let out = format!("out{threads}");
        let mut command = Command::cargo_bin("highwater").unwrap();
        command.env("XDG_CONFIG_HOME", "/nonexistent").current_dir(desk.0.path());
        command.args(["--threads", threads, "convert", "in", "-o", &out]).assert().success();
        assert_eq!(desk.read(&format!("{out}/b.parquet")), desk.read("out1/b.parquet"));
        let manifest = |threads: &str| desk.read(&format!("_out{threads}.manifest.jsonl"));
        assert_eq!(manifest(threads), manifest("1"));
    }
}

#[test]
fn rows_are_sorted_as_asked_and_columns_encoded_as_asked() {
    let desk = Desk::new();
    let sorted = ["in", "-o", "out", "--sort-by", "text DESC, id", "--column-option", "id:codec=snappy,bloom_filter"];
    desk.convert(&sorted).success();
    let answer = |sql: &str| {
        let answer = desk.highwater().args(["-c", sql]).assert().success();
        String::from_utf8(answer.get_output().stdout.clone()).unwrap()
    };
    assert_eq!(answer("SELECT id FROM 'out/a.parquet' LIMIT 3"), "id\n9\n8\n7\n");
    let facts =
        "SELECT compression, bloom_filter_length > 0 AS b FROM parquet_metadata('out/a.parquet') ORDER BY column_id";
    assert_eq!(answer(facts), "compression,b\nSNAPPY,true\nZSTD,\n");
    desk.verify(&["out"]).success();
    // The order is one of the options that a run is gone on with.
    desk.convert(&["in", "-o", "out", "--resume", "--sort-by", "id"]).failure().stderr(contains("sort_by"));
    desk.convert(&["in", "-o", "other", "--sort-by", "nothing"]).failure().stderr(contains("no column 'nothing'"));
    desk.convert(&["in", "-o", "other", "--column-option", "id"]).code(2).stderr(contains("COLUMN:NAME=VALUE"));
    desk.convert(&["in", "-o", "other", "--row-group-size", "0"]).code(2).stderr(contains("positive whole number"));
}

#[test]
fn json_and_arrow_are_converted_too() {
    let desk = Desk::new();
    desk.write("json/a.jsonl", "{\"id\": 1, \"text\": \"x\"}\n{\"id\": 2}\n");
    desk.write("json/b.jsonl", "{\"id\": 3, \"text\": \"y\"}\n");
    desk.convert(&["json", "-o", "out", "--verify", "checksum"]).success();
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet"]);
    assert_eq!(desk.sum("out/*.parquet"), "3,6");
    desk.convert(&["out", "-o", "arrow", "--format", "arrow"]).success();
    desk.convert(&["arrow", "-o", "all.parquet", "--merge", "--verify", "checksum"]).success();
    assert_eq!(desk.sum("all.parquet"), "3,6");
    desk.verify(&["all.parquet", "--against"]).success();
}

#[test]
fn a_resume_with_other_inputs_of_the_same_names_replaced_what_was_there() {
    let desk = Desk::new();
    desk.write("jan/x.csv", "id,text\n1,jan\n");
    desk.write("feb/x.csv", "id,text\n2,feb\n");
    desk.convert(&["jan", "-o", "out"]).success();
    desk.convert(&["feb", "-o", "out", "--resume"])
        .code(2)
        .stderr(contains("jan/x.csv' was converted before, and is no input now"));
    assert_eq!(desk.sum("out/*.parquet"), "1,1");
    desk.convert(&["feb", "-o", "out", "--existing", "append"]).success();
    // Again and again, as a script that goes on wherever it was.
    desk.convert(&["feb", "-o", "out", "--existing", "append", "--resume"]).success();
    desk.convert(&["feb", "-o", "out", "--resume"]).success();
    assert_eq!(desk.names("out"), ["x-2.parquet", "x.parquet"]);
    assert_eq!(desk.sum("out/*.parquet"), "2,3");
    desk.verify(&["out"]).success();
}

#[test]
fn a_file_that_is_no_summary_or_manifest_is_not_replaced_by_one() {
    let desk = Desk::new();
    desk.convert(&["--summary", "in/a.csv", "in/b.csv", "-o", "out"]).code(2).stderr(contains("is no summary"));
    desk.convert(&["in", "-o", "out", "--manifest", "in/c.csv"]).code(2).stderr(contains("is no manifest"));
    assert!(desk.read("in/a.csv").starts_with(b"id,text") && desk.read("in/c.csv").starts_with(b"id,text"));
    desk.convert(&["in", "-o", "out", "--summary", "s.json"]).success();
    desk.convert(&["in", "-o", "out", "--summary", "s.json", "--existing", "overwrite"]).success();
}

#[test]
fn outputs_that_were_damaged_are_made_again_when_bytes_are_compared() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let whole = desk.read("out/a.parquet");
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    fs::write(desk.path("out/a.parquet"), damaged).unwrap();
    desk.convert(&["in", "-o", "out", "--resume"]).success();
    desk.verify(&["out"]).failure();
    desk.convert(&["in", "-o", "out", "--resume", "--verify", "checksum"]).success();
    assert_eq!(desk.read("out/a.parquet"), whole);
    desk.verify(&["out"]).success();
}
