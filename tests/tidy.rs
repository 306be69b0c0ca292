//! The rules of the house, so that nobody has to remember them: imports point down only, every file says what it is for,
//! and none grows beyond one room.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a file may have.
const LONGEST_FILE: usize = 650;

/// Which modules each module may import. What is not listed may import anything.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &["types"]),
    ("types", &["error"]),
    ("metrics", &[]),
    ("panics", &[]),
    ("explain", &[]),
    ("config", &["error", "memory", "types"]),
    ("batch", &["error", "types"]),
    ("expr", &["error", "types"]),
    ("memory", &["error", "metrics", "types"]),
    ("spill", &["error", "metrics", "types", "batch"]),
    ("rejects", &["batch", "error", "memory", "metrics", "spill", "types"]),
    ("context", &["config", "error", "memory", "metrics", "rejects", "spill"]),
    ("functions", &["batch", "config", "error", "types", "eval"]),
    ("eval", &["batch", "config", "error", "expr", "functions", "types"]),
    (
        "io",
        &[
            "batch", "config", "context", "error", "eval", "expr", "memory", "metrics", "panics", "rejects", "spill",
            "types",
        ],
    ),
    ("generate", &["batch", "context", "error", "io", "memory", "types"]),
    (
        "operators",
        &[
            "batch",
            "config",
            "context",
            "error",
            "eval",
            "expr",
            "functions",
            "io",
            "memory",
            "metrics",
            "spill",
            "types",
        ],
    ),
    ("plan", &["batch", "config", "error", "eval", "expr", "functions", "io", "types"]),
    ("sql", &["batch", "config", "error", "expr", "functions", "io", "plan", "types", "eval"]),
    ("optimizer", &["batch", "config", "error", "eval", "expr", "functions", "io", "plan", "types"]),
    (
        "physical",
        &[
            "config",
            "context",
            "error",
            "exec",
            "explain",
            "expr",
            "functions",
            "io",
            "metrics",
            "operators",
            "plan",
            "types",
        ],
    ),
    ("exec", &["config", "context", "error", "io", "memory", "metrics", "operators", "panics"]),
    (
        "dataframe",
        &["batch", "config", "context", "error", "exec", "expr", "io", "memory", "metrics", "plan", "session", "types"],
    ),
];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// Calls `check` with each source file's path below `src` and its text, and fails with all complaints.
fn check_all(check: impl Fn(&Path, &str) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut complaints = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a readable file");
        let name = file.strip_prefix(&root).expect("a file below src");
        complaints.extend(check(name, &text).into_iter().map(|complaint| format!("{}: {complaint}", name.display())));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The part before the unit tests; nothing of files that hold only tests.
fn without_tests<'a>(name: &Path, text: &'a str) -> &'a str {
    let is_test = |part: &str| matches!(part.trim_end_matches(".rs"), "tests" | "testing" | "properties" | "reference");
    if name.iter().any(|part| is_test(&part.to_string_lossy())) {
        return "";
    }
    text.find("#[cfg(test)]").map_or(text, |end| &text[..end])
}

#[test]
fn every_file_says_what_it_is_for() {
    check_all(|_, text| {
        if text.starts_with("//! ") { Vec::new() } else { vec!["does not start with //! and what it is for".into()] }
    });
}

#[test]
fn no_file_is_more_than_one_room() {
    check_all(|_, text| {
        let lines = text.lines().count();
        if lines > LONGEST_FILE { vec![format!("has {lines} lines, more than {LONGEST_FILE}")] } else { Vec::new() }
    });
}

#[test]
fn imports_point_down_only() {
    check_all(|name, text| {
        let module = name.iter().next().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_string());
        let module = module.unwrap_or_default();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(other, _)| *other == module) else {
            return Vec::new();
        };
        let mut complaints = Vec::new();
        for (number, line) in without_tests(name, text).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for part in line.split("crate::").skip(1) {
                let imported: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if imported != module && !imported.is_empty() && !allowed.contains(&imported.as_str()) {
                    complaints.push(format!("line {}: {module} must not import {imported}", number + 1));
                }
            }
        }
        complaints
    });
}

#[test]
fn no_wildcard_imports_of_the_parent_outside_of_tests() {
    check_all(|name, text| {
        let lines = without_tests(name, text).lines().enumerate();
        lines
            .filter(|(_, line)| line.contains("use super::*"))
            .map(|(number, _)| format!("line {}: use super::*", number + 1))
            .collect()
    });
}

#[test]
fn nothing_is_left_undone() {
    check_all(|_, text| {
        let unfinished = ["todo!(", "unimplemented!(", "dbg!("];
        let lines = text.lines().enumerate();
        lines
            .filter(|(_, line)| unfinished.iter().any(|word| line.contains(word)))
            .map(|(number, line)| format!("line {}: {}", number + 1, line.trim()))
            .collect()
    });
}
