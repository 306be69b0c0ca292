//! Buckets of time of equal width. Buckets of days and shorter lie on a grid through Monday, 2000-01-03, and those of
//! months on one through 2000-01-01, so that weeks begin on Mondays and years in January (as in TimescaleDB and
//! DuckDB). Timestamps with zone are cut in UTC.

use arrow::datatypes::{Date32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};

use super::calendar::{LastBucket, add_interval, civil_from_days, days_from_civil, distance, negate_interval};
use super::extract::moments;
use super::kernel::{Argument, argument, map_column, map_primitive, map_primitive_as, primitive};
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::temporal::MICROS_PER_DAY;
use crate::types::{DataType, INTERVAL};

const CATEGORY: &str = "date and time";

/// Days from 1970-01-01 to Monday, 2000-01-03.
const MONDAY: i64 = 10_959;
/// Days from 1970-01-01 to 2000-01-01.
const MILLENNIUM: i64 = 10_957;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "time_bucket",
        "time_bucket(width, timestamp [, origin or offset])",
        "The start of the bucket of that width that the timestamp is in; the origin is where some bucket starts.",
        |call| bucket(call, &[Take::Interval, Take::Moment], &[Take::MomentOrInterval]),
        |args, rows, _| time_bucket(args, rows)
    ),
    function!(
        "date_bin",
        "date_bin(width, timestamp, origin)",
        "The start of the bucket of that width, counted from the origin, that the timestamp is in.",
        |call| bucket(call, &[Take::Interval, Take::Moment, Take::Moment], &[]),
        |args, rows, _| time_bucket(args, rows)
    ),
];

/// The result has the timestamp's type, and so has the origin.
fn bucket(call: &Call<'_>, required: &[Take], optional: &[Take]) -> Result<Signature> {
    let mut arguments = call.arguments(required, optional)?;
    let result = arguments.get(1).cloned().unwrap_or(DataType::Null);
    if let Some(origin) = arguments.get_mut(2).filter(|origin| **origin != INTERVAL) {
        *origin = result.clone();
    }
    Ok(Signature { arguments, result })
}

/// Where the grid of buckets is moved to.
enum Grid<'a> {
    Usual,
    Origin(Argument<&'a arrow::array::TimestampMicrosecondArray>),
    Offset(Argument<&'a arrow::array::IntervalMonthDayNanoArray>),
}

fn time_bucket(args: &[Value], rows: usize) -> Result<Value> {
    let data_type = argument(args, 1)?.data_type().clone();
    let args: Vec<Value> = args.iter().map(moments).collect::<Result<_>>()?;
    let widths = primitive::<IntervalMonthDayNanoType>(&args, 0)?;
    let input = primitive::<TimestampMicrosecondType>(&args, 1)?;
    let grid = match args.get(2).map(Value::data_type) {
        None => Grid::Usual,
        Some(DataType::Interval(_)) => Grid::Offset(primitive::<IntervalMonthDayNanoType>(&args, 2)?),
        Some(_) => Grid::Origin(primitive::<TimestampMicrosecondType>(&args, 2)?),
    };
    let constant = widths.constant().map(Width::new).transpose()?;
    let out_of_range = || Error::data("time_bucket: the bucket starts out of the range of timestamps");
    let fixed_grid = match &grid {
        Grid::Usual => Some(None),
        Grid::Origin(origins) => origins.constant().map(Some),
        Grid::Offset(_) => None,
    };
    if let (Some(width), Some(origin)) = (constant, fixed_grid)
        && data_type != DataType::Date32
    {
        let last = LastBucket::default();
        return map_column::<TimestampMicrosecondType>(&args, 1, &data_type, |micros| {
            last.start(micros, |micros| width.bucket(micros, origin)).ok_or_else(out_of_range)
        });
    }
    let start = |row: usize| -> Result<Option<i64>> {
        let Some((width, micros)) = widths.get(row).zip(input.get(row)) else { return Ok(None) };
        let width = match constant {
            Some(width) => width,
            None => Width::new(width)?,
        };
        let start = match &grid {
            Grid::Usual => width.start(micros, None),
            Grid::Origin(origins) => match origins.get(row) {
                None => return Ok(None),
                Some(origin) => width.start(micros, Some(origin)),
            },
            Grid::Offset(offsets) => match offsets.get(row) {
                None => return Ok(None),
                Some(offset) => negate_interval(offset)
                    .and_then(|back| add_interval(micros, back, None))
                    .and_then(|moved| width.start(moved, None))
                    .and_then(|start| add_interval(start, offset, None)),
            },
        };
        start.map(Some).ok_or_else(out_of_range)
    };
    if data_type == DataType::Date32 {
        return map_primitive::<Date32Type>(&args, rows, |row| match start(row)? {
            None => Ok(None),
            Some(micros) if micros % MICROS_PER_DAY == 0 => {
                let days = i32::try_from(micros / MICROS_PER_DAY);
                days.map(Some).map_err(|_| Error::data("time_bucket: date out of range"))
            }
            Some(_) => Err(Error::data("time_bucket: the bucket of a date does not start at midnight")
                .with_hint("cast the date to TIMESTAMP, or take a width of whole days")),
        });
    }
    map_primitive_as::<TimestampMicrosecondType>(&args, rows, &data_type, start)
}

/// A width that was checked.
#[derive(Clone, Copy)]
enum Width {
    Months(i64),
    Micros(i64),
}

impl Width {
    fn new(interval: IntervalMonthDayNano) -> Result<Self> {
        let shown = || crate::types::interval::format_interval(interval);
        let IntervalMonthDayNano { months, days, nanoseconds } = interval;
        if months != 0 && (days != 0 || nanoseconds != 0) {
            return Err(Error::data(format!("time_bucket: the width '{}' mixes months with days or times", shown()))
                .with_hint("take either whole months or a fixed number of days, hours, …"));
        }
        if nanoseconds % 1000 != 0 {
            return Err(Error::data(format!("time_bucket: the width '{}' is finer than a microsecond", shown())));
        }
        let micros = i64::from(days) * MICROS_PER_DAY + nanoseconds / 1000;
        match (months, micros) {
            (1.., _) => Ok(Self::Months(months.into())),
            (0, 1..) => Ok(Self::Micros(micros)),
            _ => Err(Error::data(format!("time_bucket: the width '{}' is not positive", shown()))
                .with_hint("write for instance INTERVAL '15 minutes'")),
        }
    }

    /// The start of the bucket with its length, for [`LastBucket`].
    fn bucket(self, micros: i64, origin: Option<i64>) -> Option<(i64, u64)> {
        let start = self.start(micros, origin)?;
        let length = match self {
            Self::Micros(width) => width.unsigned_abs(),
            Self::Months(width) => {
                let (year, month, _) = civil_from_days(start.div_euclid(MICROS_PER_DAY));
                let next = year * 12 + month - 1 + width;
                let days = days_from_civil(next.div_euclid(12), next.rem_euclid(12) + 1, 1);
                distance(start, days.checked_mul(MICROS_PER_DAY))
            }
        };
        Some((start, length))
    }

    /// The start of the bucket, on the usual grid or on one through `origin`; `None` where it is out of range.
    #[inline]
    fn start(self, micros: i64, origin: Option<i64>) -> Option<i64> {
        match self {
            Self::Micros(width) => {
                let origin = origin.unwrap_or(MONDAY * MICROS_PER_DAY);
                match micros.checked_sub(origin) {
                    Some(distance) => micros.checked_sub(distance.rem_euclid(width)),
                    // Modulo the width the distance is the same from any bucket's start.
                    None => micros.checked_sub((micros.rem_euclid(width) - origin.rem_euclid(width)).rem_euclid(width)),
                }
            }
            Self::Months(width) => {
                let month_of = |days: i64| {
                    let (year, month, _) = civil_from_days(days);
                    year * 12 + month - 1
                };
                let origin = origin.map_or(MILLENNIUM, |origin| origin.div_euclid(MICROS_PER_DAY));
                let month = month_of(micros.div_euclid(MICROS_PER_DAY));
                let start = month - (month - month_of(origin)).rem_euclid(width);
                days_from_civil(start.div_euclid(12), start.rem_euclid(12) + 1, 1).checked_mul(MICROS_PER_DAY)
            }
        }
    }
}
