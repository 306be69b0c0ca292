//! Where bytes go: a file, or standard output, whose reader may leave.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::context::CancelToken;
use crate::error::Error;
use crate::io::write::Existing;

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
}
