//! The rows of one partition: a row group, or a part of one.
//!
//! ```text
//!  rows that pages leave ── eager: all columns ── conditions ──────────────────────────────┐
//!            │                                                                             ├── batches
//!            └── late: columns of the first conditions ── … of the next, of rows that pass ── the other columns ──┘
//! ```
//!
//! Late reading goes by windows: the first columns of all rows of a window are read and checked, then each further column of
//! the rows that are left, where whole pages may be skipped. It pays where few rows pass; which, and in what order conditions are checked
//! best, is measured by all threads as they read. (Abadi et al., "Materialization Strategies in a Column-Oriented DBMS", ICDE 2007.)

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::RowSelection;

use super::batches::{BatchReader, OutputColumn};
use super::condition::{Condition, Group, Selectivity};
use super::file::ParquetFile;
use super::input::RowGroupInput;
use super::window::{Passed, Window, beside, joined};
use crate::batch::{Coalescer, record_batch};
use crate::context::QueryContext;
use crate::error::{Error, Result};

/// Batches of the first window, where it is not known yet what passes. Others are as large as their partition, where little
/// passes, since pages at their borders are decompressed twice.
const FIRST_WINDOW: usize = 4;
/// A window ends where it holds more than this.
const MOST_HELD: u64 = 4 << 20;

/// What a scan wants of each file.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The columns of the result, as places among `slots`.
    pub output: Vec<usize>,
    /// The columns to read, by index into the table's: those of the result, then those that only conditions need.
    pub slots: Vec<usize>,
    /// The columns of `slots`.
    pub fields: Vec<Arc<Field>>,
    pub schema: SchemaRef,
    pub condition: Option<Condition>,
}

/// Rows to read of a row group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partition {
    pub file: usize,
    pub row_group: usize,
    /// The first row, counted in the row group.
    pub first: u64,
    pub rows: u64,
    /// Bytes in the file, about.
    pub bytes: u64,
}

/// The batches of a partition.
pub(super) struct PartitionStream {
    wanted: Arc<Wanted>,
    file: Arc<ParquetFile>,
    /// Where the slots come from.
    columns: Vec<OutputColumn>,
    input: RowGroupInput,
    context: QueryContext,
    partition: Partition,
    /// The rows not yet read, in order.
    left: VecDeque<Range<u64>>,
    mode: Mode,
    /// Rows that passed and wait for more.
    rest: Coalescer,
    /// Batches without columns, which only count.
    counted: usize,
    rows_done: u64,
    bytes_done: u64,
    ended: bool,
}

enum Mode {
    /// What to do is to be decided.
    Undecided,
    Eager(Box<BatchReader>),
    Late(Box<Late>),
}

/// The state of late reading.
struct Late {
    stages: Vec<Stage>,
    /// Reads the slots of the first stage.
    first: BatchReader,
    /// Rows of the next window.
    window: usize,
    /// What of the last window is still to be put out.
    last: Option<Window>,
}

/// Conditions that are checked together, and the slots that are read for them.
struct Stage {
    groups: Vec<usize>,
    slots: Vec<usize>,
}

impl PartitionStream {
    /// Reads the rows of a partition that are in `left`.
    pub fn new(
        wanted: &Arc<Wanted>,
        file: &Arc<ParquetFile>,
        columns: &[OutputColumn],
        input: RowGroupInput,
        partition: Partition,
        left: Vec<Range<u64>>,
        context: &QueryContext,
    ) -> Self {
        Self {
            wanted: wanted.clone(),
            file: file.clone(),
            columns: columns.to_vec(),
            input,
            context: context.clone(),
            partition,
            left: left.into(),
            mode: Mode::Undecided,
            rest: Coalescer::new(context.config.batch_size),
            counted: 0,
            rows_done: 0,
            bytes_done: 0,
            ended: false,
        }
    }

    /// The next rows that pass; `None` at the end.
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.context.cancel.check()?;
            if let Some(batch) = self.rest.pop() {
                return Ok(Some(batch));
            }
            if self.counted > 0 {
                let rows = self.counted.min(self.context.config.batch_size);
                self.counted -= rows;
                return record_batch(&self.wanted.schema, Vec::new(), rows).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            let mode = std::mem::replace(&mut self.mode, Mode::Undecided);
            match mode {
                Mode::Undecided if self.left.is_empty() => self.end()?,
                Mode::Undecided => self.mode = self.decide(None)?,
                Mode::Eager(mut reader) => match reader.next()? {
                    Some(batch) => {
                        self.mode = Mode::Eager(reader);
                        self.count_rows(batch.num_rows());
                        let found = batch.project(&self.wanted.output)?;
                        let Some(condition) = &self.wanted.condition else { return Ok(Some(found)) };
                        let groups: Vec<usize> = (0..condition.groups.len()).collect();
                        let mask = condition.mask(&groups, &self.wanted.slots, &batch)?;
                        match mask.true_count() {
                            0 => {}
                            kept if kept == found.num_rows() => self.put_out(found)?,
                            _ => self.put_out(filter_record_batch(&found, &mask)?)?,
                        }
                    }
                    None => self.left.clear(),
                },
                Mode::Late(mut late) => {
                    if let Some(window) = &mut late.last {
                        let next = self.advance(window)?;
                        let goes_on = next.is_some();
                        next.map_or(Ok(()), |batch| self.put_out(batch))?;
                        if goes_on {
                            self.mode = Mode::Late(late);
                        } else {
                            late.last = None;
                            self.mode = self.decide(Some(late))?;
                        }
                    } else if self.left.is_empty() {
                        self.end()?;
                    } else {
                        self.check_window(&mut late)?;
                        self.mode = self.decide(Some(late))?;
                    }
                }
            }
        }
    }

    fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.rest.finish()
    }

    /// Gives out rows, a few together with those to come.
    fn put_out(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_columns() == 0 {
            self.counted += batch.num_rows();
            return Ok(());
        }
        // The schema of what was read says more of nulls than that of the result.
        let batch = record_batch(&self.wanted.schema, batch.columns().to_vec(), batch.num_rows())?;
        self.rest.push(batch)
    }

    /// How to read the rows that are left, by what is known now. Late reading that goes on keeps its order of conditions.
    fn decide(&mut self, late: Option<Box<Late>>) -> Result<Mode> {
        if let Some(late) = late {
            let goes_on = late.last.is_some() || self.stages().is_some();
            return Ok(if goes_on { Mode::Late(late) } else { Mode::Undecided });
        }
        Ok(match self.stages() {
            Some(stages) => {
                let first = self.reader(&stages[0].slots, Some(self.select(self.left.iter().cloned())))?;
                let condition = self.wanted.condition.as_ref();
                let seen =
                    condition.map_or(0, |condition| condition.groups.iter().map(Group::rows_seen).max().unwrap_or(0));
                let first_window = self.context.config.batch_size.saturating_mul(FIRST_WINDOW);
                let window = if seen >= first_window as u64 { usize::MAX } else { first_window };
                Mode::Late(Box::new(Late { stages, first, window, last: None }))
            }
            None => {
                let all = self.left.len() == 1
                    && self
                        .left
                        .front()
                        .is_some_and(|rows| *rows == (0..self.file.row_group_rows(self.partition.row_group)));
                let selection = if all { None } else { Some(self.select(self.left.iter().cloned())) };
                Mode::Eager(Box::new(self.reader(&self.wanted.slots, selection)?))
            }
        })
    }

    /// The stages of late reading, cheap and selective conditions first; `None` where it would not pay or not be right.
    fn stages(&self) -> Option<Vec<Stage>> {
        let condition = self.wanted.condition.as_ref()?;
        if condition.can_fail || !self.columns.iter().all(|column| self.is_exact(column)) {
            return None;
        }
        let cost = |group: usize| {
            let bytes = condition.groups[group].columns.iter().filter_map(|column| {
                let slot = self.wanted.slots.iter().position(|slot| slot == column)?;
                Some(self.file.decompressed_bytes(self.partition.row_group, self.columns[slot].file_column()?))
            });
            bytes.fold(0, u64::saturating_add) as f64 + 1.0
        };
        let rank = |group: usize| -> f64 { (1.0 - condition.groups[group].selectivity().rows) / cost(group) };
        let mut order: Vec<usize> = (0..condition.groups.len()).collect();
        order.sort_by(|a, b| rank(*b).total_cmp(&rank(*a)));
        let mut stages: Vec<Stage> = Vec::new();
        let mut left = Selectivity::ALL;
        let mut read: Vec<usize> = Vec::new();
        for group in order {
            let found = &condition.groups[group];
            let mut slots: Vec<usize> = found.columns.iter().copied().filter(|slot| !read.contains(slot)).collect();
            read.extend(&slots);
            match stages.last_mut() {
                Some(last) if !left.pays() => {
                    last.groups.push(group);
                    last.slots.append(&mut slots);
                }
                _ => stages.push(Stage { groups: vec![group], slots }),
            }
            left = left.and(found.selectivity());
        }
        left.pays().then_some(stages)
    }

    /// Whether a column is read without a conversion that can fail: rows that are not read would hide the failure.
    fn is_exact(&self, column: &OutputColumn) -> bool {
        match column {
            OutputColumn::Constant(_) => true,
            OutputColumn::Read { column, to } => {
                let found = &self.file.columns[*column];
                found.read_type == found.data_type && found.data_type == *to && !self.file.is_int96(found)
            }
        }
    }

    fn select(&self, rows: impl Iterator<Item = Range<u64>>) -> RowSelection {
        let total = usize::try_from(self.file.row_group_rows(self.partition.row_group)).unwrap_or(usize::MAX);
        let ranges = rows.map(|rows| rows.start as usize..rows.end as usize);
        RowSelection::from_consecutive_ranges(ranges, total)
    }

    /// Reads slots, given by the table's columns.
    fn reader(&self, slots: &[usize], selection: Option<RowSelection>) -> Result<BatchReader> {
        let places = self.places(slots);
        let columns: Vec<OutputColumn> = places.iter().map(|place| self.columns[*place].clone()).collect();
        let fields: Vec<Arc<Field>> = places.iter().map(|place| self.wanted.fields[*place].clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        BatchReader::new(&self.file, &self.input, schema, &columns, selection, self.context.config.batch_size)
    }

    fn places(&self, slots: &[usize]) -> Vec<usize> {
        slots.iter().filter_map(|slot| self.wanted.slots.iter().position(|known| known == slot)).collect()
    }

    /// Takes rows from the front of those that are left.
    fn take_left(&mut self, mut rows: u64) -> Vec<Range<u64>> {
        let mut taken = Vec::new();
        while rows > 0 {
            let Some(front) = self.left.front_mut() else { break };
            let end = front.end.min(front.start + rows);
            taken.push(front.start..end);
            rows -= end - front.start;
            front.start = end;
            if front.is_empty() {
                self.left.pop_front();
            }
        }
        taken
    }

    /// Reads the conditions' columns of the next window, stage by stage.
    fn check_window(&mut self, late: &mut Late) -> Result<()> {
        let wanted = self.wanted.clone();
        let Some(condition) = &wanted.condition else {
            return Err(Error::internal("late reading without a condition"));
        };
        let Some((first, further)) = late.stages.split_first() else {
            return Err(Error::internal("late reading without stages"));
        };
        let is_later = |slot: &usize, behind: usize| {
            wanted.output.iter().any(|place| wanted.slots[*place] == *slot)
                || late.stages[behind + 1..]
                    .iter()
                    .any(|stage| stage.groups.iter().any(|group| condition.groups[*group].columns.contains(slot)))
        };
        let mut passed = Passed::new(&first.slots, |slot| is_later(slot, 0), &late.first.schema());
        let most_rows = late.window.min(self.most_rows(further));
        let (mut rows, mut reserved) = (0, 0);
        while rows < most_rows && passed.held() < MOST_HELD {
            self.context.cancel.check()?;
            let Some(batch) = late.first.next()? else { break };
            rows += batch.num_rows();
            passed.add(&batch, &condition.mask(&first.groups, &first.slots, &batch)?)?;
            self.hold(&mut reserved, passed.bytes())?;
        }
        if rows == 0 {
            return Err(self.file.damaged(&"a row group ends early"));
        }
        late.window = usize::MAX;
        let taken = self.take_left(rows as u64);
        self.count_rows(rows);
        let mut window = passed.finish(self.select(taken.into_iter()))?;
        self.hold(&mut reserved, window.bytes)?;
        for (behind, stage) in further.iter().enumerate() {
            if window.held.num_rows() == 0 {
                break;
            }
            let mut reader = self.reader(&stage.slots, Some(window.selection.clone()))?;
            let slots: Vec<usize> = window.slots.iter().chain(&stage.slots).copied().collect();
            let schema = joined(&window.held.schema(), &reader.schema());
            let mut passed = Passed::new(&slots, |slot| is_later(slot, behind + 1), &schema);
            let mut done = 0;
            while let Some(batch) = reader.next()? {
                self.context.cancel.check()?;
                let rows = batch.num_rows();
                if rows > window.held.num_rows() - done {
                    return Err(self.file.damaged(&"a column has more rows than another"));
                }
                let batch = beside(&schema, &window.held.slice(done, rows), &batch)?;
                done += rows;
                passed.add(&batch, &condition.mask(&stage.groups, &slots, &batch)?)?;
                self.hold(&mut reserved, window.bytes + passed.bytes())?;
            }
            window = passed.finish(window.selection)?;
            self.hold(&mut reserved, window.bytes)?;
        }
        window.reserved = reserved;
        if window.held.num_rows() == 0 {
            self.input.in_flight.shrink(reserved);
            return Ok(());
        }
        let outputs = self.wanted.output.iter().map(|place| self.wanted.slots[*place]);
        let mut missing: Vec<usize> = outputs.filter(|slot| !window.slots.contains(slot)).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            window.missing = Some(self.reader(&missing, Some(window.selection.clone()))?);
            window.missing_slots = missing;
        }
        late.last = Some(window);
        Ok(())
    }

    /// Rows of a window of which the columns of further stages do not take too much, if all of them are held.
    fn most_rows(&self, further: &[Stage]) -> usize {
        let slots: Vec<usize> = further.iter().flat_map(|stage| stage.slots.iter().copied()).collect();
        let columns = self.places(&slots).into_iter().filter_map(|place| self.columns.get(place)?.file_column());
        let bytes = columns.map(|column| self.file.held_bytes(self.partition.row_group, column));
        let bytes = bytes.fold(0, u64::saturating_add);
        if bytes == 0 {
            return usize::MAX;
        }
        let rows =
            u128::from(MOST_HELD) * u128::from(self.file.row_group_rows(self.partition.row_group)) / u128::from(bytes);
        usize::try_from(rows).unwrap_or(usize::MAX).max(self.context.config.batch_size)
    }

    /// Reserves what is held of a window.
    fn hold(&self, reserved: &mut u64, bytes: u64) -> Result<()> {
        if bytes > *reserved {
            self.input.in_flight.grow(bytes - *reserved)?;
        } else {
            self.input.in_flight.shrink(*reserved - bytes);
        }
        *reserved = bytes;
        Ok(())
    }

    /// The next rows of a window, as columns of the result.
    fn advance(&self, window: &mut Window) -> Result<Option<RecordBatch>> {
        let read = match &mut window.missing {
            Some(reader) => reader.next()?,
            None => None,
        };
        let left = window.held.num_rows() - window.done;
        let rows = match (&read, &window.missing) {
            (Some(batch), _) => batch.num_rows().min(left),
            (None, Some(_)) => 0,
            (None, None) => left.min(self.context.config.batch_size),
        };
        if rows == 0 {
            self.input.in_flight.shrink(std::mem::take(&mut window.reserved));
            return Ok(None);
        }
        let held = window.held.slice(window.done, rows);
        window.done += rows;
        let column = |place: &usize| {
            let slot = self.wanted.slots.get(*place)?;
            let found = |slots: &[usize]| slots.iter().position(|known| known == slot);
            match found(&window.slots) {
                Some(position) => held.columns().get(position).cloned(),
                None => read.as_ref()?.columns().get(found(&window.missing_slots)?).cloned(),
            }
        };
        let columns = self.wanted.output.iter().map(column).collect::<Option<Vec<_>>>();
        let columns = columns.ok_or_else(|| Error::internal("late reading left out a column"))?;
        record_batch(&self.wanted.schema, columns, rows).map(Some)
    }

    /// Counts rows as read, and bytes in proportion: pages are read ahead of the rows that come out of them.
    fn count_rows(&mut self, rows: usize) {
        self.context.progress.rows_read.fetch_add(rows as u64, Relaxed);
        let position = self.left.front().map_or(0, |rows| rows.start.saturating_sub(self.partition.first));
        self.rows_done = (self.rows_done + rows as u64).max(position).min(self.partition.rows);
        self.count_bytes(self.rows_done);
    }

    fn count_bytes(&mut self, rows: u64) {
        let share = u128::from(self.partition.bytes) * u128::from(rows) / u128::from(self.partition.rows.max(1));
        let bytes_done = u64::try_from(share).unwrap_or(self.partition.bytes).max(self.bytes_done);
        self.context.progress.bytes_done.fetch_add(bytes_done - self.bytes_done, Relaxed);
        self.bytes_done = bytes_done;
    }
}

impl Iterator for PartitionStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read().transpose();
        match next {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                // Nothing comes behind an error.
                (self.ended, self.counted) = (true, 0);
                self.rest = Coalescer::new(self.context.config.batch_size);
            }
            None => self.count_bytes(self.partition.rows),
        }
        next
    }
}
