//! Rows with the series that they are part of, the runs of buckets missing between them, and batches of both.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Date32Type, IntervalUnit, TimestampMicrosecondType};
use arrow_row::{OwnedRow, RowConverter, SortField};

use crate::batch::{compact, normalize_equal};
use crate::error::{Error, Result};
use crate::types::SchemaRef;
use crate::types::grid::Grid;
use crate::types::temporal::MICROS_PER_DAY;

/// Buckets that a gap may have: more are a slip of the pen, and would take hours.
const MOST_BUCKETS: u64 = 1_000_000_000;

/// The moments of a column of dates or timestamps.
pub(super) fn micros(column: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    match column.data_type() {
        DataType::Timestamp(_, _) => Ok(column.as_primitive::<TimestampMicrosecondType>().clone()),
        DataType::Date32 => column.as_primitive::<Date32Type>().try_unary::<_, TimestampMicrosecondType, _>(|days| {
            i64::from(days).checked_mul(MICROS_PER_DAY).ok_or_else(|| {
                Error::data("a date of a range of buckets is out of the range of timestamps")
                    .with_hint("gaps are filled between dates that are timestamps too, up to the year 294247")
            })
        }),
        DataType::Null => Ok(TimestampMicrosecondArray::new_null(column.len())),
        other => Err(Error::internal(format!("buckets of time that are {other}"))),
    }
}

/// Tells one series from another.
pub(super) struct SeriesKeys {
    columns: Vec<usize>,
    /// None where all rows are one series.
    converter: Option<RowConverter>,
}

impl SeriesKeys {
    pub(super) fn new(schema: &SchemaRef, columns: Vec<usize>) -> Result<Self> {
        let fields: Vec<SortField> =
            columns.iter().map(|&column| SortField::new(schema.field(column).data_type().clone())).collect();
        let converter = if fields.is_empty() { None } else { Some(RowConverter::new(fields)?) };
        Ok(Self { columns, converter })
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Option<arrow_row::Rows>> {
        let Some(converter) = &self.converter else { return Ok(None) };
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&column| comparable(batch.column(column))).collect();
        Ok(Some(converter.convert_columns(&columns)?))
    }

    /// Whether a series ends within the batch, or before it: `before` are rows that end where it starts.
    pub(super) fn ends_in(&self, before: &RecordBatch, batch: &RecordBatch, bucket: usize) -> Result<bool> {
        if batch.column(bucket).logical_null_count() > 0 {
            return Ok(true);
        }
        let last = before.num_rows().saturating_sub(1);
        let (Some(before), Some(keys)) = (self.encode(&before.slice(last, 1))?, self.encode(batch)?) else {
            return Ok(false);
        };
        let mut last = before.iter().next();
        Ok(keys.iter().any(|key| last.replace(key).is_some_and(|last| last != key)))
    }
}

/// Values of one series with equal bits.
fn comparable(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) | DataType::Float32 | DataType::Float64 => {
            normalize_equal(column)
        }
        _ => column.clone(),
    }
}

/// The range that every series is filled in, and what with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) grid: Grid,
    /// A bucket; without it a series starts with its first row.
    pub(super) start: Option<i64>,
    /// The moment at which buckets are not filled any more; without it a series ends with its last row.
    pub(super) finish: Option<i64>,
}

impl Bounds {
    /// The buckets that are missing behind `after` and before `before`.
    fn missing(&self, after: Option<i64>, before: Option<i64>) -> Result<Option<(i64, u64)>> {
        let next = match after {
            None => self.start,
            Some(after) => {
                let next = self.grid.next(after);
                next.map(|next| self.start.map_or(next, |start| start.max(next)))
            }
        };
        let end = match (before, self.finish) {
            (Some(before), Some(finish)) => Some(before.min(finish)),
            (before, finish) => before.or(finish),
        };
        let (Some(first), Some(end)) = (next, end) else { return Ok(None) };
        if first >= end {
            return Ok(None);
        }
        let count = self.grid.count(first, end, MOST_BUCKETS).ok_or_else(|| {
            Error::data(format!("a gap of more than {MOST_BUCKETS} buckets")).with_hint(
                "take wider buckets, leave out rows whose time is far from all others, or give another range to fill",
            )
        })?;
        Ok(Some((first, count)))
    }
}

/// How many buckets one is behind another, those outside of the range counted too; of more than a gap may have, more.
fn distance(grid: &Grid, from: i64, to: i64) -> i64 {
    let count = grid.count(from, to, MOST_BUCKETS).unwrap_or(MOST_BUCKETS + 1);
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Buckets that are missing in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The row that they stand before.
    pub(super) before: usize,
    first: i64,
    count: u64,
    /// The position of the first one in its series.
    position: i64,
    pub(super) side: RunSide,
}

/// Where in its series a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunSide {
    /// Before its first row.
    Opens,
    /// Between two rows.
    Between,
    /// Behind its last row.
    Closes,
    /// Where it has no row.
    Alone,
}

/// What is known of the row before those at hand.
pub(super) struct LastRow {
    key: Option<OwnedRow>,
    before: Before,
    /// The row.
    row: RecordBatch,
}

/// The bucket of a row that others follow.
#[derive(Clone, Copy)]
struct Before {
    time: Option<i64>,
    position: i64,
}

/// Rows with what is missing between them.
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    times: TimestampMicrosecondArray,
    /// Where each row stands in its series, buckets that are missing counted, also where the range leaves them out.
    positions: Vec<i64>,
    /// Whether a row is the first of its series.
    starts: Vec<bool>,
    runs: Vec<Run>,
    /// The rows, and the runs before them, about which all is known.
    ready: usize,
    ended: bool,
    keys: Option<arrow_row::Rows>,
    /// The row before the first one.
    pub(super) last: Option<RecordBatch>,
    grid: Grid,
}

impl Rows {
    /// Rows that follow `last`. Values of the columns in `waiting` have to be known before the rows before them are.
    pub(super) fn new(
        batch: RecordBatch,
        bucket: usize,
        waiting: &[usize],
        series: &SeriesKeys,
        last: Option<&LastRow>,
        ended: bool,
        bounds: &Bounds,
    ) -> Result<Self> {
        let count = batch.num_rows();
        let times = micros(batch.column(bucket))?;
        let keys = series.encode(&batch)?;
        let mut rows = Self {
            positions: Vec::with_capacity(count),
            starts: Vec::with_capacity(count),
            runs: Vec::new(),
            ready: count,
            ended,
            last: last.map(|last| last.row.clone()),
            grid: bounds.grid,
            batch,
            times,
            keys,
        };
        let mut before = last.map(|last| last.before);
        for row in 0..count {
            before = Some(rows.place(row, before, last, bounds)?);
        }
        if ended {
            rows.close(count, before, bounds)?;
            if count == 0 && last.is_none() && series.converter.is_none() {
                // Without keys there is one series also where there is no row.
                rows.add_run(0, RunSide::Alone, None, bounds.missing(None, None)?);
            }
        } else {
            rows.ready = rows.known_until(waiting);
        }
        Ok(rows)
    }

    /// Finds out what is missing before a row, and the row's place; `before` is that of the row before it.
    fn place(&mut self, row: usize, before: Option<Before>, last: Option<&LastRow>, bounds: &Bounds) -> Result<Before> {
        let time = self.times.is_valid(row).then(|| self.times.value(row));
        // A bucket without a time is a series of its own.
        let is_new = before.is_none() || self.has_another_key(row, last);
        let starts = is_new || time.is_none() || before.is_none_or(|before| before.time.is_none());
        self.starts.push(starts);
        if starts {
            self.close(row, before, bounds)?;
        }
        let position = match (time, before) {
            (Some(time), Some(Before { time: Some(after), position })) if !starts => {
                self.add_run(row, RunSide::Between, Some((after, position)), bounds.missing(Some(after), Some(time))?);
                position.saturating_add(distance(&bounds.grid, after, time))
            }
            (Some(time), _) => {
                let missing = bounds.missing(None, Some(time))?;
                self.add_run(row, RunSide::Opens, None, missing);
                missing.map_or(0, |(first, _)| distance(&bounds.grid, first, time))
            }
            (None, _) => {
                // Nulls are last: there is no row with a time under these keys.
                if is_new {
                    self.add_run(row, RunSide::Alone, None, bounds.missing(None, None)?);
                }
                0
            }
        };
        self.positions.push(position);
        Ok(Before { time, position })
    }

    /// What is missing behind the last row of a series, which stands before `row`.
    fn close(&mut self, row: usize, before: Option<Before>, bounds: &Bounds) -> Result<()> {
        if let (Some(Before { time: Some(time), position }), Some(_)) = (before, bounds.finish) {
            self.add_run(row, RunSide::Closes, Some((time, position)), bounds.missing(Some(time), None)?);
        }
        Ok(())
    }

    /// Adds what is missing behind a bucket and its position, or at the start of a series.
    fn add_run(&mut self, before: usize, side: RunSide, after: Option<(i64, i64)>, missing: Option<(i64, u64)>) {
        let Some((first, count)) = missing else { return };
        let position = after.map_or(0, |(after, position)| position.saturating_add(distance(&self.grid, after, first)));
        self.runs.push(Run { before, first, count, position, side });
    }

    fn has_another_key(&self, row: usize, last: Option<&LastRow>) -> bool {
        let Some(keys) = &self.keys else { return false };
        match (row.checked_sub(1), last.and_then(|last| last.key.as_ref())) {
            (Some(before), _) => keys.row(before) != keys.row(row),
            (None, Some(last)) => last.row() != keys.row(row),
            (None, None) => true,
        }
    }

    fn known_until(&self, waiting: &[usize]) -> usize {
        let series = self.starts.iter().rposition(|starts| *starts).unwrap_or(0);
        let last_known = |column: &usize| {
            let column = self.batch.column(*column);
            let known = (series..column.len()).rev().find(|&row| column.is_valid(row));
            known.map_or(series, |row| row + 1)
        };
        waiting.iter().map(last_known).min().unwrap_or(self.batch.num_rows())
    }

    /// The row and its values, as they are carried to the next rows, and the rows about which not all is known.
    pub(super) fn split(self) -> Result<(Option<LastRow>, RecordBatch)> {
        let rest = self.batch.slice(self.ready, self.batch.num_rows() - self.ready);
        let Some(last) = self.ready.checked_sub(1) else { return Ok((None, rest)) };
        let last = LastRow {
            key: self.keys.as_ref().map(|keys| keys.row(last).owned()),
            before: Before {
                time: self.times.is_valid(last).then(|| self.times.value(last)),
                position: self.positions[last],
            },
            row: compact(&self.batch.slice(last, 1))?,
        };
        Ok((Some(last), rest))
    }

    /// Where a row stands.
    pub(super) fn place_of(&self, row: usize) -> Place {
        // A row without a time is alone in its series: nothing is counted from there.
        let time = if self.times.is_valid(row) { self.times.value(row) } else { 0 };
        Place { time, position: self.positions[row] }
    }

    /// The first row of the same series from `row` on in which the column is not null; or else where the series ends.
    pub(super) fn next_known(&self, column: &ArrayRef, row: usize) -> Result<usize, usize> {
        for other in row..self.batch.num_rows() {
            if other > row && self.starts[other] {
                return Err(other);
            }
            if column.is_valid(other) {
                return Ok(other);
            }
        }
        Err(self.batch.num_rows())
    }
}

/// A bucket's start, and its number in the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) time: i64,
    pub(super) position: i64,
}

/// A part of a batch of output, all of one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) kind: SpanKind,
    /// Where in the output it is.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether it is the first of its series.
    pub(super) opens: bool,
}

impl Span {
    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }

    /// The row behind a place in the span.
    pub(super) fn row(&self, offset: usize) -> Option<usize> {
        match self.kind {
            SpanKind::Rows(first) => Some(first + offset),
            SpanKind::Run(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum SpanKind {
    /// Rows from this one on.
    Rows(usize),
    /// Buckets of a run.
    Run(Run),
}

/// What a batch of output is made of.
pub(super) struct Batch {
    pub(super) spans: Vec<Span>,
    /// Where each row of the output stands.
    pub(super) places: Vec<Place>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn generated(&self) -> usize {
        let runs = self.spans.iter().filter(|span| matches!(span.kind, SpanKind::Run(_)));
        runs.map(Span::len).sum()
    }

    /// The first of the rows that it is, where it has no bucket that was missing.
    pub(super) fn only_rows(&self) -> Option<usize> {
        let first = self.spans.first()?;
        let only_rows = self.spans.iter().all(|span| matches!(span.kind, SpanKind::Rows(_)));
        match first.kind {
            SpanKind::Rows(row) if only_rows => Some(row),
            _ => None,
        }
    }

    /// The buckets' starts.
    pub(super) fn times(&self, rows: &Rows, data_type: &DataType) -> Result<ArrayRef> {
        let mut valid = Vec::with_capacity(self.len());
        for span in &self.spans {
            match span.kind {
                SpanKind::Rows(row) => {
                    valid.extend((row..row + span.len()).map(|row| rows.times.is_valid(row)));
                }
                SpanKind::Run(_) => valid.extend((span.from..span.to).map(|_| true)),
            }
        }
        let times = self.places.iter().zip(valid).map(|(place, valid)| valid.then_some(place.time));
        if *data_type == DataType::Date32 {
            let days = times.map(|time| match time {
                None => Ok(None),
                Some(time) if time % MICROS_PER_DAY == 0 => {
                    let out_of_range = |_| Error::data("a bucket of dates that is out of range");
                    i32::try_from(time / MICROS_PER_DAY).map(Some).map_err(out_of_range)
                }
                Some(_) => Err(Error::data("a missing bucket of dates does not start at midnight")
                    .with_hint("cast the dates to TIMESTAMP, or take a width of whole days")),
            });
            return Ok(Arc::new(days.collect::<Result<arrow::array::Date32Array>>()?));
        }
        Ok(Arc::new(times.collect::<TimestampMicrosecondArray>().with_data_type(data_type.clone())))
    }
}

/// How far rows have been put out.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    row: usize,
    /// The next run, how many of its buckets are out, and the bucket that follows.
    run: usize,
    done: u64,
    next: Option<i64>,
}

impl Cursor {
    /// What the next batch of so many rows at most is made of; `None` where there is no more.
    pub(super) fn next_batch(&mut self, rows: &Rows, size: usize) -> Result<Option<Batch>> {
        let mut batch = Batch { spans: Vec::new(), places: Vec::with_capacity(size.min(rows.batch.num_rows())) };
        while batch.len() < size {
            let run = rows.runs.get(self.run).filter(|run| run.before < rows.ready || rows.ended);
            match run {
                Some(run) if run.before == self.row => self.take_run(rows, *run, size, &mut batch)?,
                _ if self.row < rows.ready => {
                    let until = run.map_or(rows.ready, |run| run.before).min(self.row + size - batch.len());
                    self.take_rows(rows, until, &mut batch);
                }
                _ => break,
            }
        }
        Ok((batch.len() > 0).then_some(batch))
    }

    /// The rows up to `until`, or to the end of their series.
    fn take_rows(&mut self, rows: &Rows, until: usize, batch: &mut Batch) {
        let first = self.row;
        let another = (first + 1..until).find(|&row| rows.starts[row]);
        self.row = another.unwrap_or(until);
        let from = batch.len();
        batch.places.extend((first..self.row).map(|row| rows.place_of(row)));
        let is_led = self.run.checked_sub(1).and_then(|run| rows.runs.get(run));
        let is_led = is_led.is_some_and(|run| run.before == first && run.side == RunSide::Opens);
        let opens = rows.starts[first] && !is_led;
        batch.spans.push(Span { kind: SpanKind::Rows(first), from, to: batch.len(), opens });
    }

    fn take_run(&mut self, rows: &Rows, run: Run, size: usize, batch: &mut Batch) -> Result<()> {
        let from = batch.len();
        let opens = matches!(run.side, RunSide::Opens | RunSide::Alone) && self.done == 0;
        let mut next = self.next.take().unwrap_or(run.first);
        while self.done < run.count && batch.len() < size {
            let done = i64::try_from(self.done).unwrap_or(i64::MAX);
            batch.places.push(Place { time: next, position: run.position.saturating_add(done) });
            self.done += 1;
            if self.done < run.count {
                let ended = || Error::internal("a gap with fewer buckets than were counted");
                next = rows.grid.next(next).ok_or_else(ended)?;
            }
        }
        batch.spans.push(Span { kind: SpanKind::Run(run), from, to: batch.len(), opens });
        if self.done == run.count {
            *self = Self { row: self.row, run: self.run + 1, ..Self::default() };
        } else {
            self.next = Some(next);
        }
        Ok(())
    }
}
