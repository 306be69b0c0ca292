//! The bytes of a file in order, as decoders want them: buffered, counted, and never behind the planned end.

use std::fs::File;
use std::io::{BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::io::{pread, retry_on_intr};

use super::Fault;

/// Bytes read at once. Reads are large enough for slow disks, and the decoders' own tables still fit the cache.
const BUFFER: usize = 128 << 10;

/// Reads a file from its start by position, so that the handle can be shared.
#[derive(Debug)]
pub struct RawFile {
    file: Arc<File>,
    /// Bytes of the file when it was planned.
    size: u64,
    /// Bytes read so far, which progress looks at.
    read: Arc<AtomicU64>,
    buffer: Vec<u8>,
    used: usize,
    filled: usize,
}

impl RawFile {
    /// Reads the first `size` bytes of a file and counts them in `read`.
    pub fn new(file: Arc<File>, size: u64, read: Arc<AtomicU64>) -> Self {
        // A small file does not need a large buffer.
        let buffer = vec![0; usize::try_from(size).unwrap_or(BUFFER).clamp(1, BUFFER)];
        Self { file, size, read, buffer, used: 0, filled: 0 }
    }
}

impl BufRead for RawFile {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.used == self.filled {
            let at = self.read.load(Relaxed);
            let amount = usize::try_from(self.size - at).unwrap_or(BUFFER).min(self.buffer.len());
            if amount > 0 {
                let read = retry_on_intr(|| pread(&*self.file, &mut self.buffer[..amount], at))?;
                if read == 0 {
                    return Err(Fault::Changed.into());
                }
                self.read.store(at + read as u64, Relaxed);
                (self.used, self.filled) = (0, read);
            }
        }
        Ok(&self.buffer[self.used..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        self.used = (self.used + amount).min(self.filled);
    }
}

impl Read for RawFile {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(target.len());
        target[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}
