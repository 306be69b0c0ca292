//! Writing a spill file once, and reading it back: again and again, or once, freeing the disk as it goes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use rustix::fs::FallocateFlags;

use super::SpillManager;
use super::block::{BlockHeader, HEADER_BYTES, decode, encode};
use crate::error::{Error, Result};
use crate::metrics::OperatorMetrics;

/// The bytes of a spill file, given back to the quota when dropped.
#[derive(Debug)]
struct Extent {
    manager: Arc<SpillManager>,
    file: File,
    operator: String,
    bytes: u64,
}

impl Drop for Extent {
    fn drop(&mut self) {
        self.manager.give_back(self.bytes);
    }
}

/// Appends batches to a new spill file.
#[derive(Debug)]
pub struct SpillWriter {
    extent: Extent,
    schema: SchemaRef,
    rows: u64,
    blocks: u64,
    largest_block: u64,
    metrics: Arc<OperatorMetrics>,
}

impl SpillWriter {
    pub(super) fn new(
        manager: Arc<SpillManager>,
        file: File,
        operator: &str,
        schema: SchemaRef,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        let extent = Extent { manager, file, operator: operator.to_string(), bytes: 0 };
        Self { extent, schema, rows: 0, blocks: 0, largest_block: 0, metrics }
    }

    /// Writes one batch as one block. What it is compressed in is not reserved: keep batches below some MiB.
    ///
    /// # Errors
    /// A resource error where the disk or the quota is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let block = encode(batch)?;
        let bytes = block.len() as u64;
        let extent = &mut self.extent;
        extent.manager.take(bytes, &extent.operator)?;
        let at = extent.bytes;
        extent.bytes += bytes;
        extent.file.write_all_at(&block, at).map_err(|error| extent.manager.write_failed(&extent.operator, &error))?;
        self.rows += batch.num_rows() as u64;
        self.blocks += 1;
        self.largest_block = self.largest_block.max(batch.get_array_memory_size() as u64);
        self.metrics.spilled_bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.extent.bytes
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends writing.
    pub fn finish(self) -> SpillFile {
        SpillFile {
            extent: Arc::new(self.extent),
            schema: self.schema,
            rows: self.rows,
            blocks: self.blocks,
            largest_block: self.largest_block,
        }
    }
}

/// A spill file that is complete. The disk is free again when it and its readers are dropped.
#[derive(Clone, Debug)]
pub struct SpillFile {
    extent: Arc<Extent>,
    schema: SchemaRef,
    rows: u64,
    blocks: u64,
    largest_block: u64,
}

impl SpillFile {
    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.extent.bytes
    }

    /// Batches in it; each is read back as it was written.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Memory of its largest batch: what a reader needs to reserve.
    pub fn largest_block(&self) -> u64 {
        self.largest_block
    }

    /// The schema of its batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads from the start; the file stays.
    pub fn reader(&self) -> SpillReader {
        SpillReader { extent: self.extent.clone(), at: 0, free: false }
    }

    /// Reads from the start for the last time: the disk under each block is freed once it was read.
    pub fn into_reader(self) -> SpillReader {
        SpillReader { extent: self.extent, at: 0, free: true }
    }
}

/// The batches of a spill file, in the order in which they were written.
#[derive(Debug)]
pub struct SpillReader {
    extent: Arc<Extent>,
    at: u64,
    free: bool,
}

impl SpillReader {
    fn read(&mut self) -> Result<RecordBatch> {
        let failed = |error: std::io::Error| {
            Error::resource(format!("{} cannot read its spill file back: {error}", self.extent.operator))
        };
        let mut header = [0; HEADER_BYTES];
        self.extent.file.read_exact_at(&mut header, self.at).map_err(failed)?;
        let header = BlockHeader::parse(&header);
        let mut payload = vec![0; header.payload_bytes];
        self.extent.file.read_exact_at(&mut payload, self.at + HEADER_BYTES as u64).map_err(failed)?;
        let start = self.at;
        self.at += (HEADER_BYTES + header.payload_bytes) as u64;
        if self.free {
            // Frees whole pages of the disk; where the file system cannot, the disk is free when the file is dropped.
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(&self.extent.file, flags, start, self.at - start);
        }
        decode(header, payload)
    }
}

impl Iterator for SpillReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.extent.bytes).then(|| self.read())
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
        file.extent.file.write_all_at(b"?", HEADER_BYTES as u64 + 100).unwrap();
        let error = file.reader().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("not what was written"), "{error}");
    }
}
