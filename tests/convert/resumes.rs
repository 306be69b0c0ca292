//! Going on after a failure: what may differ then, and what is told of it.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;

use crate::desk::Desk;

#[test]
fn what_becomes_of_misfits_may_change_where_all_did_fit() {
    let desk = Desk::new();
    desk.write("in/b.csv", "id,text\n1,x\nmany,y\n");
    let line = ["in", "-o", "out", "--types", "id=BIGINT"];
    let convert = |more: &[&str]| desk.convert(&[&line[..], more].concat());
    convert(&[]).code(1).stderr(contains("b.csv"));
    assert_eq!(desk.names("out"), ["a.parquet"]);
    let kept = fs::metadata(desk.path("out/a.parquet")).unwrap().modified().unwrap();
    convert(&["--resume", "--on-error", "reject"])
        .code(4)
        .stdout(contains("2 files, 52 rows read, 51 written, 1 rejected"));
    assert_eq!(fs::metadata(desk.path("out/a.parquet")).unwrap().modified().unwrap(), kept, "it was not done again");
    desk.verify(&["out", "--against"]).success();
    // Rows are missing now that would not be.
    convert(&["--resume", "--on-error", "null"])
        .code(2)
        .stderr(contains("read.on_error was \"reject\" and is \"null\""));
    let manifest = desk.read("_out.manifest.jsonl");
    fs::remove_dir_all(desk.path("out")).unwrap();
    convert(&["--on-error", "reject"]).code(4);
    assert_eq!(desk.read("_out.manifest.jsonl"), manifest, "as of a run that was not disturbed");
}

#[test]
fn a_failure_is_summed_up_too() {
    let desk = Desk::new();
    desk.write("in/b.csv", "id,text\n1,x\n2,y,z\n");
    desk.convert(&["in", "-o", "out", "--summary", "s.json"]).code(1);
    let summary: serde_json::Value = serde_json::from_slice(&desk.read("s.json")).unwrap();
    assert_eq!(
        (&summary["status"], &summary["files_written"], &summary["rows_written"]),
        (&"failed".into(), &1.into(), &50.into())
    );
    assert!(summary["error"].as_str().unwrap().contains("b.csv"), "{summary}");
    desk.write("in/b.csv", "id,text\n1,x\n");
    desk.convert(&["in", "-o", "out", "--summary", "s.json", "--resume"]).success();
    let summary: serde_json::Value = serde_json::from_slice(&desk.read("s.json")).unwrap();
    assert_eq!((&summary["status"], &summary["error"]), (&"done".into(), &serde_json::Value::Null));
    desk.convert(&["in", "-o", "out", "--summary", "s.json"]).code(2);
    assert!(String::from_utf8(desk.read("s.json")).unwrap().contains("there already"));
}

#[test]
fn files_that_a_killed_run_named_go_with_their_inputs() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    let text = String::from_utf8(desk.read("_out.manifest.jsonl")).unwrap();
    // As if the process had ended between the name of the last file and its record.
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    let naming = "{\"line\":\"naming\",\"outputs\":[\"c.parquet\"]";
    let naming = format!("{naming},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(naming.as_bytes()));
    desk.write("_out.manifest.jsonl", &(lines[..3].join("\n") + "\n" + &naming));
    fs::remove_file(desk.path("in/c.csv")).unwrap();
    desk.verify(&["out"]).code(1).stdout(contains("not done"));
    desk.convert(&["in", "-o", "out", "--resume"]).success().stdout(contains("2 files there already"));
    assert_eq!(desk.names("out"), ["a.parquet", "b.parquet"]);
    desk.verify(&["out"]).success();
}

#[test]
fn a_column_more_is_told_as_such() {
    let desk = Desk::new();
    let rows: String = (0..5000_u64).map(|id| format!("{id},{}\n", id.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    desk.write("in/a.csv", &format!("id,text\n{rows}"));
    desk.convert(&["in", "-o", "out"]).success();
    desk.highwater()
        .args(["-c", "COPY (SELECT 1::BIGINT AS id, '1' AS text, 2 AS more) TO 'm.parquet'"])
        .assert()
        .success();
    let text = String::from_utf8(desk.read("_out.manifest.jsonl")).unwrap();
    let size = fs::metadata(desk.path("m.parquet")).unwrap().len();
    let old = fs::metadata(desk.path("out/a.parquet")).unwrap().len();
    // A file of another tool in the place of ours, of the size that is recorded.
    let mut bytes = desk.read("m.parquet");
    assert!(size <= old);
    let footer = bytes.split_off(4);
    bytes.extend(std::iter::repeat_n(0, (old - size) as usize));
    bytes.extend(footer);
    fs::write(desk.path("out/a.parquet"), bytes).unwrap();
    assert!(text.contains("a.parquet"));
    desk.verify(&["out", "--level", "count"])
        .code(1)
        .stdout(contains("a.parquet").and(contains("new column \"more\"")));
}

#[test]
fn a_resumed_append_whose_types_were_widened_lost_what_was_there_before() {
    let desk = Desk::new();
    let widen =
        |inputs: &str, more: &[&str]| desk.convert(&[&[inputs, "-o", "out", "--on-error", "widen"], more].concat());
    desk.write("first/a.csv", "id,text\n1.5,x\n");
    widen("first", &[]).success();
    desk.write("second/a.csv", "id,text\n2.5,y\n");
    widen("second", &["--existing", "append"]).success();
    let (first, names) = (desk.read("out/a.parquet"), ["a-2.parquet", "a.parquet"]);
    assert_eq!(desk.names("out"), names);
    // Types that are not those of the run before.
    desk.write("second/a.csv", "id,text\nmany,y\n");
    widen("second", &["--resume"]).code(2).stderr(contains("\"id\" was DOUBLE and is VARCHAR"));
    assert_eq!((desk.names("out"), desk.read("out/a.parquet")), (names.map(String::from).to_vec(), first));
    // And those that are, but not of the run that is gone on with, as a process left it that was killed.
    let text = String::from_utf8(desk.read("_out.manifest.jsonl")).unwrap();
    let second = text.match_indices("{\"columns\"").nth(1).map_or(0, |(place, _)| place);
    let run = text[..second].rfind("\n{").unwrap() + 1;
    let header = text[run..second].trim_end().replacen("[\"id\",\"DOUBLE\"]", "[\"id\",\"BIGINT\"]", 1);
    let head = header.rsplit_once(",\"crc32\"").unwrap().0;
    let header = format!("{head},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(head.as_bytes()));
    desk.write("_out.manifest.jsonl", &(text[..run].to_string() + &header));
    desk.write("second/a.csv", "id,text\n2.5,y\n");
    fs::remove_file(desk.path("out/a-2.parquet")).unwrap();
    widen("second", &["--resume"]).success();
    assert_eq!((desk.names("out"), desk.sum("out/*.parquet")), (names.map(String::from).to_vec(), "2,4.0".to_string()));
    desk.verify(&["out"]).success();
}

#[test]
fn an_append_that_was_not_even_begun_can_be_resumed() {
    let desk = Desk::new();
    desk.convert(&["in", "-o", "out"]).success();
    desk.write("more/a.csv", "id,text\n1000,x\n");
    let line = ["more", "-o", "out", "--existing", "append", "--resume"];
    desk.convert(&line).success().stdout(contains("1 file, 1 rows read"));
    desk.convert(&line).success().stdout(contains("0 files").and(contains("1 file there already")));
    assert_eq!(desk.names("out"), ["a-2.parquet", "a.parquet", "b.parquet", "c.parquet"]);
    // What is partly the same is not added a second time.
    desk.convert(&["in/a.csv", "more", "-o", "out", "--existing", "append"]).success();
    desk.convert(&["in/a.csv", "-o", "out", "--existing", "append", "--resume"])
        .code(2)
        .stderr(contains("no input now"));
    desk.verify(&["out"]).success();
}
