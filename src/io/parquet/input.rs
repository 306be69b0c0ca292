//! The bytes of a row group, as the Parquet reader asks for them: read by position, page by page, and reserved.
//!
//! Files are not mapped: one that is truncated while it is read would end the process by SIGBUS, and here it is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};

use crate::error::{Error, Result};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;

/// Bytes read at once to find the header of a page, which has some fifty.
const HEADER_BYTES: usize = 1 << 10;

/// What the pages that are being decoded take, for all columns that one reader reads.
#[derive(Debug)]
pub(super) struct PagesInFlight {
    reservation: Mutex<MemoryReservation>,
    /// Why a page could not be had: errors of the Parquet reader carry text only.
    fault: Mutex<Option<Error>>,
    bytes_read: AtomicU64,
    metrics: Arc<OperatorMetrics>,
}

impl PagesInFlight {
    pub fn new(reservation: MemoryReservation, metrics: Arc<OperatorMetrics>) -> Arc<Self> {
        let reservation = Mutex::new(reservation);
        Arc::new(Self { reservation, fault: Mutex::default(), bytes_read: AtomicU64::new(0), metrics })
    }

    /// Reserves more, for pages or for rows that are held beside them.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        self.reservation.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes)
    }

    pub fn shrink(&self, bytes: u64) {
        self.reservation.lock().unwrap_or_else(PoisonError::into_inner).shrink(bytes);
    }

    /// The error behind one of the Parquet reader, where it is ours.
    pub fn take_fault(&self) -> Option<Error> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for PagesInFlight {
    fn drop(&mut self) {
        self.metrics.add("bytes read", self.bytes_read.load(Relaxed));
    }
}

/// The bytes of one column chunk.
#[derive(Debug)]
pub(super) struct ColumnInput {
    file: Arc<File>,
    length: u64,
    in_flight: Arc<PagesInFlight>,
    /// Bytes in memory for each in the file, in thousandths: a page is there compressed and not.
    expansion: u64,
    /// The most that a page took so far, which stays reserved.
    reserved: AtomicU64,
}

impl ColumnInput {
    pub fn new(file: Arc<File>, length: u64, in_flight: Arc<PagesInFlight>, expansion: u64) -> Self {
        Self { file, length, in_flight, expansion, reserved: AtomicU64::new(0) }
    }

    fn reserve(&self, length: u64) -> ParquetResult<()> {
        let wanted = length.saturating_mul(self.expansion) / 1000;
        let before = self.reserved.fetch_max(wanted, Relaxed);
        let more = wanted.saturating_sub(before);
        if more == 0 {
            return Ok(());
        }
        self.in_flight.grow(more).map_err(|error| {
            self.reserved.store(before, Relaxed);
            let text = error.to_string();
            *self.in_flight.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            ParquetError::General(text)
        })
    }
}

impl Drop for ColumnInput {
    fn drop(&mut self) {
        self.in_flight.shrink(self.reserved.load(Relaxed));
    }
}

impl Length for ColumnInput {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for ColumnInput {
    type T = BufReader<FilePart>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, FilePart { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "a page of {length} bytes at {start} is behind the end of the file"
            )));
        }
        self.reserve(length as u64)?;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = start + bytes.len() as u64;
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut bytes), at));
            if read.map_err(std::io::Error::from)? == 0 {
                return Err(ParquetError::EOF(format!("the file ends at {at}, within a page")));
            }
        }
        self.in_flight.bytes_read.fetch_add(length as u64, Relaxed);
        // The vector may have had room for more.
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

/// A file from some place on.
#[derive(Debug)]
pub(super) struct FilePart {
    file: Arc<File>,
    at: u64,
}

impl Read for FilePart {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        let read = retry_on_intr(|| pread(&self.file, &mut *target, self.at))?;
        self.at += read as u64;
        Ok(read)
    }
}

/// One row group, column by column.
#[derive(Debug)]
pub(super) struct RowGroupInput {
    pub file: Arc<File>,
    pub length: u64,
    pub metadata: Arc<ParquetMetaData>,
    pub row_group: usize,
    /// Where the pages of a leaf begin, for those leaves for which it is known.
    pub page_locations: HashMap<usize, Vec<PageLocation>>,
    pub in_flight: Arc<PagesInFlight>,
}

impl RowGroupInput {
    /// The bytes as they are, such as those of an index.
    pub fn plain(&self) -> ColumnInput {
        ColumnInput::new(self.file.clone(), self.length, self.in_flight.clone(), 1000)
    }

    /// The input of one leaf.
    pub fn column(&self, leaf: usize) -> ColumnInput {
        let chunk = self.metadata.row_group(self.row_group).column(leaf);
        let compressed = u64::try_from(chunk.compressed_size()).unwrap_or(0).max(1);
        let uncompressed = u64::try_from(chunk.uncompressed_size()).unwrap_or(0).max(compressed);
        let expansion = 1000 + uncompressed.saturating_mul(1000) / compressed;
        ColumnInput::new(self.file.clone(), self.length, self.in_flight.clone(), expansion)
    }
}

impl RowGroups for RowGroupInput {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.row_group).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.row_group).column(leaf);
        let locations = self.page_locations.get(&leaf).cloned();
        let input = Arc::new(self.column(leaf));
        let pages: Box<dyn PageReader> = Box::new(SerializedPageReader::new(input, chunk, self.num_rows(), locations)?);
        Ok(Box::new(OnePageReader(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.row_group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of the one column chunk that there is.
struct OnePageReader(Option<Box<dyn PageReader>>);

impl Iterator for OnePageReader {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OnePageReader {}
