//! A file as it was when the query was planned, and positioned reads of it.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};

use crate::error::{Error, Result};

/// A file as it was when the query was planned.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub len: u64,
    modified: Option<SystemTime>,
}

impl InputFile {
    /// Looks at the file.
    ///
    /// # Errors
    /// A data error, where it is missing, unreadable or no regular file.
    pub fn new(path: PathBuf) -> Result<Self> {
        let meta = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?;
        if !meta.is_file() {
            return Err(Error::data(format!("'{}' is not a regular file", path.display()))
                .with_file(&path)
                .with_hint("files are read in parts and more than once: write a pipe to a file first"));
        }
        Ok(Self { len: meta.len(), modified: meta.modified().ok(), path })
    }

    /// Opens it again.
    ///
    /// # Errors
    /// A data error, also where it is not the file that was planned with.
    pub fn open(&self) -> Result<File> {
        let failed = |error: std::io::Error| Error::io("read", &self.path, &error);
        let file = File::open(&self.path).map_err(failed)?;
        let meta: Metadata = file.metadata().map_err(failed)?;
        if meta.len() != self.len || meta.modified().ok() != self.modified {
            return Err(self.changed());
        }
        Ok(file)
    }

    /// The error for a file that another process writes to.
    pub fn changed(&self) -> Error {
        Error::data(format!("'{}' changed while it was being read", self.path.display()))
            .with_file(&self.path)
            .with_hint("run the query again when the file is complete")
    }

    /// Appends `amount` bytes from `offset` on to `buffer`. The range must lie within the file.
    ///
    /// # Errors
    /// A data error, where reading fails or the file ends early.
    pub fn read(&self, file: &File, offset: u64, amount: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let start = buffer.len();
        buffer.reserve(amount);
        while buffer.len() < start + amount {
            let at = offset + (buffer.len() - start) as u64;
            match retry_on_intr(|| pread(file, spare_capacity(buffer), at)) {
                Ok(0) => return Err(self.changed()),
                Ok(_) => {}
                Err(error) => return Err(Error::io("read", &self.path, &error.into())),
            }
        }
        // The spare capacity may be larger than what was asked for.
        buffer.truncate(start + amount);
        Ok(())
    }

    /// When it was written to last, where the file system knows.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
