//! Writing a spill file once, and reading it back: again and again, or once, freeing the disk as it goes. One thread
//! writes it, to be read in parts of many batches ([`SpillWriter`]), or many do, to be read batch by batch
//! ([`SharedSpillFile`]).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::RecordBatch;
use rustix::fs::FallocateFlags;

use super::SpillManager;
use super::block::{Block, BlockHeader, HEADER_BYTES, damaged, decode, encode};
use crate::error::{Error, Result};
use crate::metrics::OperatorMetrics;

/// A file on disk and what it holds of the quota, given back when dropped or when freed while reading.
#[derive(Debug)]
pub(super) struct Extent {
    manager: Arc<SpillManager>,
    file: File,
    operator: String,
    held: AtomicU64,
}

impl Extent {
    pub(super) fn new(manager: Arc<SpillManager>, file: File, operator: &str) -> Self {
        Self { manager, file, operator: operator.to_string(), held: AtomicU64::new(0) }
    }

    /// Writes at a place that nobody else writes to, counted against the quota first.
    pub(super) fn write_at(&self, bytes: &[u8], at: u64, metrics: &OperatorMetrics) -> Result<()> {
        let length = bytes.len() as u64;
        self.manager.take(length, &self.operator)?;
        self.held.fetch_add(length, Relaxed);
        self.file.write_all_at(bytes, at).map_err(|error| self.manager.write_failed(&self.operator, &error))?;
        metrics.spilled_bytes.fetch_add(length, Relaxed);
        Ok(())
    }

    /// Fills `bytes` from a place.
    pub(super) fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.file
            .read_exact_at(bytes, at)
            .map_err(|error| Error::resource(format!("{} cannot read its spill file back: {error}", self.operator)))
    }

    /// Reads the block at a place, which ends at `end` or before; also gives its length on disk. With `free` the disk under
    /// it is free then.
    fn read_block(&self, at: u64, end: u64, free: bool) -> Result<(RecordBatch, u64)> {
        let mut header = [0; HEADER_BYTES];
        self.read_at(&mut header, at)?;
        let header = BlockHeader::parse(&header);
        let bytes = (HEADER_BYTES + header.payload_bytes) as u64;
        if bytes > end - at {
            return Err(damaged());
        }
        let mut payload = vec![0; header.payload_bytes];
        self.read_at(&mut payload, at + HEADER_BYTES as u64)?;
        if free {
            self.free(at, bytes);
        }
        Ok((decode(header, payload)?, bytes))
    }

    /// Frees the disk under what was read. Where the file system cannot, it is free when the file is dropped.
    pub(super) fn free(&self, start: u64, bytes: u64) {
        // Only whole pages are freed; the quota is told all of it, which is near enough.
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if rustix::fs::fallocate(&self.file, flags, start, bytes).is_ok() {
            let before = self.held.fetch_update(Relaxed, Relaxed, |held| Some(held.saturating_sub(bytes)));
            self.manager.give_back(before.unwrap_or(0).min(bytes));
        }
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        self.manager.give_back(*self.held.get_mut());
    }
}

/// Appends batches to a new spill file.
#[derive(Debug)]
pub struct SpillWriter {
    extent: Arc<Extent>,
    at: u64,
    all: Counts,
    /// Since the last [`cut`](Self::cut).
    part: Counts,
    metrics: Arc<OperatorMetrics>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    bytes: u64,
    rows: u64,
    blocks: u64,
    largest_block: u64,
    /// Of all blocks.
    memory: u64,
}

impl Counts {
    fn add(&mut self, bytes: u64, rows: u64, memory: u64) {
        self.bytes += bytes;
        self.rows += rows;
        self.blocks += 1;
        self.largest_block = self.largest_block.max(memory);
        self.memory += memory;
    }
}

impl SpillWriter {
    pub(super) fn new(manager: Arc<SpillManager>, file: File, operator: &str, metrics: Arc<OperatorMetrics>) -> Self {
        let extent = Arc::new(Extent::new(manager, file, operator));
        Self { extent, at: 0, all: Counts::default(), part: Counts::default(), metrics }
    }

    /// Writes one batch as one block. What it is compressed in, about three times its size, is not reserved here: keep
    /// batches below some MiB.
    ///
    /// # Errors
    /// A resource error where the disk or the quota is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let Block { bytes: block, raw_bytes } = encode(batch)?;
        self.extent.write_at(&block, self.at, &self.metrics)?;
        let bytes = block.len() as u64;
        self.at += bytes;
        for counts in [&mut self.all, &mut self.part] {
            counts.add(bytes, batch.num_rows() as u64, raw_bytes as u64);
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.all.bytes
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.all.rows
    }

    /// What was written since the last cut, to be read on its own: many runs or chunks can share one file, and one
    /// file descriptor. It can be read at once, while the writer goes on.
    pub fn cut(&mut self) -> SpillSegment {
        let counts = std::mem::take(&mut self.part);
        SpillSegment { extent: self.extent.clone(), end: self.at, counts }
    }
}

/// A part of a spill file that can be read on its own. The disk is free again when all parts and readers of the file
/// are dropped.
#[derive(Clone, Debug)]
pub struct SpillSegment {
    extent: Arc<Extent>,
    end: u64,
    counts: Counts,
}

impl SpillSegment {
    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.counts.rows
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes
    }

    /// Batches in it; each is read back as it was written.
    pub fn blocks(&self) -> u64 {
        self.counts.blocks
    }

    /// Memory of its largest batch once read back; while it is decompressed, up to twice of that is in use.
    pub fn largest_block(&self) -> u64 {
        self.counts.largest_block
    }

    /// Reads from the start; the segment stays.
    pub fn reader(&self) -> SpillReader {
        self.clone().read(false)
    }

    /// Reads from the start for the last time: the disk under each block is freed once it was read.
    pub fn into_reader(self) -> SpillReader {
        self.read(true)
    }

    fn read(self, free: bool) -> SpillReader {
        SpillReader { at: self.end - self.counts.bytes, end: self.end, extent: self.extent, free }
    }
}

/// A spill file that many threads append to at the same time. Each batch can be read on its own.
#[derive(Debug)]
pub struct SharedSpillFile {
    extent: Arc<Extent>,
    end: AtomicU64,
    metrics: Arc<OperatorMetrics>,
}

impl SharedSpillFile {
    pub(super) fn new(manager: Arc<SpillManager>, file: File, operator: &str, metrics: Arc<OperatorMetrics>) -> Self {
        Self { extent: Arc::new(Extent::new(manager, file, operator)), end: AtomicU64::new(0), metrics }
    }

    /// Writes one batch, as [`SpillWriter::write`] does.
    ///
    /// # Errors
    /// A resource error where the disk or the quota is full.
    pub fn write(&self, batch: &RecordBatch) -> Result<SpillBlock> {
        let Block { bytes: block, raw_bytes } = encode(batch)?;
        let bytes = block.len() as u64;
        let at = self.end.fetch_add(bytes, Relaxed);
        self.extent.write_at(&block, at, &self.metrics)?;
        Ok(SpillBlock { extent: self.extent.clone(), at, bytes, rows: batch.num_rows(), memory: raw_bytes as u64 })
    }
}

/// A batch in a [`SharedSpillFile`]. The disk is free again when all blocks are read or dropped.
#[derive(Debug)]
pub struct SpillBlock {
    extent: Arc<Extent>,
    at: u64,
    bytes: u64,
    rows: usize,
    memory: u64,
}

impl SpillBlock {
    /// Rows in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory of the batch once read back; while it is decompressed, up to twice of that is in use.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// The batch, for the only time: the disk under it is freed.
    ///
    /// # Errors
    /// A resource error where it cannot be read, or is not what was written.
    pub fn into_batch(self) -> Result<RecordBatch> {
        Ok(self.extent.read_block(self.at, self.at + self.bytes, true)?.0)
    }
}

/// The batches of a spill file, in the order in which they were written.
#[derive(Debug)]
pub struct SpillReader {
    extent: Arc<Extent>,
    at: u64,
    end: u64,
    free: bool,
}

impl SpillReader {
    fn read(&mut self) -> Result<RecordBatch> {
        let (batch, bytes) = self.extent.read_block(self.at, self.end, self.free)?;
        self.at += bytes;
        Ok(batch)
    }
}

impl Iterator for SpillReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let batch = self.read();
        if batch.is_err() {
            // Behind a damaged block nothing can be found.
            self.at = self.end;
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringViewArray};

    use super::*;

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + rows));
        let texts: StringViewArray =
            (start..start + rows).map(|n| (n % 3 != 0).then(|| format!("a text longer than a view {n}"))).collect();
        RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("t", Arc::new(texts) as ArrayRef, true)])
            .unwrap()
    }

    fn write(manager: &Arc<SpillManager>, batches: &[RecordBatch]) -> Result<SpillSegment> {
        let mut writer = manager.create("test", &OperatorMetrics::new())?;
        for batch in batches {
            writer.write(batch)?;
        }
        Ok(writer.cut())
    }

    #[test]
    fn batches_come_back_as_they_were_written_and_the_quota_is_freed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), Some(1 << 20));
        let batches = [batch(0, 1000), batch(1000, 1).slice(0, 1), batch(5, 700).slice(300, 100)];
        let file = write(&manager, &batches).unwrap();
        assert!(manager.used() > 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "spill files have no name");
        for reader in [file.reader(), file.reader(), file.into_reader()] {
            let read: Vec<_> = reader.map(Result::unwrap).collect();
            assert_eq!(read, batches);
        }
        assert_eq!(manager.used(), 0);
    }

    #[test]
    fn a_full_quota_is_an_error_that_names_the_operator() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), Some(100));
        let error = write(&manager, &[batch(0, 1000)]).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().starts_with("test cannot spill"), "{error}");
        assert_eq!(manager.used(), 0);
    }

    #[test]
    fn a_damaged_block_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let file = write(&manager, &[batch(0, 1000)]).unwrap();
        file.extent.file.write_all_at(b"?", HEADER_BYTES as u64 + 100).unwrap();
        let error = file.reader().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("not what was written"), "{error}");
    }

    #[test]
    fn a_damaged_length_is_noticed_before_it_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let file = write(&manager, &[batch(0, 10)]).unwrap();
        file.extent.file.write_all_at(&u32::MAX.to_le_bytes(), 0).unwrap();
        let mut reader = file.reader();
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none(), "a reader ends behind an error");
    }

    #[test]
    fn segments_are_read_on_their_own_while_the_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let batches = [batch(0, 100), batch(100, 50), batch(150, 200)];
        let mut writer = manager.create("test", &OperatorMetrics::new()).unwrap();
        writer.write(&batches[0]).unwrap();
        writer.write(&batches[1]).unwrap();
        let first = writer.cut();
        assert_eq!((first.rows(), first.blocks()), (150, 2));
        assert_eq!(first.reader().map(Result::unwrap).collect::<Vec<_>>(), batches[..2]);
        assert_eq!(writer.cut().reader().count(), 0);
        writer.write(&batches[2]).unwrap();
        let second = writer.cut();
        assert_eq!(first.bytes() + second.bytes(), writer.bytes());
        let used = manager.used();
        assert_eq!(first.into_reader().map(Result::unwrap).collect::<Vec<_>>(), batches[..2]);
        assert!(manager.used() <= used, "what was freed does not count twice");
        assert_eq!(second.reader().map(Result::unwrap).collect::<Vec<_>>(), batches[2..]);
        drop((second, writer));
        assert_eq!(manager.used(), 0);
    }

    #[test]
    fn the_memory_of_a_block_is_that_of_what_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        // A thin slice of a large batch must not count as all of it.
        let file = write(&manager, &[batch(0, 100_000).slice(500, 10)]).unwrap();
        assert!(file.largest_block() < 10_000, "{}", file.largest_block());
        let read = file.reader().next().unwrap().unwrap();
        assert!(crate::batch::batch_memory(&read) <= file.largest_block() + 64);
    }

    #[test]
    fn many_threads_share_a_quota_and_give_all_of_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), Some(200_000));
        let refused: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let files: Vec<_> = (0..20).map(|n| write(&manager, &[batch(n, 2000)])).collect();
                        assert!(manager.used() <= 200_000);
                        files.iter().filter(|file| file.is_err()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(refused > 0);
        assert_eq!(manager.used(), 0);
    }

    #[test]
    fn many_threads_write_one_file_whose_blocks_are_read_in_any_order_and_freed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let shared = manager.create_shared("test", &OperatorMetrics::new()).unwrap();
        let mut blocks: Vec<_> = std::thread::scope(|scope| {
            let write = |thread: i64| (0..20).map(move |n| (thread, n + 1));
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let shared = &shared;
                    scope.spawn(move || {
                        let numbers = write(thread);
                        numbers
                            .map(|(a, b)| (a, b, shared.write(&batch(a * 1000, b * 50)).unwrap()))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        drop(shared);
        assert_eq!(manager.used(), blocks.iter().map(|(_, _, block)| block.bytes()).sum::<u64>());
        blocks.reverse();
        for (thread, number, block) in blocks {
            assert_eq!(block.rows() as i64, number * 50);
            assert_eq!(block.into_batch().unwrap(), batch(thread * 1000, number * 50));
        }
        assert_eq!(manager.used(), 0);
    }
}
