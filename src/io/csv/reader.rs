//! Reads the records that start in one chunk of a file as batches.
//!
//! ```text
//! block ─► records (tokenizer) ─► the condition's columns ─► which rows pass ─► the other columns of those ─► batch
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::filter;

use super::blocks::Blocks;
use super::columns::{ColumnReader, Failure, Failures, Run, raw_field};
use super::dialect::Dialect;
use super::locate::Place;
use super::machine::State;
use super::options::OnError;
use super::pool::BlockPool;
use super::scan::{Condition, ScanPlan};
use super::structure::count_records;
use super::table::CsvFile;
use super::tokenizer::{Stop, Stretch, Tokenizer};
use super::tokens::Tokens;
use super::widen::Misfit;
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::rejects::{Chunk, Reason, Reject};
use crate::types::{DataType, Scalar, TEXT};

/// What does not fit is recorded in parts of so many.
const REJECTS: usize = 4096;

/// Where a column of a batch comes from.
#[derive(Clone, Debug)]
enum Output {
    /// Fields, by the index of their reader.
    Read(usize),
    /// The file does not have the column.
    Null(DataType),
    /// The same in every row of the file.
    Constant(Scalar),
}

/// Reads the records that start in one chunk.
#[derive(Debug)]
pub struct PartitionReader {
    plan: Arc<ScanPlan>,
    file: Arc<CsvFile>,
    chunk: Chunk,
    context: QueryContext,
    blocks: Blocks,
    dialect: Dialect,
    tokenizer: Tokenizer,
    tokens: Tokens,
    /// The rows that passed the condition; kept for its memory.
    passed: Vec<u32>,
    /// One for each slot of the tokens: first those that are read of all rows.
    readers: Vec<ColumnReader>,
    /// How many are read of all rows, and not only of those that pass the condition.
    eager: usize,
    /// For each reader, its column in the table.
    columns: Vec<usize>,
    outputs: Vec<Output>,
    /// The columns of the condition.
    inputs: Vec<Output>,
    /// Records that were counted and are not given yet.
    counted: usize,
    is_finished: bool,
}

/// A batch, and what became of the rows that were read for it.
#[derive(Debug)]
pub struct ReadBatch {
    /// The rows that are kept and pass the condition.
    pub batch: RecordBatch,
    /// Rows read.
    pub rows: usize,
    /// How many of them were rejected.
    pub rejected: usize,
    /// Values that became null.
    pub nulled: u64,
    /// What ends the query behind these rows.
    pub error: Option<Error>,
}

/// What ends the query, and at which row of a batch: those before it are given first, for the caller may want no more.
type End = (usize, Error);

impl PartitionReader {
    /// Opens the file and goes to the first record that starts in the chunk.
    ///
    /// # Errors
    /// A data error, where the file cannot be read or changed since the query was planned.
    pub fn open(
        plan: &Arc<ScanPlan>,
        file: usize,
        chunk: usize,
        pool: &Arc<BlockPool>,
        context: &QueryContext,
    ) -> Result<Self> {
        let (csv, chunks) = &plan.files[file];
        let layout = &plan.layout;
        let (start, stop) = chunks.range(chunk);
        let mut blocks = Blocks::new(csv.input.clone(), csv.input.open()?, pool.clone(), start, stop)?;
        let claim = chunks.claim(chunk);
        blocks.refill()?;
        if blocks.stop_position() <= blocks.buffer().len() {
            claim.publish(&plan.machine, &blocks.buffer()[..blocks.stop_position()]);
        } else {
            drop(claim);
        }
        let state = chunks.start_state(chunk, &plan.machine, &csv.input, &context.cancel)?;
        skip_record(&mut blocks, state, stop, plan, context)?;

        let mut columns = Vec::new();
        let mut output = |column: usize| match csv.fields[column] {
            None => match layout.constant(column, csv) {
                Some(value) => Output::Constant(value),
                None => Output::Null(layout.schema.field(column).data_type().clone()),
            },
            Some(_) => Output::Read(columns.iter().position(|known| *known == column).unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            })),
        };
        // To judge a row alike in every query, it is read whole where it may be rejected.
        let is_judged = layout.options.on_error == OnError::Reject;
        if is_judged {
            (0..csv.fields.len()).for_each(|column| drop(output(column)));
        }
        let inputs: Vec<_> =
            plan.condition.iter().flat_map(|condition| &condition.columns).map(|column| output(*column)).collect();
        let before = inputs.iter().filter(|input| matches!(input, Output::Read(_))).count();
        let outputs = plan.projection.iter().map(|column| output(*column)).collect();
        let eager = if is_judged || plan.condition.is_none() { columns.len() } else { before };
        let readers = columns.iter().enumerate().map(|(slot, column)| {
            let reader = ColumnReader::new(slot, layout.schema.field(*column).data_type(), layout.inferred[*column]);
            reader.map(|reader| reader.with_rules(layout.rules[*column].clone()))
        });
        let readers = readers.collect::<Result<Vec<_>>>()?;
        let wanted: Vec<usize> = columns.iter().filter_map(|column| csv.fields[*column]).collect();
        // Who asks for no column only counts records, for which their fields need not be found.
        let expected = (!wanted.is_empty()).then_some(csv.width);
        let dialect = Dialect { empty_lines: csv.width == 1, ..layout.dialect };
        Ok(Self {
            plan: plan.clone(),
            file: csv.clone(),
            chunk: Chunk { scan: plan.number, file, piece: chunk },
            context: context.clone(),
            blocks,
            dialect,
            tokenizer: Tokenizer::new(dialect, &wanted, expected, layout.options.max_line_size),
            tokens: Tokens::new(wanted.len()),
            passed: Vec::new(),
            readers,
            eager,
            columns,
            outputs,
            inputs,
            counted: 0,
            is_finished: false,
        })
    }

    /// How many columns are read.
    pub fn width(&self) -> usize {
        self.columns.len().max(self.outputs.len())
    }

    /// Whether there is no more.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// How many of the chunk's bytes are done: of a stream, how many of the file's were read.
    pub fn bytes_done(&self) -> u64 {
        self.blocks.bytes_done()
    }

    /// Bytes read from the file.
    pub fn bytes_read(&self) -> u64 {
        self.blocks.bytes_read()
    }

    /// Reads up to `wanted` records of one block.
    ///
    /// # Errors
    /// A data error for what does not fit, where that ends the query.
    pub fn read_batch(&mut self, wanted: usize) -> Result<ReadBatch> {
        loop {
            if self.counted == 0 && self.outputs.is_empty() && self.columns.is_empty() {
                self.counted = self.count_block();
            }
            if self.counted > 0 {
                let rows = self.counted.min(wanted);
                self.counted -= rows;
                let kept = match &self.plan.condition {
                    None => rows,
                    // It asks only for what is the same in all rows of the file.
                    Some(condition) => {
                        let inputs = self.arrays(&self.inputs, &[], rows)?;
                        condition.predicate.mask(&record_batch(&condition.schema, inputs, rows)?)?.true_count()
                    }
                };
                let batch = record_batch(&self.plan.schema, Vec::new(), kept)?;
                return Ok(ReadBatch { batch, rows, rejected: 0, nulled: 0, error: None });
            }
            self.tokens.clear();
            let stretch = Stretch {
                block: self.blocks.buffer(),
                stop: self.blocks.stop_position(),
                at_end_of_file: self.blocks.at_end_of_file(),
            };
            let from = self.blocks.position();
            let (next, stop) = self.tokenizer.tokenize(&stretch, from, wanted, &mut self.tokens);
            let rows = self.tokens.rows();
            if rows > 0 {
                // If it stopped because the block ends, or at a record that is not well formed, that is met again.
                let read = self.read_rows(next)?;
                self.blocks.set_position(next);
                self.is_finished = stop == Stop::Done && rows < wanted;
                return Ok(read);
            }
            self.blocks.set_position(next);
            let record = || &self.blocks.buffer()[next..];
            let place = Place { input: &self.file.input, offset: self.blocks.offset() };
            match stop {
                Stop::Done => {
                    self.is_finished = true;
                    let batch = RecordBatch::new_empty(self.plan.schema.clone());
                    return Ok(ReadBatch { batch, rows: 0, rejected: 0, nulled: 0, error: None });
                }
                Stop::NeedsMore => {
                    self.context.cancel.check()?;
                    self.blocks.refill()?;
                    self.tokenizer.new_block();
                }
                Stop::Unterminated => return Err(place.unterminated(record())),
                Stop::TooLong => return Err(place.too_long(self.plan.layout.options.max_line_size, record())),
            }
        }
    }

    /// Counts the records that end in the block and in the range, where that takes no look at each. One that goes on
    /// behind the range is left to be looked at, and all are, if they have to be.
    fn count_block(&mut self) -> usize {
        let (from, block) = (self.blocks.position(), self.blocks.buffer());
        let is_whole = self.blocks.stop_position() < block.len() || self.blocks.at_end_of_file();
        let to = self.blocks.stop_position().min(block.len());
        if !is_whole || from >= to || block.len() > self.plan.layout.options.max_line_size {
            return 0;
        }
        let Some(counted) = count_records(&self.dialect, block, from, to) else { return 0 };
        self.blocks.set_position(counted.next);
        counted.records
    }

    /// The values of the records that were cut from the block up to `to`.
    fn read_rows(&mut self, to: usize) -> Result<ReadBatch> {
        let plan = self.plan.clone();
        let rows = self.tokens.rows();
        let mut failures = self.ragged_rows();
        let mut columns = self.read_columns(0..self.eager, &mut failures)?;
        let mut end = self.judge(&mut failures, to);
        let (rejected, mut nulled) = (failures.rejected(), failures.nulled);
        let found = std::mem::take(&mut failures.found);
        // Told before the rows that do not pass are gone.
        let is_partial = self.eager < self.readers.len();
        let early: Vec<Reject> = if is_partial {
            self.rejects(found, to).collect()
        } else {
            self.log(self.rejects(found, to), &failures.rejected, &mut end)?;
            Vec::new()
        };

        let mut kept = failures.keep(&mut columns, end.as_ref().map_or(rows, |(row, _)| *row))?;
        if let Some(condition) = &plan.condition {
            kept = self.select(condition, &mut columns, kept, &mut end)?;
        }
        if is_partial {
            let mut failures = Failures::new(plan.layout.options.on_error);
            if kept > 0 {
                columns.extend(self.read_columns(self.eager..self.readers.len(), &mut failures)?);
                nulled += failures.nulled;
                if let Some((row, error)) = self.judge(&mut failures, to) {
                    columns.iter_mut().for_each(|column| *column = column.slice(0, row.min(column.len())));
                    (kept, end) = (row, Some((row, error)));
                }
            }
            let late = self.rejects(failures.found, to);
            self.log(in_order(early, late), &[], &mut end)?;
        }
        let batch = match kept {
            0 => RecordBatch::new_empty(plan.schema.clone()),
            _ => record_batch(&plan.schema, self.arrays(&self.outputs, &columns, kept)?, kept)?,
        };
        Ok(ReadBatch { batch, rows, rejected, nulled, error: end.map(|(_, error)| error) })
    }

    /// The rows of the wrong length as failures, where that is not allowed.
    fn ragged_rows(&self) -> Failures {
        let options = &self.plan.layout.options;
        let mut failures = Failures::new(options.on_error);
        if !self.readers.is_empty() {
            for (row, fields) in &self.tokens.ragged {
                let is_allowed = if *fields > self.file.width { options.ignore_extra } else { options.null_padding };
                if !is_allowed {
                    failures.ragged(*row, *fields, self.file.width);
                }
            }
        }
        failures
    }

    fn read_columns(&self, readers: std::ops::Range<usize>, failures: &mut Failures) -> Result<Vec<ArrayRef>> {
        let run = self.run();
        self.readers[readers].iter().map(|reader| reader.read(&run, failures)).collect()
    }

    fn run(&self) -> Run<'_> {
        let layout = &self.plan.layout;
        Run {
            block: self.blocks.buffer(),
            tokens: &self.tokens,
            dialect: &self.dialect,
            nulls: &layout.nulls,
            zone: &layout.zone,
        }
    }

    /// Checks the condition; leaves the rows that pass in the columns and the tokens, and returns how many there are. Where
    /// it cannot be worked out for a row, the query ends there.
    fn select(
        &mut self,
        condition: &Condition,
        columns: &mut [ArrayRef],
        rows: usize,
        end: &mut Option<End>,
    ) -> Result<usize> {
        let inputs = record_batch(&condition.schema, self.arrays(&self.inputs, columns, rows)?, rows)?;
        let mask = match condition.predicate.mask(&inputs) {
            Ok(mask) => mask,
            Err(error) => {
                let (row, error) = first_misfit(condition, &inputs, error);
                columns.iter_mut().for_each(|column| *column = column.slice(0, row));
                *end = Some((row, error));
                condition.predicate.mask(&inputs.slice(0, row))?
            }
        };
        let kept = mask.true_count();
        if kept == self.tokens.rows() {
            return Ok(kept);
        }
        if kept < mask.len() {
            for (reader, column) in columns.iter_mut().enumerate() {
                if self.outputs.iter().any(|output| matches!(output, Output::Read(read) if *read == reader)) {
                    *column = filter(column, &mask)?;
                }
            }
        }
        if self.eager < self.readers.len() {
            self.passed.clear();
            self.passed.extend(mask.values().set_indices().map(|row| row as u32));
            self.tokens.keep(&self.passed, self.eager);
        }
        Ok(kept)
    }

    fn arrays(&self, outputs: &[Output], columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
        let array = |output: &Output| {
            Ok(match output {
                Output::Read(index) => columns[*index].clone(),
                Output::Null(data_type) => new_null_array(data_type, rows),
                Output::Constant(value) => value.to_array(rows),
            })
        };
        outputs.iter().map(array).collect()
    }

    /// What ends the query, with its row; only then nothing is left in `failures` to be recorded. Tells who widens types
    /// of all that did not fit.
    fn judge(&self, failures: &mut Failures, to: usize) -> Option<End> {
        let first = failures.first?;
        let layout = &self.plan.layout;
        let found = std::mem::take(&mut failures.found);
        if let Some(widening) = &layout.widening {
            let values = found.iter().filter_map(|failure| Some((failure.row, failure.slot?)));
            for (row, slot) in values.filter(|(_, slot)| layout.inferred[self.columns[*slot]]) {
                let place = Misfit { chunk: self.chunk, offset: self.offset_of(row) };
                let column = self.columns[slot];
                widening.add((column, layout.schema.field(column)), place, &self.run(), (row, slot), &self.file.input);
            }
        }
        Some((first.row, self.misfit(first, to)))
    }

    /// Gives what did not fit to the statement's log. Where more rows are `rejected` than allowed, the query ends at the
    /// first that is not.
    fn log(&self, found: impl Iterator<Item = Reject>, rejected: &[bool], end: &mut Option<End>) -> Result<()> {
        let QueryContext { rejects, memory, spill, .. } = &self.context;
        let mut found = found.peekable();
        let (mut last, mut logged) = (None, 0);
        while found.peek().is_some() {
            let part: Vec<Reject> = found.by_ref().take(REJECTS).collect();
            let rows = part.iter().filter(|reject| last.replace(reject.offset) != Some(reject.offset)).count();
            let rows = if rejected.is_empty() { 0 } else { rows };
            if let Some((allowed, error)) = rejects.add(self.chunk, part, rows as u64, memory, spill)? {
                let mut indices = (0..rejected.len()).filter(|row| rejected[*row]);
                *end = indices.nth(logged + allowed as usize).map(|row| (row, error));
                return Ok(());
            }
            logged += rows;
        }
        Ok(())
    }

    /// The records of what does not fit, in the order of the data.
    fn rejects(&self, mut found: Vec<Failure>, to: usize) -> impl Iterator<Item = Reject> {
        found.sort_by_key(|failure| (failure.row, failure.slot.map(|slot| self.columns[slot])));
        let mut last = None;
        found.into_iter().map(move |failure| {
            // The first of a row tells what became of it.
            let is_first = last.replace(failure.row) != Some(failure.row);
            self.reject(failure, is_first, to)
        })
    }

    /// The record of what does not fit.
    fn reject(&self, failure: Failure, is_first: bool, to: usize) -> Reject {
        let layout = &self.plan.layout;
        let column = failure.slot.map(|slot| self.columns[slot]);
        let reason = match column {
            None => Reason::Fields { found: self.fields_of(failure.row), expected: self.file.width },
            Some(column) if *layout.schema.field(column).data_type() == TEXT => Reason::Text,
            Some(_) => Reason::Value,
        };
        let has_record = column.is_none() || is_first && layout.options.on_error == OnError::Reject;
        Reject {
            offset: self.offset_of(failure.row),
            column,
            reason,
            raw: failure.slot.map(|slot| Reject::text(raw_field(&self.run(), failure.row, slot))),
            record: has_record.then(|| Reject::text(self.record(failure.row, to))),
        }
    }

    /// Where in the file a record starts.
    fn offset_of(&self, row: usize) -> u64 {
        self.blocks.offset_of(self.tokens.starts[row] as usize)
    }

    /// The text of a record, of which the last one ends at `to`. For as long as the tokens are of all records.
    fn record(&self, row: usize, to: usize) -> &[u8] {
        let end = self.tokens.starts.get(row + 1).map_or(to, |next| *next as usize);
        self.blocks.buffer().get(self.tokens.starts[row] as usize..end).unwrap_or_default().trim_ascii_end()
    }

    /// How many fields a record has, that has not as many as it should. For as long as the tokens are of all records.
    fn fields_of(&self, row: usize) -> usize {
        let found = self.tokens.ragged.binary_search_by_key(&row, |(ragged, _)| *ragged);
        found.ok().and_then(|index| self.tokens.ragged.get(index)).map_or(0, |(_, fields)| *fields)
    }

    /// What does not fit, and where.
    fn misfit(&self, first: Failure, to: usize) -> Error {
        let layout = &self.plan.layout;
        let place = Place { input: &self.file.input, offset: self.offset_of(first.row) };
        let Some(slot) = first.slot else {
            return place.ragged(self.fields_of(first.row), self.file.width, self.record(first.row, to));
        };
        let column = self.columns[slot];
        let field = layout.schema.field(column);
        let run = self.run();
        let raw = raw_field(&run, first.row, slot);
        match field.data_type() {
            DataType::Utf8View => place.bad_text(field.name(), raw),
            data_type => place.bad_value(field.name(), data_type, layout.inferred[column], raw),
        }
    }
}

/// The first row for which the condition fails, given that it does for all rows together, and how.
#[cold]
fn first_misfit(condition: &Condition, inputs: &RecordBatch, error: Error) -> End {
    // It does not fail for the rows before `good`, and fails for those before `bad`.
    let (mut good, mut bad, mut error) = (0, inputs.num_rows(), error);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match condition.predicate.mask(&inputs.slice(0, middle)) {
            Ok(_) => good = middle,
            Err(earlier) => (bad, error) = (middle, earlier),
        }
    }
    (good, error)
}

/// Both in the order of the data, in which each of them is.
fn in_order(early: Vec<Reject>, late: impl Iterator<Item = Reject>) -> impl Iterator<Item = Reject> {
    let place = |reject: &Reject| (reject.offset, reject.column);
    let (mut early, mut late) = (early.into_iter().peekable(), late.peekable());
    std::iter::from_fn(move || {
        let is_early = match (early.peek(), late.peek()) {
            (Some(early), Some(late)) => place(early) <= place(late),
            (early, _) => early.is_some(),
        };
        if is_early { early.next() } else { late.next() }
    })
}

/// Goes to the first record that starts in the range: leaves out what is left of the one that the range starts in.
fn skip_record(
    blocks: &mut Blocks,
    mut state: State,
    stop: u64,
    plan: &ScanPlan,
    context: &QueryContext,
) -> Result<()> {
    while state != State::RecordStart && blocks.offset() < stop {
        if blocks.pending() == 0 {
            if blocks.at_end_of_file() {
                return Ok(());
            }
            context.cancel.check()?;
            blocks.refill()?;
        }
        let position = blocks.position();
        let end = plan.machine.record_end(&mut state, &blocks.buffer()[position..]);
        blocks.set_position(end.map_or(blocks.buffer().len(), |end| position + end));
    }
    Ok(())
}
