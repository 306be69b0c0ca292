//! The page index of one row group: where the pages of a column begin, and what values they hold at most.
//!
//! It is read for the columns that a scan with conditions reads, when the row group's turn has come, and kept with the file: the index of
//! all columns of all row groups, which the Parquet reader would load with the footer, can be larger than what is read in the end.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::index_reader::{decode_column_index, decode_offset_index};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::reader::ChunkReader;

use super::convert::convert;
use super::delta::varint;
use super::file::{FileColumn, ParquetFile};
use super::input::ColumnInput;
use super::prune::Bounds;
use crate::panics::guarded;
use crate::types::is_list;

/// Bytes in memory for each of an index in the file, about.
const EXPANSION: u64 = 4;

/// What is known of the pages of one leaf; nothing where it has no index, or none to rely on.
#[derive(Debug, Default)]
pub(super) struct LeafIndex {
    offsets: Option<OffsetIndexMetaData>,
    columns: Option<ColumnIndexMetaData>,
}

impl LeafIndex {
    /// Reads the index of a column, and says how much memory it takes. `None` where its bytes cannot be had now.
    fn read(file: &ParquetFile, row_group: usize, column: &FileColumn, input: &ColumnInput) -> Option<(Self, u64)> {
        let chunk = file.row_group(row_group).column(column.leaf);
        let mut index = Self::default();
        let mut size = size_of::<Self>() as u64;
        let mut bytes = |range: Option<Range<u64>>| {
            let Some(range) = range else { return Some(None) };
            let length = range.end.saturating_sub(range.start);
            size = size.saturating_add(length.saturating_mul(EXPANSION));
            Some(Some(input.get_bytes(range.start, usize::try_from(length).ok()?).ok()?))
        };
        let (offsets, columns) = (bytes(chunk.offset_index_range())?, bytes(chunk.column_index_range())?);
        let offsets = offsets.filter(|bytes| has_its_pages(bytes));
        let offsets = offsets.and_then(|bytes| guarded(|| decode_offset_index(&bytes)).ok()?.ok());
        let (rows, (start, length)) = (file.row_group_rows(row_group), chunk.byte_range());
        let is_in_order = |offsets: &OffsetIndexMetaData| {
            are_in_order(offsets.page_locations(), rows, start..start.saturating_add(length))
        };
        index.offsets = offsets.filter(is_in_order);
        if index.offsets.is_some() {
            let decode = |bytes: bytes::Bytes| guarded(|| decode_column_index(&bytes, chunk.column_type())).ok()?.ok();
            index.columns = columns.and_then(decode);
        }
        Some((index, size))
    }

    /// Where the pages begin.
    pub fn page_locations(&self) -> Option<&Vec<PageLocation>> {
        self.offsets.as_ref().map(OffsetIndexMetaData::page_locations)
    }
}

/// What is known of the pages of the leaves that were asked for.
#[derive(Debug)]
pub(super) struct RowGroupIndex {
    row_group: usize,
    leaves: HashMap<usize, Arc<LeafIndex>>,
}

impl RowGroupIndex {
    /// The index of some columns. One that cannot be read or understood is as good as none: nothing depends on it.
    pub fn read(file: &ParquetFile, row_group: usize, columns: &[usize], input: &ColumnInput) -> Self {
        let columns = columns.iter().filter_map(|column| file.columns.get(*column));
        let leaves = columns.filter_map(|column| {
            let read = || LeafIndex::read(file, row_group, column, input);
            Some((column.leaf, file.indexes.pages(row_group, column.leaf, read)?))
        });
        Self { row_group, leaves: leaves.collect() }
    }

    /// What is known by leaf.
    pub fn leaves(&self) -> HashMap<usize, Arc<LeafIndex>> {
        self.leaves.clone()
    }

    /// What is known of the values of a column page by page, as values of the type `to`; `None` where nothing is to rely on.
    pub fn pages(&self, file: &ParquetFile, column: usize, to: &DataType) -> Option<PageBounds> {
        let column = file.columns.get(column)?;
        let index = self.leaves.get(&column.leaf).filter(|index| index.columns.is_some())?;
        let offsets = index.page_locations()?;
        // Decimals as bytes may be of any length, which the converter takes for granted.
        let physical = file.metadata.parquet_schema().column(column.leaf).physical_type();
        let integers = matches!(physical, PhysicalType::INT32 | PhysicalType::INT64);
        if !file.bounds_are_ordered(column)
            || is_list(&column.data_type)
            || (matches!(column.data_type, DataType::Decimal128(_, _)) && !integers)
        {
            return None;
        }
        let field = column.field();
        let converter =
            StatisticsConverter::from_column_index(column.leaf, &field, file.metadata.parquet_schema()).ok()?;
        let groups = [self.row_group];
        let values = |array: parquet::errors::Result<ArrayRef>| convert(&array.ok()?, &column.data_type, to).ok();
        let nulls = converter.data_page_null_counts(self, &groups).ok()?;
        let starts: Vec<u64> = offsets.iter().map(|page| u64::try_from(page.first_row_index).unwrap_or(0)).collect();
        let (mins, maxes) =
            (values(converter.data_page_mins(self, &groups))?, values(converter.data_page_maxes(self, &groups))?);
        if [nulls.len(), mins.len(), maxes.len()].iter().any(|length| *length != starts.len()) {
            return None;
        }
        let nulls = (0..nulls.len()).map(|page| nulls.is_valid(page).then(|| nulls.value(page))).collect();
        Some(PageBounds {
            starts,
            rows: file.row_group_rows(self.row_group),
            nulls,
            mins,
            maxes,
            may_be_nan: column.may_be_nan(),
        })
    }
}

/// Whether there are bytes for as many pages as an offset index says, which the library takes for granted. They are its first field, a list of
/// structs in Thrift's compact protocol: its length is in the upper half of a byte, or behind it where that is full.
fn has_its_pages(bytes: &[u8]) -> bool {
    const FIRST_LIST: u8 = 0x19;
    let pages = match bytes {
        [FIRST_LIST, list, ..] if list >> 4 == 15 => varint(bytes, &mut 2),
        [FIRST_LIST, list, ..] => Some(u64::from(list >> 4)),
        _ => None,
    };
    pages.is_some_and(|pages| pages <= bytes.len() as u64)
}

/// Whether the pages begin with the first row, and come one after another in the bytes of their column.
fn are_in_order(pages: &[PageLocation], rows: u64, bytes: Range<u64>) -> bool {
    let (mut row, mut at) = (0, bytes.start);
    let mut follows = |page: &PageLocation| {
        let (first, start) = (u64::try_from(page.first_row_index).ok()?, u64::try_from(page.offset).ok()?);
        let end = start.checked_add(u64::try_from(page.compressed_page_size).ok()?)?;
        let is_next = if row == 0 { first == 0 } else { first >= row };
        let fits = is_next && first < rows && start >= at && end <= bytes.end;
        (row, at) = (first + 1, end);
        fits.then_some(())
    };
    !pages.is_empty() && pages.iter().all(|page| follows(page).is_some())
}

impl PageIndexProvider for RowGroupIndex {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn has_offset_indexes(&self) -> bool {
        self.leaves.values().any(|index| index.offsets.is_some())
    }

    fn has_column_indexes(&self) -> bool {
        self.leaves.values().any(|index| index.columns.is_some())
    }

    fn column_index(&self, row_group: usize, leaf: usize) -> Option<&ColumnIndexMetaData> {
        self.leaves.get(&leaf).filter(|_| row_group == self.row_group)?.columns.as_ref()
    }

    fn offset_index(&self, row_group: usize, leaf: usize) -> Option<&OffsetIndexMetaData> {
        self.leaves.get(&leaf).filter(|_| row_group == self.row_group)?.offsets.as_ref()
    }
}

/// The bounds of a column's pages.
#[derive(Debug)]
pub(super) struct PageBounds {
    /// The first row of each page.
    pub starts: Vec<u64>,
    /// Rows of the row group.
    rows: u64,
    nulls: Vec<Option<u64>>,
    mins: ArrayRef,
    maxes: ArrayRef,
    may_be_nan: bool,
}

impl PageBounds {
    /// What is known of the page that a row is in.
    pub fn at(&self, row: u64) -> Option<Bounds> {
        let page = self.starts.partition_point(|start| *start <= row).checked_sub(1)?;
        let start = self.starts.get(page)?;
        let rows = self.starts.get(page + 1).unwrap_or(&self.rows) - start;
        let nulls = *self.nulls.get(page)?;
        Some(Bounds {
            min: Bounds::of(&self.mins, page),
            max: Bounds::of(&self.maxes, page).filter(|_| !self.may_be_nan),
            may_be_null: nulls != Some(0),
            may_have_value: nulls.is_none_or(|nulls| nulls < rows),
        })
    }
}

/// The rows of a row group that some page might hold a match of, as ranges in order. `bounds` tells what is known at a row, and
/// `starts` holds the first rows of all pages of the columns that the conditions are over.
pub(super) fn rows_to_read(mut starts: Vec<u64>, rows: u64, may_match: impl Fn(u64) -> bool) -> Vec<Range<u64>> {
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = *starts.get(index + 1).unwrap_or(&rows);
        if start >= &end || !may_match(*start) {
            continue;
        }
        match ranges.last_mut().filter(|last| last.end == *start) {
            Some(last) => last.end = end,
            None => ranges.push(*start..end),
        }
    }
    ranges
}
