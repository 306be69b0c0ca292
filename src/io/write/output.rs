//! The bytes' way out: counts them, and remembers what went wrong below a library that only says that something did.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// An output by its name.
pub(super) struct Output {
    inner: Box<dyn Write + Send>,
    name: PathBuf,
    bytes: u64,
    failure: Option<Error>,
}

impl Output {
    pub fn new(inner: Box<dyn Write + Send>, name: &Path) -> Self {
        Self { inner, name: name.to_path_buf(), bytes: 0, failure: None }
    }

    /// What errors call it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes all of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|error| self.error(&error))
    }

    /// Hands everything on to the system.
    pub fn flush_all(&mut self) -> Result<()> {
        self.flush().map_err(|error| self.error(&error))
    }

    /// The error of a library that wrote here: the system's own where there was one, which knows a full disk.
    pub fn error(&mut self, said: &dyn Display) -> Error {
        let name = &self.name;
        self.failure.take().unwrap_or_else(|| Error::data(format!("cannot write '{}': {said}", name.display())))
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failure = Some(write_error(&self.name, error));
        }
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        let written = self.note(written)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.note(flushed)
    }
}

/// The error of writing to a file; a full disk is a resource error.
pub(super) fn write_error(path: &Path, error: &io::Error) -> Error {
    let built = Error::io("write", path, error);
    match built.class() {
        crate::error::ErrorClass::Resource => built.with_hint("free some disk, or write to another one"),
        _ => built,
    }
}
