//! Pieces of bytes in a spill file, each read back once, in any order, by any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::block::damaged;
use super::file::Extent;
use crate::error::Result;
use crate::metrics::OperatorMetrics;

/// A spill file of pieces. The disk under a piece is freed when it was read back, that of others with the file.
#[derive(Debug)]
pub struct SpillPieces {
    extent: Extent,
    end: AtomicU64,
    metrics: Arc<OperatorMetrics>,
}

/// Where a piece lies, and how to tell whether it is what was written.
#[derive(Debug)]
pub struct SpillPiece {
    at: u64,
    bytes: usize,
    checksum: u32,
}

impl SpillPieces {
    pub(super) fn new(extent: Extent, metrics: Arc<OperatorMetrics>) -> Self {
        Self { extent, end: AtomicU64::new(0), metrics }
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// A resource error where the disk or the quota is full.
    pub fn put(&self, bytes: &[u8]) -> Result<SpillPiece> {
        let length = bytes.len() as u64;
        let at = self.end.fetch_add(length, Relaxed);
        self.extent.write_at(bytes, at, &self.metrics)?;
        Ok(SpillPiece { at, bytes: bytes.len(), checksum: crc32fast::hash(bytes) })
    }

    /// Reads a piece for the only time.
    ///
    /// # Errors
    /// Where the disk fails, or gives something else than was written.
    pub fn take(&self, piece: &SpillPiece) -> Result<Vec<u8>> {
        let mut bytes = vec![0; piece.bytes];
        self.extent.read_at(&mut bytes, piece.at)?;
        self.extent.free(piece.at, piece.bytes as u64);
        if crc32fast::hash(&bytes) == piece.checksum { Ok(bytes) } else { Err(damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::SpillManager;

    #[test]
    fn pieces_come_back_in_any_order_and_free_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), Some(1 << 20));
        let file = manager.create_pieces("test", &OperatorMetrics::new()).unwrap();
        let pieces: Vec<_> = (0..50_u8).map(|n| file.put(&vec![n; 100 * n as usize]).unwrap()).collect();
        assert_eq!(manager.used(), 122_500);
        for (n, piece) in pieces.iter().enumerate().rev() {
            assert_eq!(file.take(piece).unwrap(), vec![n as u8; 100 * n]);
        }
        drop(file);
        assert_eq!(manager.used(), 0);
    }

    #[test]
    fn a_piece_that_is_not_what_was_written_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), Some(1000));
        let file = manager.create_pieces("test", &OperatorMetrics::new()).unwrap();
        let piece = file.put(b"pages").unwrap();
        file.extent.write_at(b"?", 2, &file.metrics).unwrap();
        assert!(file.take(&piece).unwrap_err().to_string().contains("not what was written"));
        assert_eq!(file.put(&[0; 1000]).unwrap_err().exit_code(), 3);
    }
}
