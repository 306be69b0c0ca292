//! Columns of a batch of output: values of rows where they are, and what fills them where there are none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Float64Type, IntervalMonthDayNano};

use super::rows::{Batch, Place, Rows, RunSide, Span, SpanKind};
use crate::batch::compact_array;
use crate::error::{Error, Result};
use crate::expr::{GapColumn, GapFill, Line, Reach};
use crate::functions::scalar::calendar::add_interval;
use crate::types::Scalar;
use crate::types::temporal::Zone;

/// Where a value is taken from: from what fills, from what was carried here from earlier rows, or from the rows.
const FILL: usize = 0;
const CARRIED: usize = 1;
const ROWS: usize = 2;

/// Fills one column, batch after batch.
pub(super) struct Filler {
    data_type: DataType,
    kind: Kind,
    /// Whether rows have to wait for the next value.
    pub(super) waits: bool,
    /// Whether one of the rows that wait has a value; always true where none has to wait.
    seen: bool,
}

enum Kind {
    Key,
    Bucket,
    /// The constant is null where nothing fills.
    Constant {
        value: Scalar,
        over_nulls: bool,
    },
    Previous(Previous),
    Next(Next),
    Line(LineState),
}

impl Filler {
    /// Of a column of that type; days are counted in local time of the zone.
    pub(super) fn new(column: &GapColumn, data_type: &DataType, zone: Option<Zone>) -> Self {
        let kind = match column {
            GapColumn::Key => Kind::Key,
            GapColumn::Bucket => Kind::Bucket,
            GapColumn::Value(GapFill::Null) => Kind::Constant { value: Scalar::null(data_type), over_nulls: false },
            GapColumn::Value(GapFill::Constant { value, over_nulls }) => {
                Kind::Constant { value: value.clone(), over_nulls: *over_nulls }
            }
            GapColumn::Value(GapFill::Previous { limit, over_nulls }) => {
                Kind::Previous(Previous { limit: *limit, zone, over_nulls: *over_nulls, known: None, carried: None })
            }
            GapColumn::Value(GapFill::Next { limit, over_nulls }) => {
                Kind::Next(Next { limit: *limit, search: Search::new(*over_nulls) })
            }
            GapColumn::Value(GapFill::Linear(line)) => {
                Kind::Line(LineState { line: line.clone(), zone, known: None, search: Search::new(line.over_nulls) })
            }
        };
        let waits = matches!(column, GapColumn::Value(fill) if fill.waits()) && *data_type != DataType::Null;
        Self { data_type: data_type.clone(), kind, waits, seen: !waits }
    }

    /// Takes notice of rows that wait; whether all there is to wait for has come.
    pub(super) fn sees(&mut self, column: &ArrayRef) -> bool {
        self.seen = self.seen || column.logical_null_count() < column.len();
        self.seen
    }

    /// The column at `index` of a batch of output.
    pub(super) fn fill(&mut self, index: usize, rows: &Rows, batch: &Batch) -> Result<ArrayRef> {
        let column = rows.batch.column(index);
        match &mut self.kind {
            Kind::Bucket => batch.times(rows, &self.data_type),
            Kind::Key => match batch.only_rows() {
                Some(first) => Ok(column.slice(first, batch.len())),
                None => {
                    let carried = rows.last.as_ref().map(|last| last.column(index).clone());
                    gather(&self.data_type, None, carried, column, keys(batch, rows))
                }
            },
            Kind::Constant { value, over_nulls } => {
                let over_nulls = *over_nulls;
                if let Some(rows) = as_it_is(column, batch, over_nulls) {
                    return Ok(rows);
                }
                let of_row = |row: usize| if over_nulls && column.is_null(row) { (FILL, 0) } else { (ROWS, row) };
                let mut places = Vec::with_capacity(batch.len());
                for span in &batch.spans {
                    match span.kind {
                        SpanKind::Rows(first) => places.extend((first..first + span.len()).map(of_row)),
                        SpanKind::Run(_) => places.extend(std::iter::repeat_n((FILL, 0), span.len())),
                    }
                }
                gather(&self.data_type, Some(value), None, column, places)
            }
            Kind::Previous(previous) => {
                if let Some(rows) = as_it_is(column, batch, previous.over_nulls) {
                    previous.pass(column, batch);
                    return Ok(rows);
                }
                let places = previous.places(column, batch);
                gather(&self.data_type, None, previous.carried.clone(), column, places)
            }
            Kind::Next(next) => {
                if let Some(rows) = as_it_is(column, batch, next.search.over_nulls) {
                    return Ok(rows);
                }
                let places = next.places(column, rows, batch);
                gather(&self.data_type, None, None, column, places)
            }
            Kind::Line(line) => line.fill(column, rows, batch),
        }
    }

    /// The rows go; what is needed of them is carried on.
    pub(super) fn retire(&mut self, index: usize, rows: &Rows) -> Result<()> {
        self.seen = !self.waits;
        match &mut self.kind {
            Kind::Key | Kind::Bucket | Kind::Constant { .. } => {}
            Kind::Previous(previous) => {
                if let Some(known) = previous.known.as_mut().filter(|known| known.at.0 == ROWS) {
                    previous.carried = Some(compact_array(&rows.batch.column(index).slice(known.at.1, 1))?);
                    known.at = (CARRIED, 0);
                }
            }
            Kind::Next(next) => next.search.found = None,
            Kind::Line(line) => line.search.found = None,
        }
        Ok(())
    }
}

/// The column of a batch in which there is nothing to fill.
fn as_it_is(column: &ArrayRef, batch: &Batch, over_nulls: bool) -> Option<ArrayRef> {
    let rows = column.slice(batch.only_rows()?, batch.len());
    (!over_nulls || rows.logical_null_count() == 0).then_some(rows)
}

/// The values at these places.
fn gather(
    data_type: &DataType,
    fill: Option<&Scalar>,
    carried: Option<ArrayRef>,
    column: &ArrayRef,
    places: Vec<(usize, usize)>,
) -> Result<ArrayRef> {
    let fill = fill.map_or_else(|| new_null_array(data_type, 1), |fill| fill.as_array().clone());
    let carried = carried.unwrap_or_else(|| fill.clone());
    Ok(interleave(&[&fill, &carried, column], &places)?)
}

/// Where each row of the output has its keys.
fn keys(batch: &Batch, rows: &Rows) -> Vec<(usize, usize)> {
    let mut places = Vec::with_capacity(batch.len());
    for span in &batch.spans {
        match span.kind {
            SpanKind::Rows(first) => places.extend((first..first + span.len()).map(|row| (ROWS, row))),
            SpanKind::Run(run) => {
                let of_row_before = run.side == RunSide::Closes || run.before == rows.batch.num_rows();
                let place = match run.before.checked_sub(1) {
                    _ if !of_row_before => (ROWS, run.before),
                    Some(before) => (ROWS, before),
                    None => (CARRIED, 0),
                };
                places.extend(std::iter::repeat_n(place, span.len()));
            }
        }
    }
    places
}

/// The last moment that is not farther than this from another; `None` where there is no end to it.
fn deadline(from: i64, interval: IntervalMonthDayNano, zone: Option<Zone>) -> Option<i64> {
    add_interval(from, interval, zone.as_ref())
}

/// The value before.
struct Previous {
    limit: Option<Reach>,
    zone: Option<Zone>,
    over_nulls: bool,
    known: Option<KnownPlace>,
    /// The value, where it came from rows that are gone.
    carried: Option<ArrayRef>,
}

#[derive(Clone, Copy)]
struct KnownPlace {
    at: (usize, usize),
    place: Place,
    /// The last moment that it fills.
    until: Option<i64>,
}

impl Previous {
    fn places(&mut self, column: &ArrayRef, batch: &Batch) -> Vec<(usize, usize)> {
        let mut places = Vec::with_capacity(batch.len());
        for span in &batch.spans {
            if span.opens {
                self.known = None;
            }
            for (offset, place) in batch.places[span.from..span.to].iter().enumerate() {
                places.push(match span.row(offset) {
                    Some(row) if column.is_valid(row) => {
                        self.set(row, *place);
                        (ROWS, row)
                    }
                    // A value that is null and counts as one.
                    Some(_) if !self.over_nulls => {
                        self.known = None;
                        (FILL, 0)
                    }
                    _ => self.filled(*place),
                });
            }
        }
        places
    }

    /// Takes notice of a batch in which there is nothing to fill.
    fn pass(&mut self, column: &ArrayRef, batch: &Batch) {
        let last = batch.spans.last().zip(batch.places.last());
        let Some((span, place)) = last else { return };
        match span.row(span.len() - 1) {
            Some(row) if column.is_valid(row) => self.set(row, *place),
            _ => self.known = None,
        }
    }

    fn set(&mut self, row: usize, place: Place) {
        let until = match self.limit {
            Some(Reach::Time(interval)) => deadline(place.time, interval, self.zone),
            _ => None,
        };
        self.known = Some(KnownPlace { at: (ROWS, row), place, until });
    }

    fn filled(&self, place: Place) -> (usize, usize) {
        let reaches = |known: &KnownPlace| match self.limit {
            Some(Reach::Buckets(limit)) => place.position.abs_diff(known.place.position) <= limit,
            _ => known.until.is_none_or(|until| place.time <= until),
        };
        self.known.filter(reaches).map_or((FILL, 0), |known| known.at)
    }
}

/// Looks for the next value, over the rows at hand.
struct Search {
    over_nulls: bool,
    /// From which row on was looked, and what was found there: the row, or that there is none up to another.
    found: Option<(usize, Result<usize, usize>)>,
}

impl Search {
    fn new(over_nulls: bool) -> Self {
        Self { over_nulls, found: None }
    }

    /// The next row of the series with a value, behind a bucket that has none.
    fn behind(&mut self, span: &Span, offset: usize, column: &ArrayRef, rows: &Rows) -> Option<usize> {
        let from = match span.kind {
            SpanKind::Rows(first) => first + offset,
            SpanKind::Run(run) if matches!(run.side, RunSide::Closes | RunSide::Alone) => return None,
            SpanKind::Run(run) if run.before >= column.len() => return None,
            SpanKind::Run(run) => run.before,
        };
        if !self.over_nulls {
            return column.is_valid(from).then_some(from);
        }
        match self.found {
            Some((looked, Ok(found))) if looked <= from && from <= found => Some(found),
            Some((looked, Err(end))) if looked <= from && from < end => None,
            _ => {
                let found = rows.next_known(column, from);
                self.found = Some((from, found));
                found.ok()
            }
        }
    }
}

/// The value behind.
struct Next {
    limit: Option<u64>,
    search: Search,
}

impl Next {
    fn places(&mut self, column: &ArrayRef, rows: &Rows, batch: &Batch) -> Vec<(usize, usize)> {
        let mut places = Vec::with_capacity(batch.len());
        for span in &batch.spans {
            for (offset, place) in batch.places[span.from..span.to].iter().enumerate() {
                let own = span.row(offset).filter(|&row| !self.search.over_nulls || column.is_valid(row));
                let row = own.or_else(|| {
                    let next = self.search.behind(span, offset, column, rows)?;
                    let distance = rows.place_of(next).position.abs_diff(place.position);
                    self.limit.is_none_or(|limit| distance <= limit).then_some(next)
                });
                places.push(row.map_or((FILL, 0), |row| (ROWS, row)));
            }
        }
        places
    }
}

/// The line between two values.
struct LineState {
    line: Line,
    zone: Option<Zone>,
    known: Option<(f64, Place)>,
    search: Search,
}

impl LineState {
    fn fill(&mut self, column: &ArrayRef, rows: &Rows, batch: &Batch) -> Result<ArrayRef> {
        let wrong = || Error::internal(format!("a line of {}", column.data_type()));
        let values = column.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
        let mut filled = Float64Builder::with_capacity(batch.len());
        for span in &batch.spans {
            if span.opens {
                self.known = None;
            }
            for (offset, place) in batch.places[span.from..span.to].iter().enumerate() {
                let row = span.row(offset);
                match row.filter(|&row| values.is_valid(row)) {
                    Some(row) => {
                        self.known = Some((values.value(row), *place));
                        filled.append_value(values.value(row));
                    }
                    // A value that is null and counts as one.
                    None if row.is_some() && !self.search.over_nulls => {
                        self.known = None;
                        filled.append_null();
                    }
                    None => {
                        let next = self.search.behind(span, offset, column, rows);
                        let next = next.map(|next| (values.value(next), rows.place_of(next)));
                        filled.append_option(
                            self.known
                                .zip(next)
                                .and_then(|(from, to)| between(&self.line, self.zone, from, to, *place)),
                        );
                    }
                }
            }
        }
        Ok(Arc::new(filled.finish()))
    }
}

/// The value at a place between two known ones; `None` where the line does not reach it.
fn between(
    line: &Line,
    zone: Option<Zone>,
    (from, start): (f64, Place),
    (to, end): (f64, Place),
    place: Place,
) -> Option<f64> {
    let reaches = line.limit.is_none_or(|limit| place.position.abs_diff(start.position) <= limit);
    let joins = match line.max_gap {
        None => true,
        Some(Reach::Buckets(most)) => end.position.abs_diff(start.position) <= most.saturating_add(1),
        Some(Reach::Time(interval)) => deadline(start.time, interval, zone).is_none_or(|until| end.time <= until),
    };
    if !reaches || !joins {
        return None;
    }
    let (length, covered) = if line.over_time {
        (end.time.abs_diff(start.time), place.time.abs_diff(start.time))
    } else {
        (end.position.abs_diff(start.position), place.position.abs_diff(start.position))
    };
    Some((to - from) / length as f64 * covered as f64 + from)
}
