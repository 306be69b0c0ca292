//! Making dates and timestamps, truncating them, distances between them, and their text by a pattern.

use arrow::datatypes::{Date32Type, Float64Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType};

use super::calendar::{Part, add_interval, local_zone, session_zone, to_local, to_utc, zone_of};
use super::extract::moments;
use super::kernel::{argument, map_column, map_primitive, map_primitive_as, map_text, primitive, text};
use super::signature::{Take, zone_fits};
use super::{ScalarFunction, Signature, Value};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::types::calendar::{days_from_civil, days_in_month};
use crate::types::grid::{Bucket, LastBucket};
use crate::types::strftime::Pattern;
use crate::types::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone};
use crate::types::{DataType, TEXT, TIMESTAMP, is_timestamp, timestamp_tz};

const CATEGORY: &str = "date and time";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "date_trunc" | "datetrunc",
        "date_trunc(part, timestamp [, timezone])",
        "The start of the year, quarter, month, week, day, hour, … that the timestamp is in; of timestamps with zone by local time, \
         the session's or in that zone.",
        |call| {
            let signature = call.returns_argument(&[Take::Text, Take::Timestamp], &[Take::Text], 1)?;
            zone_fits(call, &signature.arguments, 2)?;
            Ok(signature)
        },
        |args, rows, config| {
            let (names, input) = (text(args, 0)?, primitive::<TimestampMicrosecondType>(args, 1)?);
            let data_type = argument(args, 1)?.data_type();
            let zones = if args.len() > 2 { Some(text(args, 2)?) } else { None };
            let session = local_zone(data_type, config)?;
            let constant = names.constant().map(Part::parse).transpose()?;
            let impossible =
                |name: &str| Error::data(format!("date_trunc: a timestamp cannot be truncated to '{name}'"));
            let constant_zone = zones.and_then(|zones| zones.constant()).map(zone_of).transpose()?;
            if let (Some(part), Some(name), true) =
                (constant, names.constant(), zones.is_none() || constant_zone.is_some())
            {
                let (last, zone) = (LastBucket::default(), constant_zone.or(session));
                return map_column::<TimestampMicrosecondType>(args, 1, data_type, |micros| {
                    last.label(micros, |micros| unit_of(part, micros, zone.as_ref())).ok_or_else(|| impossible(name))
                });
            }
            map_primitive_as::<TimestampMicrosecondType>(args, rows, data_type, |row| {
                let Some((name, utc)) = names.get(row).zip(input.get(row)) else { return Ok(None) };
                let part = constant.map_or_else(|| Part::parse(name), Ok)?;
                let zone = match (zones.map(|zones| zones.get(row)), constant_zone) {
                    (None, _) => session,
                    (Some(None), _) => return Ok(None),
                    (Some(_), Some(zone)) => Some(zone),
                    (Some(Some(name)), None) => Some(zone_of(name)?),
                };
                let unit = unit_of(part, utc, zone.as_ref());
                unit.map(|unit| Some(unit.label)).ok_or_else(|| impossible(name))
            })
        }
    ),
    function!(
        "date_diff" | "datediff",
        "date_diff(part, start, end)",
        "How many boundaries between years, months, days, hours, … lie between the two; negative where end is earlier.",
        |call| {
            let mut arguments = call.arguments(&[Take::Text, Take::Moment, Take::Moment], &[])?;
            let both = call.common(1)?;
            let both = if both == DataType::Null { TIMESTAMP } else { both };
            arguments.iter_mut().skip(1).for_each(|argument| *argument = both.clone());
            Ok(Signature { arguments, result: DataType::Int64 })
        },
        |args, rows, config| {
            let zone = local_zone(argument(args, 1)?.data_type(), config)?;
            let args = [argument(args, 0)?.clone(), moments(argument(args, 1)?)?, moments(argument(args, 2)?)?];
            let names = text(&args, 0)?;
            let starts = primitive::<TimestampMicrosecondType>(&args, 1)?;
            let ends = primitive::<TimestampMicrosecondType>(&args, 2)?;
            let constant = names.constant().map(Part::parse).transpose()?;
            map_primitive::<Int64Type>(&args, rows, |row| {
                let (Some(name), Some(start), Some(end)) = (names.get(row), starts.get(row), ends.get(row)) else {
                    return Ok(None);
                };
                let part = constant.map_or_else(|| Part::parse(name), Ok)?;
                let ordinal = |utc| part.ordinal(to_local(zone.as_ref(), utc));
                let difference = ordinal(end).zip(ordinal(start)).and_then(|(end, start)| end.checked_sub(start));
                difference
                    .map(Some)
                    .ok_or_else(|| Error::data(format!("date_diff: there is no distance in units of '{name}'")))
            })
        }
    ),
    function!(
        "date_add",
        "date_add(timestamp, interval)",
        "The timestamp so much later; months end at their last day, days of a zoned timestamp keep the local clock.",
        |call| call.returns_argument(&[Take::Timestamp, Take::Interval], &[], 0),
        |args, rows, config| {
            let (input, intervals) =
                (primitive::<TimestampMicrosecondType>(args, 0)?, primitive::<IntervalMonthDayNanoType>(args, 1)?);
            let data_type = argument(args, 0)?.data_type();
            let zone = local_zone(data_type, config)?;
            map_primitive_as::<TimestampMicrosecondType>(args, rows, data_type, |row| {
                let Some((micros, interval)) = input.get(row).zip(intervals.get(row)) else { return Ok(None) };
                add_interval(micros, interval, zone.as_ref()).map(Some).ok_or_else(|| out_of_range("date_add"))
            })
        }
    ),
    function!(
        "make_date",
        "make_date(year, month, day)",
        "The date of these parts.",
        |call| call.returns(&[Take::Integer, Take::Integer, Take::Integer], &[], DataType::Date32),
        |args, rows, _| {
            let parts = integers::<3>(args)?;
            map_primitive::<Date32Type>(args, rows, |row| {
                let [Some(year), Some(month), Some(day)] = parts.map(|part| part.get(row)) else { return Ok(None) };
                let days = date("make_date", year, month, day)?;
                i32::try_from(days).map(Some).map_err(|_| out_of_range("make_date"))
            })
        }
    ),
    function!(
        "make_timestamp",
        "make_timestamp(year, month, day, hour, minute, seconds)",
        "The timestamp of these parts.",
        |call| {
            let parts = [Take::Integer, Take::Integer, Take::Integer, Take::Integer, Take::Integer, Take::Double];
            call.returns(&parts, &[], TIMESTAMP)
        },
        |args, rows, _| {
            let (parts, seconds) = (integers::<5>(args)?, primitive::<Float64Type>(args, 5)?);
            map_primitive::<TimestampMicrosecondType>(args, rows, |row| {
                let [Some(year), Some(month), Some(day), Some(hour), Some(minute)] = parts.map(|part| part.get(row))
                else {
                    return Ok(None);
                };
                let Some(seconds) = seconds.get(row) else { return Ok(None) };
                let days = date("make_timestamp", year, month, day)?;
                if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&seconds) {
                    return Err(Error::data(format!("make_timestamp: there is no time {hour}:{minute}:{seconds}")));
                }
                let clock = (hour * 3600 + minute * 60) * MICROS_PER_SECOND + (seconds * 1e6).round() as i64;
                let micros = days.checked_mul(MICROS_PER_DAY).and_then(|micros| micros.checked_add(clock));
                micros.map(Some).ok_or_else(|| out_of_range("make_timestamp"))
            })
        }
    ),
    function!(
        "to_timestamp",
        "to_timestamp(seconds)",
        "The moment so many seconds after 1970-01-01 00:00 UTC.",
        |call| call.returns(&[Take::Double], &[], timestamp_tz("UTC")),
        |args, rows, _| {
            let input = primitive::<Float64Type>(args, 0)?;
            map_primitive_as::<TimestampMicrosecondType>(args, rows, &timestamp_tz("UTC"), |row| {
                let Some(seconds) = input.get(row) else { return Ok(None) };
                let micros = (seconds * 1e6).round();
                if micros.abs() < i64::MAX as f64 { Ok(Some(micros as i64)) } else { Err(out_of_range("to_timestamp")) }
            })
        }
    ),
    function!(
        "timezone",
        "timezone(zone, timestamp)",
        "AT TIME ZONE: a timestamp with zone as local time there; one without zone as the moment of that local time.",
        |call| {
            let arguments = call.arguments(&[Take::Text, Take::Timestamp], &[])?;
            let zoned = matches!(arguments.get(1), Some(DataType::Timestamp(_, Some(_))));
            Ok(Signature { arguments, result: if zoned { TIMESTAMP } else { timestamp_tz("UTC") } })
        },
        |args, rows, _| at_time_zone(args, rows)
    ),
    function!(
        "strftime",
        "strftime(timestamp, pattern)",
        "The timestamp as text by a pattern of C's strftime: '%Y-%m-%d %H:%M:%S'.",
        |call| {
            // DuckDB takes the two in either order.
            if call.types.first() == Some(&TEXT) && call.types.get(1).is_some_and(|second| *second != TEXT) {
                return call.returns(&[Take::Text, Take::Timestamp], &[], TEXT);
            }
            call.returns(&[Take::Timestamp, Take::Text], &[], TEXT)
        },
        |args, rows, config| {
            let moment = usize::from(!is_timestamp(argument(args, 0)?.data_type()));
            let (input, patterns) = (primitive::<TimestampMicrosecondType>(args, moment)?, text(args, 1 - moment)?);
            let zone = local_zone(argument(args, moment)?.data_type(), config)?;
            let mut compiled = LastPattern::default();
            map_text(args, rows, |row, out| {
                let Some((utc, pattern)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
                let pattern = compiled.get(pattern)?;
                pattern.write(to_local(zone.as_ref(), utc), out).map(Some).ok_or_else(|| out_of_range("strftime"))
            })
        }
    ),
    function!(
        "strptime",
        "strptime(text, pattern)",
        "The timestamp that the text is by a pattern of C's strptime: '%d.%m.%Y'; with %z the moment in UTC.",
        |call| call.returns(&[Take::Text, Take::Text], &[], TIMESTAMP),
        |args, rows, _| {
            let (input, patterns) = (text(args, 0)?, text(args, 1)?);
            let mut compiled = LastPattern::default();
            map_primitive::<TimestampMicrosecondType>(args, rows, |row| {
                let Some((text, name)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
                let micros = compiled.get(name)?.read(text);
                micros
                    .map(Some)
                    .ok_or_else(|| Error::data(format!("strptime: '{text}' is no timestamp by the pattern '{name}'")))
            })
        }
    ),
    function!(
        "make_timestamptz",
        "make_timestamptz(year, month, day, hour, minute, seconds)",
        "The moment of these parts in the session's zone.",
        |call| {
            let parts = [Take::Integer, Take::Integer, Take::Integer, Take::Integer, Take::Integer, Take::Double];
            call.returns(&parts, &[], timestamp_tz("UTC"))
        },
        |args, rows, config| make_timestamptz(args, rows, config)
    ),
];

fn out_of_range(function: &str) -> Error {
    Error::data(format!("{function}: the result is out of the range of timestamps"))
}

/// The unit that a moment is in, by local time. Units up to an hour keep the offset of the moment, so that an hour that a
/// clock change repeats stays the one it was. Longer ones begin at the first moment at which the clock shows their start or
/// more, as the buckets of `time_bucket` do.
fn unit_of(part: Part, utc: i64, zone: Option<&Zone>) -> Option<Bucket> {
    let Some(zone) = zone else { return part.bucket(utc) };
    let local = zone.to_local(utc);
    let mut unit = part.bucket(local)?;
    if part.fixed_micros().is_some() {
        // How long it is was not asked for: it holds nothing for the next row.
        return Some(Bucket { start: utc, end: utc, label: utc - (local - unit.start) });
    }
    let mut start = zone.first_moment(unit.start);
    // Where clocks are set back over midnight, local time is twice on either side of it.
    while start > utc {
        unit = part.bucket(unit.start.checked_sub(1)?)?;
        start = zone.first_moment(unit.start);
    }
    loop {
        let end = zone.first_moment(unit.end);
        if end > utc || unit.end == i64::MAX {
            return Some(Bucket { start, end, label: start });
        }
        (unit, start) = (part.bucket(unit.end)?, end);
    }
}

type Integers<'a> = super::kernel::Argument<&'a arrow::array::Int64Array>;

fn integers<const N: usize>(args: &[Value]) -> Result<[Integers<'_>; N]> {
    let parts = (0..N).map(|index| primitive::<Int64Type>(args, index)).collect::<Result<Vec<_>>>()?;
    parts.try_into().map_err(|_| Error::internal("a kernel was given too few arguments"))
}

fn date(function: &str, year: i64, month: i64, day: i64) -> Result<i64> {
    let exists = (-999_999..=999_999).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year, month);
    if exists {
        Ok(days_from_civil(year, month, day))
    } else {
        Err(Error::data(format!("{function}: there is no date {year}-{month:02}-{day:02}")))
    }
}

fn make_timestamptz(args: &[Value], rows: usize, config: &Config) -> Result<Value> {
    let zone = session_zone(config)?;
    let make = super::lookup("make_timestamp").ok_or_else(|| Error::internal("make_timestamp is not registered"))?;
    let local = [(make.evaluate)(args, rows, config)?];
    let input = primitive::<TimestampMicrosecondType>(&local, 0)?;
    map_primitive_as::<TimestampMicrosecondType>(&local, rows, &timestamp_tz("UTC"), |row| {
        Ok(input.get(row).map(|micros| to_utc(zone.as_ref(), micros)))
    })
}

fn at_time_zone(args: &[Value], rows: usize) -> Result<Value> {
    let (names, input) = (text(args, 0)?, primitive::<TimestampMicrosecondType>(args, 1)?);
    let zoned = matches!(argument(args, 1)?.data_type(), DataType::Timestamp(_, Some(_)));
    let result = if zoned { TIMESTAMP } else { timestamp_tz("UTC") };
    let constant = names.constant().map(zone_of).transpose()?;
    map_primitive_as::<TimestampMicrosecondType>(args, rows, &result, |row| {
        let Some((name, micros)) = names.get(row).zip(input.get(row)) else { return Ok(None) };
        let zone = constant.map_or_else(|| zone_of(name), Ok)?;
        Ok(Some(if zoned { zone.to_local(micros) } else { zone.to_utc(micros) }))
    })
}

/// The pattern parsed last: a constant one is parsed once.
#[derive(Default)]
struct LastPattern(Option<(String, Pattern)>);

impl LastPattern {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if self.0.as_ref().is_none_or(|(last, _)| last != text) {
            self.0 = Some((text.to_string(), Pattern::parse(text)?));
        }
        self.0.as_ref().map(|(_, pattern)| pattern).ok_or_else(|| Error::internal("a pattern was not kept"))
    }
}
