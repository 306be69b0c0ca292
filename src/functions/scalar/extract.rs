//! Parts of dates, times, timestamps and intervals: `date_part(part, x)` as DOUBLE, as in PostgreSQL, and a function
//! for each part. Those give BIGINT, as in DuckDB, except where a fraction can be: `second` and `epoch` are DOUBLE.
//! Of a timestamp with zone the parts are those of local time in the session's zone.

use arrow::array::AsArray;
use arrow::datatypes::{
    Date32Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::calendar::{Part, local_zone, to_local};
use super::kernel::{Argument, argument, map_primitive, map_slices, primitive, text};
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::types::calendar::{civil_from_days, days_from_civil, days_in_month};
use crate::types::temporal::{MICROS_PER_DAY, MONTHS, WEEKDAYS, Zone};
use crate::types::{DataType, TEXT, sql_name};

const CATEGORY: &str = "date and time";

/// A function that gives one part as BIGINT.
macro_rules! whole_part {
    ($name:literal $(| $alias:literal)*, $usage:literal, $meaning:literal, $part:ident) => {
        function!($name $(| $alias)*, $usage, $meaning, whole, |args, rows, config| {
            let input = Source::new(args, 0, config)?;
            map_primitive::<Int64Type>(args, rows, |row| match input.get(row) {
                None => Ok(None),
                Some(Piece::Moment(micros)) => Ok(Some(Part::$part.whole(micros))),
                Some(piece) => Ok(Some(piece.part(Part::$part)? as i64)),
            })
        })
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "date_part" | "datepart" | "extract",
        "date_part(part, x)",
        "The part 'year', 'month', 'dow', 'hour', 'epoch', … of a date, time, timestamp or interval, with its fraction.",
        |call| call.returns(&[Take::Text, Take::Temporal], &[], DataType::Float64),
        |args, rows, config| {
            let (names, input) = (text(args, 0)?, Source::new(args, 1, config)?);
            let constant = names.constant().map(Part::parse).transpose()?;
            map_primitive::<Float64Type>(args, rows, |row| {
                let Some((name, piece)) = names.get(row).zip(input.get(row)) else { return Ok(None) };
                piece.part(constant.map_or_else(|| Part::parse(name), Ok)?).map(Some)
            })
        }
    ),
    whole_part!("millennium", "millennium(x)", "The millennium; the third began in 2001.", Millennium),
    whole_part!("century", "century(x)", "The century; the 21st began in 2001.", Century),
    whole_part!("decade", "decade(x)", "The year divided by ten.", Decade),
    whole_part!("year", "year(x)", "The year.", Year),
    whole_part!("isoyear", "isoyear(x)", "The year of the ISO 8601 week.", IsoYear),
    whole_part!("quarter", "quarter(x)", "The quarter, 1 to 4.", Quarter),
    whole_part!("month", "month(x)", "The month, 1 to 12; of an interval the months beyond its years.", Month),
    whole_part!("week" | "weekofyear", "week(x)", "The week by ISO 8601, 1 to 53.", Week),
    whole_part!("day" | "dayofmonth", "day(x)", "The day of the month; of an interval its days.", Day),
    whole_part!("dayofweek" | "dow" | "weekday", "dayofweek(x)", "The day of the week, Sunday 0 to Saturday 6.", Dow),
    whole_part!("isodow", "isodow(x)", "The day of the week, Monday 1 to Sunday 7.", IsoDow),
    whole_part!("dayofyear" | "doy", "dayofyear(x)", "The day of the year, 1 to 366.", Doy),
    whole_part!("hour", "hour(x)", "The hour.", Hour),
    whole_part!("minute", "minute(x)", "The minute.", Minute),
    whole_part!("millisecond", "millisecond(x)", "The milliseconds within the minute.", Millisecond),
    whole_part!("microsecond", "microsecond(x)", "The microseconds within the minute.", Microsecond),
    function!(
        "second",
        "second(x)",
        "The seconds within the minute, with their fraction.",
        fraction,
        |args, rows, config| { fractional(args, rows, config, Part::Second) }
    ),
    function!(
        "epoch",
        "epoch(x)",
        "Seconds since 1970-01-01 00:00 UTC, or in an interval or time, with their fraction.",
        fraction,
        |args, rows, config| fractional(args, rows, config, Part::Epoch)
    ),
    function!(
        "epoch_ms",
        "epoch_ms(timestamp)",
        "Milliseconds since 1970-01-01 00:00 UTC.",
        |call| call.returns(&[Take::Timestamp], &[], DataType::Int64),
        |args, rows, _| {
            let input = primitive::<TimestampMicrosecondType>(args, 0)?;
            map_primitive::<Int64Type>(args, rows, |row| Ok(input.get(row).map(|micros| micros.div_euclid(1000))))
        }
    ),
    function!(
        "epoch_us",
        "epoch_us(timestamp)",
        "Microseconds since 1970-01-01 00:00 UTC.",
        |call| call.returns(&[Take::Timestamp], &[], DataType::Int64),
        |args, rows, _| {
            let input = primitive::<TimestampMicrosecondType>(args, 0)?;
            map_primitive::<Int64Type>(args, rows, |row| Ok(input.get(row)))
        }
    ),
    function!("dayname", "dayname(x)", "The English name of the day of the week.", name, |args, rows, config| {
        named(args, rows, config, Part::IsoDow, &WEEKDAYS)
    }),
    function!("monthname", "monthname(x)", "The English name of the month.", name, |args, rows, config| {
        named(args, rows, config, Part::Month, &MONTHS)
    }),
    function!(
        "last_day",
        "last_day(x)",
        "The last day of the month.",
        |call| call.returns(&[Take::Moment], &[], DataType::Date32),
        |args, rows, config| {
            let input = Source::new(args, 0, config)?;
            map_primitive::<Date32Type>(args, rows, |row| {
                let Some(Piece::Moment(micros)) = input.get(row) else { return Ok(None) };
                let (year, month, _) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
                let last = days_from_civil(year, month, days_in_month(year, month));
                i32::try_from(last).map(Some).map_err(|_| Error::data("last_day: date out of range"))
            })
        }
    ),
];

fn whole(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Temporal], &[], DataType::Int64)
}

fn fraction(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Temporal], &[], DataType::Float64)
}

fn name(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Moment], &[], TEXT)
}

fn fractional(args: &[Value], rows: usize, config: &Config, part: Part) -> Result<Value> {
    // The epoch is that of the moment, not of local time.
    let utc = Config { time_zone: "UTC".into(), ..config.clone() };
    let input = Source::new(args, 0, if part == Part::Epoch { &utc } else { config })?;
    map_primitive::<Float64Type>(args, rows, |row| input.get(row).map(|piece| piece.part(part)).transpose())
}

fn named(args: &[Value], rows: usize, config: &Config, part: Part, names: &'static [&'static str]) -> Result<Value> {
    let input = Source::new(args, 0, config)?;
    map_slices(args, rows, |row| {
        let Some(Piece::Moment(micros)) = input.get(row) else { return Ok(None) };
        let index = usize::try_from(part.whole(micros) - 1).ok();
        Ok(index.and_then(|index| names.get(index)).copied())
    })
}

/// An argument that is a date, time, timestamp or interval.
pub(super) enum Source<'a> {
    Date(Argument<&'a arrow::array::Date32Array>),
    Time(Argument<&'a arrow::array::Time64MicrosecondArray>),
    Timestamp(Argument<&'a arrow::array::TimestampMicrosecondArray>, Option<Zone>),
    Interval(Argument<&'a arrow::array::IntervalMonthDayNanoArray>),
}

/// One value of a [`Source`].
#[derive(Clone, Copy)]
pub(super) enum Piece {
    /// Local microseconds since 1970-01-01.
    Moment(i64),
    /// Microseconds since midnight.
    Clock(i64),
    Interval(arrow::datatypes::IntervalMonthDayNano),
}

impl<'a> Source<'a> {
    pub(super) fn new(args: &'a [Value], index: usize, config: &Config) -> Result<Self> {
        let value = argument(args, index)?;
        Ok(match value.data_type() {
            DataType::Date32 => Self::Date(primitive::<Date32Type>(args, index)?),
            DataType::Time64(_) => Self::Time(primitive::<Time64MicrosecondType>(args, index)?),
            DataType::Interval(_) => Self::Interval(primitive::<IntervalMonthDayNanoType>(args, index)?),
            _ => Self::Timestamp(
                primitive::<TimestampMicrosecondType>(args, index)?,
                local_zone(value.data_type(), config)?,
            ),
        })
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<Piece> {
        match self {
            // A date too far away for microseconds stands at the end of what they can say.
            Self::Date(days) => days.get(row).map(|days| Piece::Moment(i64::from(days).saturating_mul(MICROS_PER_DAY))),
            Self::Time(times) => times.get(row).map(Piece::Clock),
            Self::Timestamp(moments, zone) => moments.get(row).map(|utc| Piece::Moment(to_local(zone.as_ref(), utc))),
            Self::Interval(intervals) => intervals.get(row).map(Piece::Interval),
        }
    }
}

impl Piece {
    /// The part, with its fraction.
    fn part(self, part: Part) -> Result<f64> {
        let missing = |data_type: &DataType| {
            Error::data(format!("a value of type {} has no such part", sql_name(data_type)))
                .with_hint("see the parts that date_part lists for timestamps")
        };
        match self {
            Self::Moment(micros) => Ok(part.fractional(micros)),
            Self::Clock(micros) => match part {
                Part::Hour | Part::Minute | Part::Second | Part::Millisecond | Part::Microsecond | Part::Epoch => {
                    Ok(part.fractional(micros))
                }
                _ => Err(missing(&crate::types::TIME)),
            },
            Self::Interval(interval) => part.of_interval(interval).ok_or_else(|| missing(&crate::types::INTERVAL)),
        }
    }
}

/// An argument that is a date or timestamp as microseconds: in UTC where it has a zone, local otherwise.
pub(super) fn moments(value: &Value) -> Result<Value> {
    match value.values().as_primitive_opt::<Date32Type>() {
        None => Ok(value.clone()),
        Some(days) => {
            let micros = days.try_unary::<_, TimestampMicrosecondType, Error>(|days| {
                i64::from(days)
                    .checked_mul(MICROS_PER_DAY)
                    .ok_or_else(|| Error::data("date out of range for a timestamp"))
            })?;
            Ok(value.like_me(std::sync::Arc::new(micros)))
        }
    }
}
