//! Manifests and links that lead to files which are not to be touched.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use predicates::prelude::*;
use predicates::str::contains;

use crate::desk::Desk;

/// A line of a manifest, with its checksum.
fn line(text: &str) -> String {
    let head = text.strip_suffix('}').unwrap();
    format!("{head},\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(head.as_bytes()))
}

#[test]
fn a_file_of_json_was_taken_for_a_manifest_that_was_cut() {
    let desk = Desk::new();
    for text in ["{\"name\": \"mine\"}\n", "{\"name\": \"mine\"}", "{\n}\n", "{\"format\":\"csv\"}"] {
        desk.write("user.json", text);
        desk.convert(&["in", "-o", "o1", "--manifest", "user.json"]).code(2).stderr(contains("is no manifest"));
        assert_eq!(desk.read("user.json"), text.as_bytes());
        assert!(!desk.path("o1").exists());
    }
    for text in ["", "{", "{\"format\":1,\"highwater\":\"0."] {
        desk.write("cut", text);
        desk.convert(&["in", "-o", "o1", "--manifest", "cut"]).success();
        desk.verify(&["o1", "--manifest", "cut"]).success();
        fs::remove_dir_all(desk.path("o1")).unwrap();
    }
}

#[test]
fn a_manifest_that_had_the_name_of_an_input_replaced_it() {
    let desk = Desk::new();
    // As far as it goes, it might be a manifest.
    desk.write("in/none.csv", "{");
    symlink(desk.path("in/none.csv"), desk.path("link")).unwrap();
    for manifest in ["in/none.csv", "out/../in/none.csv", "link"] {
        fs::create_dir_all(desk.path("out")).unwrap();
        desk.convert(&["in/none.csv", "-o", "out", "--manifest", manifest])
            .code(2)
            .stderr(contains("would overwrite an input").and(contains("--manifest")));
        assert_eq!(desk.names("in"), ["a.csv", "b.csv", "c.csv", "none.csv"]);
        assert_eq!(desk.read("in/none.csv"), b"{");
    }
}

#[test]
fn a_manifest_that_had_the_name_of_an_output_replaced_it() {
    let desk = Desk::new();
    let refused = |line: &[&str], words: &str| desk.convert(line).code(2).stderr(contains(words));
    refused(&["in", "-o", "o.parquet", "--merge", "--manifest", "o.parquet"], "the name of the output");
    refused(&["in", "-o", "out", "--manifest", "out"], "the name of the output");
    refused(&["in", "-o", "out", "--manifest", "out/a.parquet"], "the name of an output");
    refused(&["in", "-o", "out", "--manifest", "./in/../out/a.parquet"], "the name of an output");
    let partitions = ["in", "-o", "out", "--partition-by", "text", "--manifest", "out/text=x/data_0.parquet"];
    refused(&partitions, "the name of an output");
    refused(&["in", "-o", "out", "--manifest", ".out.highwater/journal"], "files that are being made");
    assert_eq!(desk.names("."), ["in"]);
    desk.convert(&["in", "-o", "out", "--manifest", "out/_record"]).success();
    desk.verify(&["out", "--manifest", "out/_record"]).success();
}

#[test]
fn a_manifest_that_named_files_outside_of_the_output_had_them_removed() {
    let desk = Desk::new();
    desk.write("victim.txt", "mine");
    desk.convert(&["in", "-o", "out"]).success();
    let whole = String::from_utf8(desk.read("_out.manifest.jsonl")).unwrap();
    let victim = desk.path("victim.txt");
    for path in ["../victim.txt", "x/../../victim.txt", victim.to_str().unwrap()] {
        let naming = line(&format!("{{\"line\":\"naming\",\"outputs\":[\"{path}\"]}}"));
        let recorded: String = whole
            .split_inclusive('\n')
            .map(|text| match text.contains("\"c.parquet\"") {
                true => {
                    let head =
                        text.rsplit_once(",\"crc32\"").unwrap().0.replace("\"c.parquet\"", &format!("\"{path}\""));
                    line(&(head + "}"))
                }
                false => text.to_string(),
            })
            .collect();
        let announced = whole.split_inclusive('\n').take(4).collect::<String>() + &naming;
        for text in [recorded, announced] {
            desk.write("_out.manifest.jsonl", &text);
            for how in [&["--existing", "overwrite"][..], &["--resume"]] {
                let line = [&["in", "-o", "out"], how].concat();
                desk.convert(&line).failure().stderr(contains("is damaged in line"));
            }
            assert_eq!(desk.read("victim.txt"), b"mine");
        }
    }
}

#[test]
fn a_manifest_of_another_file_had_that_removed() {
    let desk = Desk::new();
    desk.convert(&["in/a.csv", "-o", "one.parquet", "--merge", "--manifest", "record"]).success();
    desk.convert(&["in/b.csv", "-o", "two.parquet", "--merge", "--manifest", "record", "--existing", "overwrite"])
        .code(2)
        .stderr(contains("it names 'one.parquet'"));
    assert_eq!(desk.names("."), ["in", "one.parquet", "record"]);
}

#[test]
fn a_link_to_another_file_system_was_found_when_others_were_replaced() {
    let desk = Desk::new();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
    if device(elsewhere.path()) == device(&desk.path("in")) {
        return;
    }
    desk.convert(&["in", "-o", "out"]).success();
    let file = elsewhere.path().join("b.parquet");
    fs::copy(desk.path("out/b.parquet"), &file).unwrap();
    fs::remove_file(desk.path("out/b.parquet")).unwrap();
    symlink(&file, desk.path("out/b.parquet")).unwrap();
    let before = (desk.read("out/a.parquet"), desk.read("out/b.parquet"), desk.read("_out.manifest.jsonl"));
    desk.convert(&["in", "-o", "out", "--existing", "overwrite", "--compression", "snappy"])
        .code(2)
        .stderr(contains("another file system").and(contains("b.parquet")));
    let after = (desk.read("out/a.parquet"), desk.read("out/b.parquet"), desk.read("_out.manifest.jsonl"));
    assert_eq!(before, after);
    assert_eq!(desk.names("."), ["_out.manifest.jsonl", "in", "out"]);
}

#[test]
fn inputs_whose_paths_were_written_in_different_ways_became_outputs_beside_them() {
    let desk = Desk::new();
    desk.write("more/d.csv", "id,text\n1,x\n");
    let whole = desk.path("more/d.csv").canonicalize().unwrap();
    for (out, other) in [("o1", whole.to_str().unwrap()), ("o2", "./more/d.csv"), ("o3", "in/../more/d.csv")] {
        desk.convert(&["in/a.csv", other, "-o", out]).success();
        assert_eq!(desk.files(out), ["in/a.parquet", "more/d.parquet"]);
        desk.convert(&["in/a.csv", other, "-o", out, "--resume"]).success().stdout(contains("2 files there already"));
    }
    assert_eq!(desk.names("more"), ["d.csv"]);
}
