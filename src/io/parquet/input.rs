//! The bytes of a row group, as the Parquet reader asks for them: read by position, page by page, and reserved.
//!
//! Files are not mapped: one that is truncated while it is read would end the process by SIGBUS, and here it is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};

use super::delta::{varint, zigzag};
use super::index::LeafIndex;
use super::pages::CheckedPages;
use crate::error::{Error, Result};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;

/// Bytes read at once to find the header of a page, which has some fifty.
const HEADER_BYTES: usize = 1 << 10;
/// Bytes that a page may have beyond those that its column has by the footer, of which not all writers think alike.
const SLACK: u64 = 64 << 20;

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

    /// Leaves an error to be found behind the one of the Parquet reader that is the answer here.
    pub fn fault(&self, error: Error) -> ParquetError {
        let text = error.to_string();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        ParquetError::General(text)
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
    pages: PageSizes,
    /// Where the header of a page was read last, and the bytes of the page when it is decompressed.
    header: Mutex<Option<(u64, u64)>>,
    /// The most that a page took so far, which stays reserved.
    reserved: AtomicU64,
}

/// What is known of the pages of a column before they are read.
#[derive(Clone, Copy, Debug)]
enum PageSizes {
    /// Bytes are as they are, such as those of an index, or of pages that are not compressed.
    Plain,
    /// A page is there compressed and not for a moment.
    Compressed {
        /// Bytes in memory for each in the file, in thousandths, for pages that do not tell.
        expansion: u64,
        /// Bytes that no page has more than when it is decompressed.
        most: u64,
        /// Whether each request for bytes begins with the header of a page, which else is read before.
        has_headers: bool,
    },
}

impl ColumnInput {
    fn new(file: Arc<File>, length: u64, in_flight: Arc<PagesInFlight>, pages: PageSizes) -> Self {
        Self { file, length, in_flight, pages, header: Mutex::default(), reserved: AtomicU64::new(0) }
    }

    /// Reserves what a page takes of `length` bytes at `start`.
    fn reserve_page(&self, start: u64, length: u64) -> ParquetResult<()> {
        let PageSizes::Compressed { expansion, has_headers, .. } = self.pages else { return self.reserve(length) };
        if has_headers {
            return self.reserve(length);
        }
        let header = self.header.lock().unwrap_or_else(PoisonError::into_inner).take();
        match header.filter(|(at, _)| *at < start && start - at <= HEADER_BYTES as u64) {
            Some((_, decompressed)) => self.reserve(length.saturating_add(decompressed)),
            None => self.reserve(length.saturating_mul(expansion) / 1000),
        }
    }

    /// The bytes that a page has when it is decompressed, from its header.
    fn decompressed(&self, header: &[u8]) -> ParquetResult<Option<u64>> {
        let PageSizes::Compressed { most, .. } = self.pages else { return Ok(None) };
        match decompressed_bytes(header) {
            Some(bytes) if bytes > most => Err(ParquetError::General(format!(
                "a page says that it has {bytes} bytes, which is more than its column has"
            ))),
            bytes => Ok(bytes),
        }
    }

    fn reserve(&self, wanted: u64) -> ParquetResult<()> {
        let before = self.reserved.fetch_max(wanted, Relaxed);
        let more = wanted.saturating_sub(before);
        if more == 0 {
            return Ok(());
        }
        self.in_flight.grow(more).map_err(|error| {
            self.reserved.store(before, Relaxed);
            self.in_flight.fault(error)
        })
    }
}

/// The second field of a page's header, which is Thrift's compact protocol: numbers of 32 bits, each behind its place and type.
fn decompressed_bytes(header: &[u8]) -> Option<u64> {
    const NEXT_I32: u8 = 0x15;
    let mut at = 0;
    let mut field = || {
        (*header.get(at)? == NEXT_I32).then_some(())?;
        at += 1;
        Some(zigzag(varint(header, &mut at)?))
    };
    field()?;
    u64::try_from(field()?).ok()
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
        let mut reader = BufReader::with_capacity(HEADER_BYTES, FilePart { file: self.file.clone(), at: start });
        let mut last = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        // After a header was looked at, the library begins to read behind it.
        let is_behind = last.is_some_and(|(at, _)| at < start && start - at <= HEADER_BYTES as u64);
        if !is_behind {
            *last = self.decompressed(reader.fill_buf()?)?.map(|decompressed| (start, decompressed));
        }
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "a page of {length} bytes at {start} is behind the end of the file"
            )));
        }
        self.reserve_page(start, length as u64)?;
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
        if let PageSizes::Compressed { has_headers: true, .. } = self.pages
            && let Some(decompressed) = self.decompressed(&bytes)?
        {
            self.reserve((length as u64).saturating_add(decompressed))?;
        }
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
#[derive(Clone, Debug)]
pub(super) struct RowGroupInput {
    pub file: Arc<File>,
    pub length: u64,
    pub metadata: Arc<ParquetMetaData>,
    pub row_group: usize,
    /// What is known of the pages of leaves.
    pub pages: HashMap<usize, Arc<LeafIndex>>,
    pub in_flight: Arc<PagesInFlight>,
}

impl RowGroupInput {
    /// The bytes as they are, such as those of an index.
    pub fn plain(&self) -> ColumnInput {
        ColumnInput::new(self.file.clone(), self.length, self.in_flight.clone(), PageSizes::Plain)
    }

    /// The input of one leaf.
    pub fn column(&self, leaf: usize) -> ColumnInput {
        let chunk = self.metadata.row_group(self.row_group).column(leaf);
        let compressed = u64::try_from(chunk.compressed_size()).unwrap_or(0).max(1);
        let uncompressed = u64::try_from(chunk.uncompressed_size()).unwrap_or(0).max(compressed);
        let pages = match chunk.compression() {
            Compression::UNCOMPRESSED => PageSizes::Plain,
            _ => PageSizes::Compressed {
                expansion: 1000 + uncompressed.saturating_mul(1000) / compressed,
                most: uncompressed.saturating_add(SLACK),
                has_headers: self.pages.get(&leaf).is_some_and(|pages| pages.page_locations().is_some()),
            },
        };
        ColumnInput::new(self.file.clone(), self.length, self.in_flight.clone(), pages)
    }
}

impl RowGroups for RowGroupInput {
    fn num_rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.row_group).num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(self.row_group).column(leaf);
        let locations = self.pages.get(&leaf).and_then(|pages| pages.page_locations().cloned());
        let input = Arc::new(self.column(leaf));
        let pages = Box::new(SerializedPageReader::new(input, chunk, self.num_rows(), locations)?);
        let pages = CheckedPages::new(pages, chunk.column_descr_ptr(), self.in_flight.clone());
        Ok(Box::new(OnePageReader(Some(Box::new(pages)))))
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
