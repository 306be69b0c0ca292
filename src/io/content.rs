//! The checksum of a file's bytes, made of the pieces that readers read anyway, in any order. What nobody read, such as a
//! header, is read in the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crc32fast::Hasher;

use crate::error::{Error, Result};

/// Bytes read at once.
const READ: usize = 256 << 10;

/// The CRC-32 of a file, in pieces.
#[derive(Debug, Default)]
pub struct ContentSum {
    /// Start, length and checksum of each.
    pieces: Mutex<BTreeMap<u64, Piece>>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    len: u64,
    crc: u32,
}

impl ContentSum {
    /// Adds a piece that was read.
    pub fn add(&self, start: u64, len: u64, crc: u32) {
        if len > 0 {
            let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            let piece = pieces.entry(start).or_insert(Piece { len, crc });
            if piece.len < len {
                *piece = Piece { len, crc };
            }
        }
    }

    /// The checksum of the file's first `size` bytes. What lies between the pieces is read now.
    ///
    /// # Errors
    /// A data error where the file cannot be read, or is shorter.
    pub fn finish(&self, path: &Path, size: u64) -> Result<u32> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut whole, mut at) = (Hasher::new(), 0);
        let mut file = None;
        for (start, piece) in pieces {
            let end = start + piece.len;
            if start < at || end > size {
                continue;
            }
            read_range(path, &mut file, at..start, &mut whole)?;
            whole.combine(&Hasher::new_with_initial_len(piece.crc, piece.len));
            at = end;
        }
        read_range(path, &mut file, at..size, &mut whole)?;
        Ok(whole.finalize())
    }
}

fn read_range(path: &Path, file: &mut Option<File>, range: std::ops::Range<u64>, into: &mut Hasher) -> Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let file = match file {
        Some(file) => file,
        None => file.insert(File::open(path).map_err(failed)?),
    };
    let mut buffer = vec![0; READ.min(usize::try_from(range.end - range.start).unwrap_or(READ))];
    let mut at = range.start;
    while at < range.end {
        let amount = buffer.len().min(usize::try_from(range.end - at).unwrap_or(READ));
        let Some(target) = buffer.get_mut(..amount) else { break };
        file.read_exact_at(target, at).map_err(failed)?;
        into.update(target);
        at += amount as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_and_what_nobody_read_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes: Vec<u8> = (0..100_000_u32).map(|byte| (byte * 7 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let whole = crc32fast::hash(&bytes);
        let size = bytes.len() as u64;
        assert_eq!(ContentSum::default().finish(&path, size).unwrap(), whole);
        let sum = ContentSum::default();
        for range in [50_000..60_000, 10..2_000, 2_000..50_000, 10..1_000, 99_999..100_000, 59_000..61_000] {
            sum.add(range.start as u64, range.len() as u64, crc32fast::hash(&bytes[range]));
        }
        assert_eq!(sum.finish(&path, size).unwrap(), whole);
        assert!(sum.finish(&path, size + 1).is_err());
    }
}
