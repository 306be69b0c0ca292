//! One scan of Parquet files: its partitions, and what of each is read.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::datatypes::SchemaRef;

use super::batches::OutputColumn;
use super::bloom;
use super::condition::Condition;
use super::file::ParquetFile;
use super::index::{RowGroupIndex, rows_to_read};
use super::input::{PagesInFlight, RowGroupInput};
use super::kept::Footers;
use super::partition::{Partition, PartitionStream, Wanted};
use super::prune::{self, Bounds};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::metrics::OperatorMetrics;

/// Bytes of a page, in general; larger ones are rare.
const PAGE_BYTES: u64 = 1 << 20;
/// Rows of a page, in general, of writers that write the page index.
const PAGE_ROWS: u64 = 20_000;
/// Partitions for each thread, at least, where that does not cost much.
const PARTITIONS_PER_THREAD: u64 = 4;
/// Of the rows that are left for a thread, a partition has no more than one in so many, where that does not cost much.
const SHARE_OF_REST: u64 = 2;
/// Decompressed bytes of a partition from which on it is split in any case, where it can be.
const LARGE_PARTITION: u64 = 256 << 20;

/// A scan.
#[derive(Debug)]
pub(super) struct ParquetSource {
    wanted: Arc<Wanted>,
    files: Vec<Arc<ParquetFile>>,
    /// For each file, where the slots of `wanted` come from.
    columns: Vec<Vec<OutputColumn>>,
    partitions: Vec<Partition>,
    /// Row groups that statistics ruled out, until they were counted.
    pruned: AtomicU64,
    /// Files that the conditions ruled out.
    files_pruned: usize,
    footers: Arc<Footers>,
}

impl ParquetSource {
    pub fn new(
        wanted: Wanted,
        files: Vec<Arc<ParquetFile>>,
        columns: Vec<Vec<OutputColumn>>,
        partitions: Vec<Partition>,
        footers: &Arc<Footers>,
    ) -> Self {
        let (wanted, footers) = (Arc::new(wanted), footers.clone());
        Self { wanted, files, columns, partitions, pruned: AtomicU64::new(0), files_pruned: 0, footers }
    }

    /// Tells of row groups and files that were ruled out before.
    pub fn with_pruned(self, row_groups: u64, files: usize) -> Self {
        Self { pruned: AtomicU64::new(row_groups), files_pruned: files, ..self }
    }

    /// The rows of a partition that no index rules out. What an index knows of a file's columns is read here, by whoever reads the
    /// partition, and the places of pages are left with the input.
    fn rows_left(
        &self,
        partition: Partition,
        file: &ParquetFile,
        columns: &[OutputColumn],
        input: &mut RowGroupInput,
        metrics: &OperatorMetrics,
    ) -> Vec<Range<u64>> {
        let whole = partition.first..partition.first + partition.rows;
        let Some(condition) = &self.wanted.condition else { return vec![whole] };
        let slot_of = |column: usize| self.wanted.slots.iter().position(|slot| *slot == column);
        if !self.blooms_allow(condition, file, columns, input) {
            // Counted once, however many partitions the row group has.
            metrics.add("row groups pruned", u64::from(partition.first == 0));
            return Vec::new();
        }
        let read = file_columns(columns);
        if read.is_empty() {
            return vec![whole];
        }
        let index = RowGroupIndex::read(file, partition.row_group, &read, &input.plain());
        // What is not there for want of memory is as good as none.
        drop(input.in_flight.take_fault());
        input.pages = index.leaves();
        let asked: Vec<usize> = condition.filters.iter().flat_map(|filter| filter.columns()).collect();
        let mut known = Vec::with_capacity(columns.len());
        let mut starts = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            known.push(match column {
                OutputColumn::Constant(value) => KnownColumn::Same(Some(Bounds::constant(value))),
                OutputColumn::Read { .. } if !asked.contains(&self.wanted.slots[place]) => KnownColumn::Same(None),
                OutputColumn::Read { column, to } => match index.pages(file, *column, to) {
                    Some(pages) => {
                        starts.extend(&pages.starts);
                        KnownColumn::ByPage(pages)
                    }
                    None => KnownColumn::Same(file.bounds(*column, partition.row_group, to)),
                },
            });
        }
        if starts.is_empty() {
            return vec![whole];
        }
        let rows = file.row_group_rows(partition.row_group);
        let ranges = rows_to_read(starts, rows, |row| {
            let bounds = |column: usize| match known.get(slot_of(column)?)? {
                KnownColumn::Same(bounds) => bounds.clone(),
                KnownColumn::ByPage(pages) => pages.at(row),
            };
            condition.filters.iter().all(|filter| prune::may_match(filter, &bounds))
        });
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|range| range.start.max(whole.start)..range.end.min(whole.end))
            .filter(|range| !range.is_empty())
            .collect();
        let left = |first: u64, end: u64| ranges.iter().any(|range| range.start < end && first < range.end);
        let pages = input.pages.values().filter_map(|index| index.page_locations()).map(|pages| {
            let start = |page: usize| pages.get(page).map_or(rows, |page| page.first_row_index as u64);
            let of_partition = (0..pages.len()).map(|page| start(page)..start(page + 1));
            let of_partition = of_partition.filter(|page| page.start >= whole.start && page.start < whole.end);
            of_partition.filter(|page| !left(page.start, page.end)).count() as u64
        });
        let pruned: u64 = pages.sum();
        if pruned > 0 {
            metrics.add("pages pruned", pruned);
        }
        ranges
    }

    /// Whether the bloom filters of a row group let some row match.
    fn blooms_allow(
        &self,
        condition: &Condition,
        file: &ParquetFile,
        columns: &[OutputColumn],
        input: &RowGroupInput,
    ) -> bool {
        condition.filters.iter().all(|filter| {
            let filters: Vec<_> = filter
                .columns()
                .into_iter()
                .filter_map(|column| {
                    let place = self.wanted.slots.iter().position(|slot| *slot == column)?;
                    let found = file.columns.get(columns.get(place)?.file_column()?)?;
                    Some((column, found, bloom::read(input, file, found)?))
                })
                .collect();
            bloom::may_match(filter, &|column, value| {
                let found = filters.iter().find(|(known, _, _)| *known == column);
                found.is_none_or(|(_, found, filter)| {
                    filter.as_ref().as_ref().is_none_or(|filter| bloom::may_contain(filter, file, found, value))
                })
            })
        })
    }
}

/// What is known of a column in a row group.
enum KnownColumn {
    /// The same of all rows.
    Same(Option<Bounds>),
    ByPage(super::index::PageBounds),
}

impl Source for ParquetSource {
    fn schema(&self) -> &SchemaRef {
        &self.wanted.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn applies_filters(&self) -> bool {
        self.wanted.condition.is_some()
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.partitions.get(partition).map_or(0, |partition| partition.bytes)
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        context.cancel.check()?;
        let missing = || Error::internal(format!("there is no partition {partition}"));
        let partition = *self.partitions.get(partition).ok_or_else(missing)?;
        let file = self.files.get(partition.file).ok_or_else(missing)?;
        let columns = self.columns.get(partition.file).ok_or_else(missing)?;
        let once = [
            ("footers read", &self.footers.read),
            ("footers cached", &self.footers.cached),
            ("row groups pruned", &self.pruned),
        ];
        for (name, count) in once {
            match count.swap(0, Relaxed) {
                0 => {}
                count => metrics.add(name, count),
            }
        }
        let mut input = RowGroupInput {
            file: Arc::new(file.reopen()?),
            length: file.length,
            metadata: file.metadata.metadata().clone(),
            row_group: partition.row_group,
            pages: Default::default(),
            in_flight: PagesInFlight::new(context.memory.reservation("parquet pages", metrics), metrics.clone()),
        };
        let left = self.rows_left(partition, file, columns, &mut input, metrics);
        Ok(Box::new(PartitionStream::new(&self.wanted, file, columns, input, partition, left, context)))
    }
}

/// Bytes of the columns that are read of a row group.
pub(super) fn bytes_read(file: &ParquetFile, row_group: usize, columns: &[OutputColumn]) -> u64 {
    let bytes = file_columns(columns).into_iter().map(|column| file.column_bytes(row_group, column));
    bytes.fold(0, u64::saturating_add)
}

/// The columns of a file, each once.
fn file_columns(columns: &[OutputColumn]) -> Vec<usize> {
    let mut read: Vec<usize> = columns.iter().filter_map(OutputColumn::file_column).collect();
    read.sort_unstable();
    read.dedup();
    read
}

/// Splits row groups where they are large, where there are few of them for the threads, and the last ones, so that all
/// threads end together: a partition has no more than a share of the rows that are left ("guided self-scheduling",
/// Polychronopoulos and Kuck, IEEE Transactions on Computers 36, 1987). The pages at a cut are decompressed twice, which
/// must cost at most an eighth.
pub(super) fn split(
    partitions: Vec<Partition>,
    files: &[Arc<ParquetFile>],
    columns: &[Vec<OutputColumn>],
    threads: usize,
) -> Vec<Partition> {
    if threads <= 1 {
        return partitions;
    }
    let threads = threads as u64;
    let few = (threads * PARTITIONS_PER_THREAD).div_ceil(partitions.len().max(1) as u64);
    let mut rows_left = partitions.iter().fold(0, |rows: u64, partition| rows.saturating_add(partition.rows));
    let mut split = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let share = (rows_left / (threads * SHARE_OF_REST)).max(1);
        rows_left = rows_left.saturating_sub(partition.rows);
        let wanted = few.max(partition.rows.div_ceil(share));
        let parts = parts(&partition, &files[partition.file], &columns[partition.file], wanted);
        let at = |part: u64, of: u64| (u128::from(of) * u128::from(part) / u128::from(parts)) as u64;
        split.extend((0..parts).map(|part| {
            let first = at(part, partition.rows);
            let bytes = at(part + 1, partition.bytes) - at(part, partition.bytes);
            Partition { first, rows: at(part + 1, partition.rows) - first, bytes, ..partition }
        }));
    }
    split
}

/// How many parts a row group is split into.
fn parts(partition: &Partition, file: &ParquetFile, columns: &[OutputColumn], wanted: u64) -> u64 {
    let (mut total, mut at_cut) = (0_u64, 0_u64);
    for column in file_columns(columns) {
        let bytes = file.decompressed_bytes(partition.row_group, column);
        let page = match file.has_page_index(partition.row_group, column) {
            true => u128::from(bytes) * u128::from(PAGE_ROWS) / u128::from(partition.rows.max(1)),
            false => PAGE_BYTES.into(),
        };
        total = total.saturating_add(bytes);
        at_cut = at_cut.saturating_add(bytes.min(u64::try_from(page).unwrap_or(u64::MAX)));
    }
    let affordable = 1 + total / at_cut.saturating_mul(8).max(1);
    wanted.max(total.div_ceil(LARGE_PARTITION)).min(affordable).min(partition.rows).max(1)
}
