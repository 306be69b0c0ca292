//! Where bytes go: standard output, whose reader may leave, or a file that appears only when it is complete.

use std::fs::Permissions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tempfile::NamedTempFile;

use crate::context::CancelToken;
use crate::convert::Existing;
use crate::error::{Error, Result};

/// Bytes on their way out, buffered.
pub type OutputBytes = Box<dyn Write + Send>;

const BUFFER_BYTES: usize = 64 << 10;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// What happens if it exists.
        existing: Existing,
    },
}

/// Standard output, and whether its reader has gone (`| head`).
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    broken: Arc<AtomicBool>,
}

impl Pipe {
    /// Whether the reader has gone.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// Standard output; sets `cancel` when its reader goes, since nobody waits for the rest then.
    pub fn stdout(&self, cancel: &CancelToken) -> OutputBytes {
        let inner = PipeWriter { inner: io::stdout(), broken: self.broken.clone(), cancel: cancel.clone() };
        Box::new(BufWriter::with_capacity(BUFFER_BYTES, inner))
    }
}

struct PipeWriter<W> {
    inner: W,
    broken: Arc<AtomicBool>,
    cancel: CancelToken,
}

impl<W> PipeWriter<W> {
    fn notice<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            self.broken.store(true, Relaxed);
            self.cancel.cancel();
        }
        result
    }
}

impl<W: Write> Write for PipeWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.notice(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.notice(result)
    }
}

/// The error for bytes that cannot be written.
pub fn write_error(error: &io::Error) -> Error {
    let message = format!("cannot write the result: {error}");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::resource(message),
        _ => Error::data(message),
    }
}

/// The error for an output that is there already.
pub fn exists_error(path: &Path) -> Error {
    Error::usage(format!("the output '{}' exists", path.display()))
        .with_hint("choose another name, or replace it with --existing overwrite")
}

/// A file under a temporary name beside its place; it takes its name when it is complete, and is gone otherwise.
pub struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
    existing: Existing,
}

impl AtomicFile {
    /// Starts the file.
    ///
    /// # Errors
    /// It exists and is not to be replaced, or its folder cannot be written.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        if existing == Existing::Error && path.symlink_metadata().is_ok() {
            return Err(exists_error(path));
        }
        if path.is_dir() {
            return Err(Error::usage(format!("the output '{}' is a folder", path.display())));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".highwater-")
            .suffix(".tmp")
            // As for any new file: the process's umask takes away from it.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| Error::io("create", path, &error))?;
        Ok(Self { file, path: path.to_path_buf(), existing })
    }

    /// Its bytes.
    pub fn bytes(&self) -> Result<OutputBytes> {
        let file = self.file.as_file().try_clone().map_err(|error| Error::io("create", &self.path, &error))?;
        Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)))
    }

    /// Gives it its name. All bytes must have been flushed.
    ///
    /// # Errors
    /// The disk is full, or the name was taken in the meantime.
    pub fn commit(self) -> Result<()> {
        let Self { file, path, existing } = self;
        file.as_file().sync_all().map_err(|error| Error::io("write", &path, &error))?;
        let persisted = match existing {
            Existing::Overwrite => file.persist(&path),
            Existing::Error => file.persist_noclobber(&path),
        };
        match persisted {
            Ok(_) => Ok(()),
            Err(failure) if failure.error.kind() == ErrorKind::AlreadyExists => Err(exists_error(&path)),
            Err(failure) => Err(Error::io("write", &path, &failure.error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_stops_the_statement() {
        let (pipe, cancel) = (Pipe::default(), CancelToken::default());
        let mut writer = PipeWriter { inner: Closed, broken: pipe.broken.clone(), cancel: cancel.clone() };
        assert!(writer.write_all(b"1\n").is_err());
        assert!(pipe.is_broken() && cancel.is_cancelled());
    }

    #[test]
    fn a_file_appears_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let abandoned = AtomicFile::create(&path, Existing::Error).unwrap();
        abandoned.bytes().unwrap().write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let file = AtomicFile::create(&path, Existing::Error).unwrap();
        let mut bytes = file.bytes().unwrap();
        bytes.write_all(b"whole").unwrap();
        bytes.flush().unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");

        assert_eq!(AtomicFile::create(&path, Existing::Error).err().unwrap().exit_code(), 2);
        AtomicFile::create(&path, Existing::Overwrite).unwrap().commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let file = AtomicFile::create(&path, Existing::Error).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert!(file.commit().unwrap_err().to_string().contains("exists"));
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
    }
}
