//! A folder with inputs, and the command line that works in it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A folder with `in` and what is converted from it.
pub struct Desk(pub tempfile::TempDir);

impl Desk {
    /// Three files of two columns.
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for (name, first) in [("a", 1), ("b", 100), ("c", 200)] {
            let rows: String = (first..first + 50).map(|id| format!("{id},text {id}\n")).collect();
            desk.write(&format!("in/{name}.csv"), &format!("id,text\n{rows}"));
        }
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn highwater(&self) -> Command {
        let mut command = Command::cargo_bin("highwater").expect("the binary is built");
        command.env("XDG_CONFIG_HOME", "/nonexistent").current_dir(self.0.path()).args(["--threads", "2"]);
        command
    }

    pub fn convert(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        self.highwater().arg("convert").args(arguments).assert()
    }

    pub fn verify(&self, arguments: &[&str]) -> assert_cmd::assert::Assert {
        self.highwater().arg("verify").args(arguments).assert()
    }

    pub fn sum(&self, from: &str) -> String {
        let sql = format!("SELECT count(*) AS n, sum(id) AS s FROM '{from}'");
        let answer = self.highwater().args(["-c", &sql]).assert().success();
        String::from_utf8(answer.get_output().stdout.clone()).unwrap().lines().nth(1).unwrap().to_string()
    }

    /// Paths of all files below a folder, hidden ones too.
    pub fn files(&self, folder: &str) -> Vec<String> {
        fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(root, &path, found),
                    false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(folder), &self.path(folder), &mut found);
        found.sort();
        found
    }

    /// What a query answers, without the names of its columns.
    pub fn query(&self, sql: &str) -> String {
        let answer = self.highwater().args(["--format", "csv", "-c", sql]).assert().success();
        let text = String::from_utf8(answer.get_output().stdout.clone()).unwrap();
        text.split_once('\n').unwrap().1.to_string()
    }

    /// Names of what is in a folder, hidden files too.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
