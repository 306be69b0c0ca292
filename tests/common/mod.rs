//! What several of the tests need.

use std::fs;
use std::path::PathBuf;

/// A folder of files, which goes with the test.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `read_csv` of some of the files, with options.
    pub fn csv(&self, pattern: &str, options: &str) -> String {
        format!("read_csv('{}'{options})", self.path(pattern).display())
    }
}
