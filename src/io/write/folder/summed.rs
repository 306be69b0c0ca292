//! Checksums of files, made while they are written.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crc32fast::Hasher;

/// Bytes gathered before the system is asked to write.
const BUFFER_BYTES: usize = 256 << 10;

/// Sums up what is written to a file.
pub(super) struct SummedWriter {
    file: File,
    hasher: Hasher,
    checksum: Arc<AtomicU32>,
}

impl SummedWriter {
    /// A buffered way into a file; `checksum` is the CRC-32 of what was written and flushed.
    pub fn buffered(file: File, checksum: Arc<AtomicU32>) -> BufWriter<Self> {
        BufWriter::with_capacity(BUFFER_BYTES, Self { file, hasher: Hasher::new(), checksum })
    }
}

impl Write for SummedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        self.checksum.store(self.hasher.clone().finalize(), Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
