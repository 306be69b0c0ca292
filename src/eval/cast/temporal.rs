//! Casts among dates, times, timestamps and intervals. Timestamps with zone become and come from local time in the
//! session's zone.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use super::Cast;
use crate::config::Config;
use crate::error::Result;
use crate::functions::scalar::calendar::{local_zone, to_local, to_utc};
use crate::types::temporal::MICROS_PER_DAY;

pub(super) fn cast(cast: &Cast<'_>, config: &Config) -> Result<ArrayRef> {
    use DataType::{Date32, Interval, Time64, Timestamp};
    // Of the two sides, the one that has a zone.
    let from_zone = local_zone(cast.from.data_type(), config)?;
    let to_zone = local_zone(cast.to, config)?;
    let local = |micros| to_local(from_zone.as_ref(), micros);
    match (cast.from.data_type(), cast.to) {
        (Date32, Timestamp(_, _)) => cast
            .each::<_, TimestampMicrosecondType>(cast.from.as_primitive::<Date32Type>(), |days| {
                i64::from(days).checked_mul(MICROS_PER_DAY).map(|local| to_utc(to_zone.as_ref(), local))
            }),
        (Timestamp(_, Some(_)), Timestamp(_, Some(_))) => {
            cast.each::<_, TimestampMicrosecondType>(cast.from.as_primitive::<TimestampMicrosecondType>(), Some)
        }
        (Timestamp(_, _), Timestamp(_, _)) => cast
            .each::<_, TimestampMicrosecondType>(cast.from.as_primitive::<TimestampMicrosecondType>(), |micros| {
                Some(to_utc(to_zone.as_ref(), local(micros)))
            }),
        (Timestamp(_, _), Date32) => cast
            .each::<_, Date32Type>(cast.from.as_primitive::<TimestampMicrosecondType>(), |micros| {
                i32::try_from(local(micros).div_euclid(MICROS_PER_DAY)).ok()
            }),
        (Timestamp(_, _), Time64(_)) => cast
            .each::<_, Time64MicrosecondType>(cast.from.as_primitive::<TimestampMicrosecondType>(), |micros| {
                Some(local(micros).rem_euclid(MICROS_PER_DAY))
            }),
        (Time64(_), Interval(_)) => cast
            .each::<_, IntervalMonthDayNanoType>(cast.from.as_primitive::<Time64MicrosecondType>(), |micros| {
                Some(IntervalMonthDayNano::new(0, 0, micros.checked_mul(1000)?))
            }),
        (Interval(_), Time64(_)) => cast
            .each::<_, Time64MicrosecondType>(cast.from.as_primitive::<IntervalMonthDayNanoType>(), |interval| {
                Some((interval.nanoseconds / 1000).rem_euclid(MICROS_PER_DAY))
            }),
        _ => Err(cast.missing()),
    }
}
