//! A byte range of a file in blocks that fit the cache, each record whole in one of them.

use std::fs::File;
use std::sync::Arc;

use arrow::buffer::Buffer;

use super::file::InputFile;
use crate::error::Result;

/// Bytes read at once, at most; mostly the range is smaller, and one block.
const BLOCK: usize = 4 << 20;
/// Bytes read beyond the end of the range, to complete its last record.
const OVERHANG: usize = 4 << 10;

/// The blocks of a range. Columns of text point into a block and share it, so a block is never written to again while a
/// batch shows it; where none does, its memory is used for the next one.
#[derive(Debug)]
pub struct Blocks {
    input: Arc<InputFile>,
    file: File,
    /// Records that start here or later are not of this range.
    stop: u64,
    block: Buffer,
    /// Where in the file the block starts.
    offset: u64,
    /// How far the block is used.
    position: usize,
    bytes_read: u64,
}

impl Blocks {
    /// Reads from `start` on, and behind `stop` only what completes a record. Nothing is read yet.
    pub fn new(input: Arc<InputFile>, file: File, start: u64, stop: u64) -> Self {
        let empty = Buffer::from_vec(Vec::<u8>::new());
        Self { input, file, stop, block: empty, offset: start, position: 0, bytes_read: 0 }
    }

    /// The block.
    pub fn buffer(&self) -> &Buffer {
        &self.block
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How far the block is used.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Marks the block as used up to `position`.
    pub fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// Where in the file a position of the block is.
    pub fn offset_of(&self, position: usize) -> u64 {
        self.offset + position as u64
    }

    /// Where in the file the used part ends.
    pub fn offset(&self) -> u64 {
        self.offset_of(self.position)
    }

    /// The position in the block at which the range ends; records that start there or later are not of the range.
    pub fn stop_position(&self) -> usize {
        usize::try_from(self.stop.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }

    /// Whether the block ends where the file does.
    pub fn at_end_of_file(&self) -> bool {
        self.offset_of(self.block.len()) >= self.input.len
    }

    /// Bytes that are in the block and not used yet.
    pub fn pending(&self) -> usize {
        self.block.len() - self.position
    }

    /// Bytes read in all.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads on: the next block starts with what the last one had left. A record that is larger than the block gets
    /// one of twice the size each time.
    ///
    /// # Errors
    /// A data error, where reading fails or the file ends early.
    pub fn refill(&mut self) -> Result<()> {
        let pending = self.pending();
        let next = self.offset_of(self.block.len());
        let in_range = usize::try_from(self.stop.saturating_sub(next)).unwrap_or(usize::MAX);
        let wanted = if in_range == 0 { OVERHANG } else { BLOCK.min(in_range.saturating_add(OVERHANG)) };
        let left = usize::try_from(self.input.len.saturating_sub(next)).unwrap_or(usize::MAX);
        let amount = wanted.max(pending).min(left);

        let old = std::mem::replace(&mut self.block, Buffer::from_vec(Vec::<u8>::new()));
        let mut bytes = match old.into_vec::<u8>() {
            Ok(mut bytes) => {
                bytes.copy_within(self.position.., 0);
                bytes.truncate(pending);
                bytes
            }
            Err(shared) => {
                let mut bytes = Vec::with_capacity(pending + amount);
                bytes.extend_from_slice(&shared[self.position..]);
                bytes
            }
        };
        self.input.read(&self.file, next, amount, &mut bytes)?;
        self.bytes_read += amount as u64;
        self.offset += self.position as u64;
        self.position = 0;
        self.block = Buffer::from_vec(bytes);
        Ok(())
    }
}
