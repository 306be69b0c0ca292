//! The page index of one row group: where the pages of a column begin, and what values they hold at most.
//!
//! It is read for the columns that a scan with conditions reads, when the row group's turn has come: the index of all columns of
//! all row groups, which the Parquet reader would load with the footer, can be larger than what is read in the end.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;

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
use super::file::ParquetFile;
use super::input::ColumnInput;
use super::prune::Bounds;
use crate::types::is_list;

/// What is known of the pages of the leaves that were asked for. A leaf without an index is not in it.
#[derive(Debug, Default)]
pub(super) struct RowGroupIndex {
    row_group: usize,
    columns: HashMap<usize, ColumnIndexMetaData>,
    offsets: HashMap<usize, OffsetIndexMetaData>,
}

impl RowGroupIndex {
    /// Reads the index of some columns. One that cannot be read or understood is as good as none: nothing depends on it.
    pub fn read(file: &ParquetFile, row_group: usize, columns: &[usize], input: &ColumnInput) -> Self {
        let mut index = Self { row_group, ..Self::default() };
        for column in columns.iter().filter_map(|column| file.columns.get(*column)) {
            let chunk = file.row_group(row_group).column(column.leaf);
            let bytes = |range: Option<Range<u64>>| {
                let range = range?;
                input.get_bytes(range.start, usize::try_from(range.end.checked_sub(range.start)?).ok()?).ok()
            };
            let Some(offsets) = bytes(chunk.offset_index_range()).and_then(|bytes| decode_offset_index(&bytes).ok())
            else {
                continue;
            };
            let rows = file.row_group_rows(row_group);
            let (start, length) = chunk.byte_range();
            if !are_in_order(offsets.page_locations(), rows, start..start.saturating_add(length)) {
                continue;
            }
            index.offsets.insert(column.leaf, offsets);
            let found = bytes(chunk.column_index_range());
            if let Some(found) = found.and_then(|bytes| decode_column_index(&bytes, chunk.column_type()).ok()) {
                index.columns.insert(column.leaf, found);
            }
        }
        index
    }

    /// Where the pages begin, by leaf.
    pub fn page_locations(&self) -> HashMap<usize, Vec<PageLocation>> {
        self.offsets.iter().map(|(leaf, offsets)| (*leaf, offsets.page_locations().clone())).collect()
    }

    /// What is known of the values of a column page by page, as values of the type `to`; `None` where nothing is to rely on.
    pub fn pages(&self, file: &ParquetFile, column: usize, to: &DataType) -> Option<PageBounds> {
        let column = file.columns.get(column)?;
        let (offsets, _) = (self.offsets.get(&column.leaf)?, self.columns.get(&column.leaf)?);
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
        let starts: Vec<u64> =
            offsets.page_locations().iter().map(|page| u64::try_from(page.first_row_index).unwrap_or(0)).collect();
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
        !self.offsets.is_empty()
    }

    fn has_column_indexes(&self) -> bool {
        !self.columns.is_empty()
    }

    fn column_index(&self, row_group: usize, leaf: usize) -> Option<&ColumnIndexMetaData> {
        self.columns.get(&leaf).filter(|_| row_group == self.row_group)
    }

    fn offset_index(&self, row_group: usize, leaf: usize) -> Option<&OffsetIndexMetaData> {
        self.offsets.get(&leaf).filter(|_| row_group == self.row_group)
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
