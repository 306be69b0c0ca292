//! A byte range of a file's text in blocks, each record whole in one of them.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use crc32fast::Hasher;

use super::file::{InputFile, TextReader, UNKNOWN};
use super::pool::BlockPool;
use crate::error::Result;

/// Bytes read at once: all of a usual partition, so that no record of it lies in two blocks.
const BLOCK: usize = 4 << 20;
/// Bytes decoded at once at most. Decoding takes longer than reading, and its output is better still in the cache when it
/// is cut.
const STREAM_BLOCK: usize = 1 << 20;
/// How many times as long as the file a decoded text is expected to be: blocks of small files need not be larger.
const EXPANSION: u64 = 8;
/// Bytes that a block has room for at least, where memory is short.
const SMALLEST_BLOCK: usize = 64 << 10;
/// Bytes read beyond the end of the range, to complete its last record.
const OVERHANG: usize = 4 << 10;
/// Who reads slower than this waits for a disk, which is then told what will be read next. Asking costs some time where
/// all is in the page cache, and more than it saves.
const SLOW_BYTES_PER_SECOND: u32 = 400 << 20;

/// The blocks of a range. Columns of text point into a block and share it, so a block is never written to again while a
/// batch shows it; after that the [`BlockPool`] uses its memory for another.
#[derive(Debug)]
pub struct Blocks {
    input: Arc<InputFile>,
    pool: Arc<BlockPool>,
    reader: TextReader,
    /// Records that start before are not of this range.
    start: u64,
    /// Records that start here or later are not of this range.
    stop: u64,
    block: Buffer,
    /// Where in the text the block starts.
    offset: u64,
    /// How far the block is used.
    position: usize,
    /// Whether the block ends where the text does.
    is_last: bool,
    /// What the pool has reserved for the decoder.
    reserved: u64,
    /// The checksum of the range up to a place, where it is wanted.
    sum: Option<(u64, Hasher)>,
}

impl Blocks {
    /// Reads from `start` on, and behind `stop` only what completes a record. Nothing is read yet.
    ///
    /// # Errors
    /// Those of [`TextReader::new`].
    pub fn new(input: Arc<InputFile>, file: File, pool: Arc<BlockPool>, start: u64, stop: u64) -> Result<Self> {
        let reserved = input.decoder_memory();
        pool.reserve(reserved)?;
        let reader = TextReader::new(&input, file).inspect_err(|_| pool.reader_is_done(reserved))?;
        if stop == UNKNOWN || stop - start >= BLOCK as u64 {
            reader.will_read_all();
        }
        let is_last = start >= input.len;
        let block = Buffer::from_vec(Vec::<u8>::new());
        let sum = (input.content.is_some() && !input.is_stream()).then(|| (start, Hasher::new()));
        Ok(Self { input, pool, reader, start, stop, block, offset: start, position: 0, is_last, reserved, sum })
    }

    /// The block.
    pub fn buffer(&self) -> &Buffer {
        &self.block
    }

    /// How far the block is used.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Marks the block as used up to `position`.
    pub fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// Where in the text a position of the block is.
    pub fn offset_of(&self, position: usize) -> u64 {
        self.offset + position as u64
    }

    /// Where in the text the used part ends.
    pub fn offset(&self) -> u64 {
        self.offset_of(self.position)
    }

    /// The position in the block at which the range ends; records that start there or later are not of the range.
    pub fn stop_position(&self) -> usize {
        usize::try_from(self.stop.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }

    /// Whether the block ends where the text does.
    pub fn at_end_of_file(&self) -> bool {
        self.is_last
    }

    /// Bytes that are in the block and not used yet.
    pub fn pending(&self) -> usize {
        self.block.len() - self.position
    }

    /// Bytes of the file read in all.
    pub fn bytes_read(&self) -> u64 {
        self.reader.raw_read()
    }

    /// How many of the range's bytes are done: of a stream, how many of the file's were read.
    pub fn bytes_done(&self) -> u64 {
        if self.input.is_stream() {
            self.bytes_read().min(self.input.size)
        } else {
            self.offset().clamp(self.start, self.stop.max(self.start)) - self.start
        }
    }

    /// Reads on: the next block starts with what the last one had left. A record that is larger than the block gets
    /// one of twice the size each time, or of half as much more where memory is short.
    ///
    /// # Errors
    /// A data error, where reading or decoding fails or the file changed; a resource error, where there is no memory
    /// for the block.
    pub fn refill(&mut self) -> Result<()> {
        let pending = self.pending();
        let next = self.offset_of(self.block.len());
        let in_range = usize::try_from(self.stop.saturating_sub(next)).unwrap_or(usize::MAX);
        let left = usize::try_from(self.input.len.saturating_sub(next)).unwrap_or(usize::MAX);
        let expected = usize::try_from(self.input.size.saturating_mul(EXPANSION)).unwrap_or(usize::MAX);
        let usual = if self.input.is_stream() { expected.clamp(SMALLEST_BLOCK, STREAM_BLOCK) } else { BLOCK };
        let wanted = match in_range {
            0 => OVERHANG,
            _ if in_range <= usual => in_range + OVERHANG,
            _ => usual,
        };
        let wanted = wanted.max(pending).min(left);
        let least = wanted.min(SMALLEST_BLOCK.max(pending / 2));

        self.reader.seek(&self.input, next)?;
        let mut block = self.pool.take(pending + least, pending + wanted)?;
        let memory = block.memory();
        memory[..pending].copy_from_slice(&self.block[self.position..]);
        let end = memory.len().min(pending + wanted);
        let started = Instant::now();
        let filled = self.reader.fill(&self.input, &mut memory[pending..end])?;
        self.sum_up(next, memory.get(pending..pending + filled).unwrap_or_default());
        if !self.input.is_stream() && is_slow(filled, started.elapsed()) {
            // The rest of the range, or the range behind, which is mostly the next one to be read.
            self.reader.will_read(next + filled as u64, BLOCK);
        }
        self.is_last = self.reader.has_ended(&self.input);
        self.offset += self.position as u64;
        self.position = 0;
        self.block = block.into_buffer(pending + filled);
        Ok(())
    }
}

impl Blocks {
    /// Adds bytes of the range to its checksum, if they are those that follow.
    fn sum_up(&mut self, offset: u64, bytes: &[u8]) {
        if let Some((at, hasher)) = self.sum.as_mut().filter(|(at, _)| *at == offset) {
            let in_range = usize::try_from(self.stop.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
            hasher.update(bytes.get(..in_range).unwrap_or_default());
            *at += in_range as u64;
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if let (Some(content), Some((at, hasher))) = (&self.input.content, self.sum.take()) {
            content.add(self.start, at - self.start, hasher.finalize());
        }
        self.pool.reader_is_done(self.reserved);
    }
}

fn is_slow(bytes: usize, time: Duration) -> bool {
    time.as_secs_f64() * f64::from(SLOW_BYTES_PER_SECOND) > bytes as f64 && bytes >= SMALLEST_BLOCK
}
