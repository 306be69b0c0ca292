//! Writing a spill file once, and reading it back: again and again, or once, freeing the disk as it goes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
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

    /// Writes at a place, counted against the quota first.
    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        let length = bytes.len() as u64;
        self.manager.take(length, &self.operator)?;
        self.held.fetch_add(length, Relaxed);
        self.file.write_all_at(bytes, at).map_err(|error| self.manager.write_failed(&self.operator, &error))
    }

    /// Fills `bytes` from a place.
    pub(super) fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.file
            .read_exact_at(bytes, at)
            .map_err(|error| Error::resource(format!("{} cannot read its spill file back: {error}", self.operator)))
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
    schema: SchemaRef,
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
    pub(super) fn new(
        manager: Arc<SpillManager>,
        file: File,
        operator: &str,
        schema: SchemaRef,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        let extent = Arc::new(Extent::new(manager, file, operator));
        Self { extent, schema, at: 0, all: Counts::default(), part: Counts::default(), metrics }
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
        let bytes = block.len() as u64;
        self.extent.write_at(&block, self.at)?;
        self.at += bytes;
        for counts in [&mut self.all, &mut self.part] {
            counts.add(bytes, batch.num_rows() as u64, raw_bytes as u64);
        }
        self.metrics.spilled_bytes.fetch_add(bytes, Relaxed);
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

    /// Ends writing.
    pub fn finish(self) -> SpillFile {
        SpillFile { segment: SpillSegment { extent: self.extent, end: self.at, counts: self.all }, schema: self.schema }
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

/// A spill file that is complete. The disk is free again when it and its readers are dropped.
#[derive(Clone, Debug)]
pub struct SpillFile {
    segment: SpillSegment,
    schema: SchemaRef,
}

impl SpillFile {
    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.segment.rows()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segment.bytes()
    }

    /// Batches in it; each is read back as it was written.
    pub fn blocks(&self) -> u64 {
        self.segment.blocks()
    }

    /// Memory of its largest batch: what a reader needs to reserve.
    pub fn largest_block(&self) -> u64 {
        self.segment.largest_block()
    }

    /// Memory of all its batches once read back.
    pub fn memory(&self) -> u64 {
        self.segment.counts.memory
    }

    /// The schema of its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads from the start; the file stays.
    pub fn reader(&self) -> SpillReader {
        self.segment.reader()
    }

    /// Reads from the start for the last time: the disk under each block is freed once it was read.
    pub fn into_reader(self) -> SpillReader {
        self.segment.into_reader()
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
        let mut header = [0; HEADER_BYTES];
        self.extent.read_at(&mut header, self.at)?;
        let header = BlockHeader::parse(&header);
        let bytes = (HEADER_BYTES + header.payload_bytes) as u64;
        if bytes > self.end - self.at {
            return Err(damaged());
        }
        let mut payload = vec![0; header.payload_bytes];
        self.extent.read_at(&mut payload, self.at + HEADER_BYTES as u64)?;
        if self.free {
            self.extent.free(self.at, bytes);
        }
        self.at += bytes;
        decode(header, payload)
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

    fn write(manager: &Arc<SpillManager>, batches: &[RecordBatch]) -> Result<SpillFile> {
        let mut writer = manager.create("test", &batches[0].schema(), &OperatorMetrics::new())?;
        for batch in batches {
            writer.write(batch)?;
        }
        Ok(writer.finish())
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
        file.segment.extent.file.write_all_at(b"?", HEADER_BYTES as u64 + 100).unwrap();
        let error = file.reader().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("not what was written"), "{error}");
    }

    #[test]
    fn a_damaged_length_is_noticed_before_it_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let file = write(&manager, &[batch(0, 10)]).unwrap();
        file.segment.extent.file.write_all_at(&u32::MAX.to_le_bytes(), 0).unwrap();
        let mut reader = file.reader();
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none(), "a reader ends behind an error");
    }

    #[test]
    fn segments_are_read_on_their_own_while_the_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let manager = SpillManager::new(dir.path(), None);
        let batches = [batch(0, 100), batch(100, 50), batch(150, 200)];
        let mut writer = manager.create("test", &batches[0].schema(), &OperatorMetrics::new()).unwrap();
        writer.write(&batches[0]).unwrap();
        writer.write(&batches[1]).unwrap();
        let first = writer.cut();
        assert_eq!((first.rows(), first.blocks()), (150, 2));
        assert_eq!(first.reader().map(Result::unwrap).collect::<Vec<_>>(), batches[..2]);
        assert_eq!(writer.cut().reader().count(), 0);
        writer.write(&batches[2]).unwrap();
        let second = writer.cut();
        let whole = writer.finish();
        assert_eq!(first.bytes() + second.bytes(), whole.bytes());
        let used = manager.used();
        assert_eq!(first.into_reader().map(Result::unwrap).collect::<Vec<_>>(), batches[..2]);
        assert!(manager.used() <= used, "what was freed does not count twice");
        assert_eq!(second.reader().map(Result::unwrap).collect::<Vec<_>>(), batches[2..]);
        drop((second, whole));
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
}
