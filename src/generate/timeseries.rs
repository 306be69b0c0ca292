//! `timestamp, id, name, x, y` at even steps of time, a file per stretch of time, as `dask.datasets.timeseries` has them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef};
use chrono::{Datelike, Months, NaiveDateTime};

use super::random::{Column, Poisson};
use super::{Dataset, GenerateControl, GenerateSummary, Part, make_folder, write_parts};
use crate::error::{Error, Result};
use crate::io::write::{Existing, OutputFormat, WriteOptions};
use crate::types::temporal::{MICROS_PER_DAY, datetime_from_micros, micros_from_datetime};
use crate::types::{TEXT, TIMESTAMP};

/// The names that Dask draws from.
const NAMES: [&str; 26] = [
    "Alice", "Bob", "Charlie", "Dan", "Edith", "Frank", "George", "Hannah", "Ingrid", "Jerry", "Kevin", "Laura",
    "Michael", "Norbert", "Oliver", "Patricia", "Quinn", "Ray", "Sarah", "Tim", "Ursula", "Victor", "Wendy", "Xavier",
    "Yvonne", "Zelda",
];
/// The mean of `id`, which is Poisson distributed.
const MEAN_ID: f64 = 1000.0;
/// More decimals than a double between -1 and 1 has.
const MOST_DECIMALS: u32 = 18;
/// Files at most: more are a mistake in `partition_freq`.
const MAX_FILES: usize = 100_000;

/// What to generate.
#[derive(Clone, Debug)]
pub struct TimeseriesOptions {
    /// The first timestamp, in microseconds since the epoch.
    pub start: i64,
    /// Timestamps are before this one, in microseconds since the epoch.
    pub end: i64,
    /// From one row to the next; of days and parts of them.
    pub freq: IntervalMonthDayNano,
    /// The time of one file: months of the calendar, counted from `start`, or days and parts of them.
    pub partition_freq: IntervalMonthDayNano,
    /// Digits behind the point of `x` and `y`; `None` keeps all that tell doubles apart.
    pub decimals: Option<u32>,
    /// The same seed gives the same values.
    pub seed: u64,
    /// The folder for the files; made where it is missing.
    pub output: PathBuf,
    /// CSV or Parquet.
    pub format: OutputFormat,
    /// What to do about files that exist.
    pub existing: Existing,
}

/// Writes the files `timeseries-2000-01.csv` and so on; the names sort in the order of time.
///
/// # Errors
/// A usage error for options that do not fit or files that exist; what writing may meet; `Cancelled`.
pub fn timeseries(options: &TimeseriesOptions, control: &GenerateControl<'_>) -> Result<GenerateSummary> {
    let step = fixed_micros(options.freq).filter(|step| *step > 0).ok_or_else(|| {
        Error::usage("the freq of rows must be a whole number of microseconds")
            .with_hint("write for instance 1s or 5min")
    })?;
    if options.end <= options.start {
        return Err(Error::usage("the end is not after the start"));
    }
    let bounds = partition_bounds(options)?;
    make_folder(&options.output)?;
    let names = file_names(&bounds, options.format)?;
    let row_at = |moment: i64| {
        let distance = i128::from(moment) - i128::from(options.start);
        u64::try_from((distance + i128::from(step) - 1) / i128::from(step)).unwrap_or(0)
    };
    let parts: Vec<Part> = names
        .into_iter()
        .zip(bounds.windows(2))
        .map(|(name, bounds)| (options.output.join(name), row_at(bounds[0])..row_at(bounds[1])))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let dataset = Timeseries::new(options, step);
    let write = WriteOptions::new(options.format, options.existing);
    write_parts(&dataset, &parts, &write, control)
}

/// Microseconds of an interval without months.
fn fixed_micros(interval: IntervalMonthDayNano) -> Option<i64> {
    if interval.months != 0 || interval.nanoseconds % 1000 != 0 {
        return None;
    }
    i64::from(interval.days).checked_mul(MICROS_PER_DAY)?.checked_add(interval.nanoseconds / 1000)
}

/// Where files begin, and the end of the last.
fn partition_bounds(options: &TimeseriesOptions) -> Result<Vec<i64>> {
    let wrong = || {
        Error::usage("the time of a file must be whole months, or days and parts of them")
            .with_hint("write for instance 1M, 7d or 12h")
    };
    let freq = options.partition_freq;
    let fixed = fixed_micros(freq).filter(|micros| *micros > 0);
    let months =
        u32::try_from(freq.months).ok().filter(|months| *months > 0 && freq.days == 0 && freq.nanoseconds == 0);
    if fixed.is_none() && months.is_none() {
        return Err(wrong());
    }
    let first = moment(options.start)?;
    let mut bounds = vec![options.start];
    for count in 1.. {
        // Counted from the start, so that the 31st comes back after a month of 30 days.
        let next = match (fixed, months) {
            (Some(micros), _) => {
                i64::from(count).checked_mul(micros).and_then(|micros| options.start.checked_add(micros))
            }
            (None, Some(months)) => {
                let months = months.checked_mul(count).map(Months::new);
                months.and_then(|months| first.checked_add_months(months)).map(micros_from_datetime)
            }
            (None, None) => None,
        };
        match next.filter(|next| *next < options.end) {
            Some(next) => bounds.push(next),
            None => break,
        }
        if bounds.len() > MAX_FILES {
            return Err(Error::usage(format!("these would be more than {MAX_FILES} files"))
                .with_hint("give each file more time: --partition-freq 1M"));
        }
    }
    bounds.push(options.end);
    Ok(bounds)
}

fn moment(micros: i64) -> Result<NaiveDateTime> {
    datetime_from_micros(micros)
        .filter(|moment| (0..=9999).contains(&moment.year()))
        .ok_or_else(|| Error::usage("the time series must lie in the years 0 to 9999"))
}

/// Names with no more of the time than tells all files apart, the same for all, so that they sort.
fn file_names(bounds: &[i64], format: OutputFormat) -> Result<Vec<String>> {
    let Some((_, starts)) = bounds.split_last() else { return Ok(Vec::new()) };
    let moments = starts.iter().map(|&start| moment(start)).collect::<Result<Vec<_>>>()?;
    let whole_days = starts.iter().all(|start| start.rem_euclid(MICROS_PER_DAY) == 0);
    let pattern = if whole_days && moments.iter().all(|moment| moment.day() == 1) {
        "%Y-%m"
    } else if whole_days {
        "%Y-%m-%d"
    } else if starts.iter().all(|start| start.rem_euclid(1_000_000) == 0) {
        "%Y-%m-%dT%H%M%S"
    } else {
        "%Y-%m-%dT%H%M%S.%6f"
    };
    let extension = format.extension();
    Ok(moments.iter().map(|moment| format!("timeseries-{}.{extension}", moment.format(pattern))).collect())
}

struct Timeseries {
    schema: SchemaRef,
    start: i64,
    step: i64,
    id: Column,
    ids: Poisson,
    name: Column,
    x: Column,
    y: Column,
    /// Ten to the power of the decimals that `x` and `y` are rounded to.
    scale: Option<f64>,
}

impl Timeseries {
    fn new(options: &TimeseriesOptions, step: i64) -> Self {
        let fields = [
            ("timestamp", TIMESTAMP),
            ("id", DataType::Int64),
            ("name", TEXT),
            ("x", DataType::Float64),
            ("y", DataType::Float64),
        ];
        let fields: Vec<Field> =
            fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
        let column = |index| Column::new(options.seed, index);
        Self {
            schema: Arc::new(Schema::new(fields)),
            start: options.start,
            step,
            id: column(0),
            ids: Poisson::new(MEAN_ID),
            name: column(1),
            x: column(2),
            y: column(3),
            scale: options.decimals.map(|decimals| 10f64.powi(decimals.min(MOST_DECIMALS) as i32)),
        }
    }
}

impl Dataset for Timeseries {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn batch(&self, rows: Range<u64>) -> Result<RecordBatch> {
        let moment = |row: u64| self.start.wrapping_add((row as i64).wrapping_mul(self.step));
        let scale = self.scale;
        let even = |column: Column| {
            move |row: u64| {
                let value = column.unit(row) * 2.0 - 1.0;
                scale.map_or(value, |scale| (value * scale).round() / scale)
            }
        };
        let name = |row: u64| NAMES[self.name.below(row, NAMES.len() as u64) as usize];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone().map(moment))),
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| self.ids.value(self.id.bits(row))))),
            Arc::new(StringViewArray::from_iter_values(rows.clone().map(name))),
            Arc::new(Float64Array::from_iter_values(rows.clone().map(even(self.x)))),
            Arc::new(Float64Array::from_iter_values(rows.map(even(self.y)))),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
