//! The pages of a column, looked at before they are decoded.
//!
//! The library believes the numbers that stand in a page and allocates what they ask for, which ends the process where they are damaged:
//! so they are compared with the bytes that are there. Numbers of 32 bits whose differences take more are unpacked here.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type as PhysicalType};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::schema::types::ColumnDescPtr;

use super::delta::Deltas;
use super::input::PagesInFlight;
use super::int96;

/// The pages of a column.
pub(super) struct CheckedPages {
    pages: Box<dyn PageReader>,
    column: ColumnDescPtr,
    in_flight: Arc<PagesInFlight>,
}

impl CheckedPages {
    pub fn new(pages: Box<dyn PageReader>, column: ColumnDescPtr, in_flight: Arc<PagesInFlight>) -> Self {
        Self { pages, column, in_flight }
    }

    fn checked(&self, page: Option<Page>) -> ParquetResult<Option<Page>> {
        let Some(page) = page else { return Ok(None) };
        let (physical, count) = (self.column.physical_type(), u64::from(page.num_values()));
        let start = values_start(&page, self.column.max_rep_level(), self.column.max_def_level());
        let Some((start, values)) = start.and_then(|start| Some((start, page.buffer().get(start..)?))) else {
            // The decoder will say what is wrong.
            return Ok(Some(page));
        };
        if matches!(page, Page::DictionaryPage { .. }) {
            // Each takes a byte, at least.
            within("a dictionary", count, values.len() as u64)?;
        }
        match page.encoding() {
            Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY => {
                let Some(deltas) = Deltas::new(values) else { return Ok(Some(page)) };
                within("a page", deltas.count, count)?;
                if page.encoding() == Encoding::DELTA_BYTE_ARRAY {
                    let lengths = deltas.behind().and_then(Deltas::new);
                    within("a page", lengths.map_or(0, |lengths| lengths.count), count)?;
                }
                if page.encoding() == Encoding::DELTA_BINARY_PACKED
                    && physical == PhysicalType::INT32
                    && let Some(numbers) = deltas.unpacked_wide()
                {
                    let levels = page.buffer().get(..start).unwrap_or_default();
                    return Ok(Some(plain(&page, [levels, &numbers].concat().into())));
                }
            }
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY if physical == PhysicalType::INT96 => {
                let is_plain = page.encoding() == Encoding::PLAIN || matches!(page, Page::DictionaryPage { .. });
                int96::check(if is_plain { values } else { &[] })
                    .map_err(|error| self.in_flight.fault(error.with_column(&self.column.path().string())))?;
            }
            _ => {}
        }
        Ok(Some(page))
    }
}

impl Iterator for CheckedPages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.get_next_page()?;
        self.checked(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.take_deferred_dictionary()?;
        self.checked(page)
    }

    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        self.pages.at_record_boundary()
    }
}

/// The error of more values than there can be.
fn within(what: &str, values: u64, most: u64) -> ParquetResult<()> {
    match values <= most {
        true => Ok(()),
        false => Err(ParquetError::General(format!("{what} that has {most} at most says that it has {values} values"))),
    }
}

/// Where the values of a page begin, behind the levels; `None` where the page is damaged.
fn values_start(page: &Page, max_repetition: i16, max_definition: i16) -> Option<usize> {
    match page {
        Page::DictionaryPage { .. } => Some(0),
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            (*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize)
        }
        Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } => {
            let start = levels_end(buf, 0, max_repetition, *rep_level_encoding, *num_values)?;
            levels_end(buf, start, max_definition, *def_level_encoding, *num_values)
        }
    }
}

/// Where levels end that begin at `start` and reach up to `max`.
fn levels_end(bytes: &[u8], start: usize, max: i16, encoding: Encoding, values: u32) -> Option<usize> {
    if max == 0 {
        return Some(start);
    }
    if encoding == Encoding::RLE {
        let length = u32::from_le_bytes(bytes.get(start..start.checked_add(4)?)?.try_into().ok()?);
        return start.checked_add(4)?.checked_add(usize::try_from(length).ok()?);
    }
    // Bits side by side, as writers had it before there was RLE.
    let bits = u64::from(i16::BITS - max.leading_zeros()) * u64::from(values);
    start.checked_add(usize::try_from(bits.div_ceil(8)).ok()?)
}

/// A data page with the same levels and plain values.
fn plain(page: &Page, bytes: Bytes) -> Page {
    let mut changed = page.clone();
    match &mut changed {
        Page::DataPage { buf, encoding, .. } | Page::DataPageV2 { buf, encoding, .. } => {
            (*buf, *encoding) = (bytes, Encoding::PLAIN);
        }
        Page::DictionaryPage { .. } => {}
    }
    changed
}
