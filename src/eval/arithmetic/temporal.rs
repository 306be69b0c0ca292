//! Arithmetic on dates, times, timestamps and intervals, as PostgreSQL does it.

use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};

use super::numbers::division_by_zero;
use super::undefined;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BinaryOp;
use crate::functions::scalar::Value;
use crate::functions::scalar::calendar::{add_interval, local_zone, negate_interval};
use crate::functions::scalar::kernel::{map_primitive, map_primitive_as, primitive};
use crate::types::temporal::MICROS_PER_DAY;

const NANOS_PER_DAY: f64 = 86_400e9;

fn out_of_range(what: &str) -> Error {
    Error::data(format!("{what} out of range"))
}

pub(super) fn temporal(
    op: BinaryOp,
    sides: &[Value; 2],
    rows: usize,
    result: &DataType,
    config: &Config,
) -> Result<Value> {
    use DataType::{Date32, Float64, Int32, Interval, Time64, Timestamp};
    let types = (sides[0].data_type(), op, sides[1].data_type());
    match types {
        // Addition commutes.
        (Int32 | Time64(_), BinaryOp::Add, Date32)
        | (Interval(_), BinaryOp::Add, Timestamp(_, _) | Time64(_))
        | (Float64, BinaryOp::Multiply, Interval(_)) => {
            let [left, right] = sides;
            temporal(op, &[right.clone(), left.clone()], rows, result, config)
        }
        (Date32, BinaryOp::Add | BinaryOp::Subtract, Int32) => {
            let (left, right) = (primitive::<Date32Type>(sides, 0)?, primitive::<Int32Type>(sides, 1)?);
            map_primitive::<Date32Type>(sides, rows, |row| {
                let Some((days, count)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let moved = if op == BinaryOp::Add { days.checked_add(count) } else { days.checked_sub(count) };
                moved.map(Some).ok_or_else(|| out_of_range("date"))
            })
        }
        (Date32, BinaryOp::Subtract, Date32) => {
            let (left, right) = (primitive::<Date32Type>(sides, 0)?, primitive::<Date32Type>(sides, 1)?);
            map_primitive::<Int32Type>(sides, rows, |row| {
                let Some((left, right)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                left.checked_sub(right).map(Some).ok_or_else(|| out_of_range("difference of dates"))
            })
        }
        (Date32, BinaryOp::Add, Time64(_)) => {
            let (left, right) = (primitive::<Date32Type>(sides, 0)?, primitive::<Time64MicrosecondType>(sides, 1)?);
            map_primitive::<TimestampMicrosecondType>(sides, rows, |row| {
                let Some((days, clock)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let micros = i64::from(days).checked_mul(MICROS_PER_DAY).and_then(|micros| micros.checked_add(clock));
                micros.map(Some).ok_or_else(|| out_of_range("timestamp"))
            })
        }
        (Timestamp(_, _), BinaryOp::Add | BinaryOp::Subtract, Interval(_)) => {
            let zone = local_zone(sides[0].data_type(), config)?;
            let left = primitive::<TimestampMicrosecondType>(sides, 0)?;
            let right = primitive::<IntervalMonthDayNanoType>(sides, 1)?;
            map_primitive_as::<TimestampMicrosecondType>(sides, rows, result, |row| {
                let Some((micros, interval)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let interval = if op == BinaryOp::Add { Some(interval) } else { negate_interval(interval) };
                let moved = interval.and_then(|interval| add_interval(micros, interval, zone.as_ref()));
                moved.map(Some).ok_or_else(|| out_of_range("timestamp"))
            })
        }
        (Timestamp(_, _), BinaryOp::Subtract, Timestamp(_, _)) => {
            let left = primitive::<TimestampMicrosecondType>(sides, 0)?;
            let right = primitive::<TimestampMicrosecondType>(sides, 1)?;
            map_primitive::<IntervalMonthDayNanoType>(sides, rows, |row| {
                let Some((left, right)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let days_and_rest = left.checked_sub(right).and_then(|micros| {
                    let days = i32::try_from(micros / MICROS_PER_DAY).ok()?;
                    Some(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1000))
                });
                days_and_rest.map(Some).ok_or_else(|| out_of_range("interval"))
            })
        }
        (Time64(_), BinaryOp::Add | BinaryOp::Subtract, Interval(_)) => {
            let left = primitive::<Time64MicrosecondType>(sides, 0)?;
            let right = primitive::<IntervalMonthDayNanoType>(sides, 1)?;
            map_primitive::<Time64MicrosecondType>(sides, rows, |row| {
                Ok(left.get(row).zip(right.get(row)).map(|(clock, interval)| {
                    let moved = interval.nanoseconds / 1000 % MICROS_PER_DAY;
                    (if op == BinaryOp::Add { clock + moved } else { clock - moved }).rem_euclid(MICROS_PER_DAY)
                }))
            })
        }
        (Time64(_), BinaryOp::Subtract, Time64(_)) => {
            let left = primitive::<Time64MicrosecondType>(sides, 0)?;
            let right = primitive::<Time64MicrosecondType>(sides, 1)?;
            map_primitive::<IntervalMonthDayNanoType>(sides, rows, |row| {
                let difference = left.get(row).zip(right.get(row)).map(|(left, right)| (left - right) * 1000);
                Ok(difference.map(|nanos| IntervalMonthDayNano::new(0, 0, nanos)))
            })
        }
        (Interval(_), BinaryOp::Add | BinaryOp::Subtract, Interval(_)) => {
            let left = primitive::<IntervalMonthDayNanoType>(sides, 0)?;
            let right = primitive::<IntervalMonthDayNanoType>(sides, 1)?;
            map_primitive::<IntervalMonthDayNanoType>(sides, rows, |row| {
                let Some((left, right)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let right = if op == BinaryOp::Add { Some(right) } else { negate_interval(right) };
                right.and_then(|right| add(left, right)).map(Some).ok_or_else(|| out_of_range("interval"))
            })
        }
        (Interval(_), BinaryOp::Multiply | BinaryOp::Divide, Float64) => {
            let left = primitive::<IntervalMonthDayNanoType>(sides, 0)?;
            let right = primitive::<Float64Type>(sides, 1)?;
            map_primitive::<IntervalMonthDayNanoType>(sides, rows, |row| {
                let Some((interval, number)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let scaled = match op {
                    BinaryOp::Divide if number == 0.0 => return Err(division_by_zero()),
                    BinaryOp::Divide => scale(interval, |part| part / number),
                    _ => scale(interval, |part| part * number),
                };
                scaled.map(Some).ok_or_else(|| out_of_range("interval"))
            })
        }
        (left, op, right) => Err(undefined(op, left, right)),
    }
}

fn add(left: IntervalMonthDayNano, right: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        left.months.checked_add(right.months)?,
        left.days.checked_add(right.days)?,
        left.nanoseconds.checked_add(right.nanoseconds)?,
    ))
}

/// Each part by itself; fractions of months become days (of which a month has 30) and those of days become time,
/// rounded to microseconds, as in PostgreSQL.
fn scale(interval: IntervalMonthDayNano, f: impl Fn(f64) -> f64) -> Option<IntervalMonthDayNano> {
    let months = f(interval.months.into());
    // Six digits of the fraction are kept, so that a third of a month is ten days.
    let days_of_months = (months.fract() * 30.0 * 1e6).round() / 1e6;
    let days = f(interval.days.into());
    let nanos = f(interval.nanoseconds as f64) + (days.fract() + days_of_months.fract()) * NANOS_PER_DAY;
    let whole = |x: f64, least: f64, most: f64| (x >= least && x <= most).then_some(x.trunc());
    let days = days.trunc() + days_of_months.trunc();
    let micros = whole((nanos / 1000.0).round(), -9.2e15, 9.2e15)?;
    Some(IntervalMonthDayNano::new(
        whole(months, i32::MIN.into(), i32::MAX.into())? as i32,
        whole(days, i32::MIN.into(), i32::MAX.into())? as i32,
        micros as i64 * 1000,
    ))
}
