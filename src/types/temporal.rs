//! Dates, times and timestamps as text, and the text of any value. The one module that uses chrono for parsing and printing.

use std::str::FromStr;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::interval::format_interval;
use crate::error::{Error, Result};

/// The English names of the months.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The English names of the days of the week, from Monday on.
pub const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 0001-01-01 (chrono's day 1) to 1970-01-01.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;

/// A time zone by its IANA name, or a fixed offset such as `+05:30`.
///
/// # Errors
/// A usage error, where it is neither.
pub fn parse_zone(name: &str) -> Result<Zone> {
    if let Ok(zone) = Tz::from_str(if name.eq_ignore_ascii_case("utc") { "UTC" } else { name }) {
        return Ok(Zone::Named(zone));
    }
    parse_offset(name).and_then(chrono::FixedOffset::east_opt).map(Zone::Fixed).ok_or_else(|| {
        Error::usage(format!("there is no time zone '{name}'"))
            .with_hint("write an IANA name such as 'Europe/Zurich', or an offset such as '+01:00'")
    })
}

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// From the IANA database.
    Named(Tz),
    /// A fixed distance from UTC.
    Fixed(chrono::FixedOffset),
}

impl Zone {
    /// Seconds to add to UTC at that moment, to get local time.
    pub fn offset_seconds(&self, utc_micros: i64) -> i64 {
        let seconds = match self {
            Self::Fixed(offset) => offset.local_minus_utc(),
            Self::Named(tz) => DateTime::from_timestamp_micros(utc_micros)
                .map_or(0, |utc| tz.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()),
        };
        i64::from(seconds)
    }

    /// Local microseconds of a moment in UTC.
    pub fn to_local(&self, utc_micros: i64) -> i64 {
        utc_micros.saturating_add(self.offset_seconds(utc_micros) * MICROS_PER_SECOND)
    }

    /// Whether local time is UTC.
    pub fn is_utc(&self) -> bool {
        match self {
            Self::Fixed(offset) => offset.local_minus_utc() == 0,
            Self::Named(tz) => *tz == Tz::UTC,
        }
    }

    /// The first moment at which the clock shows this local time or a later one: the earlier of two moments with that
    /// time, the end of the gap for a time that a clock change skips. Later times have no earlier moments.
    pub fn first_moment(&self, local_micros: i64) -> i64 {
        let guess = self.to_utc(local_micros);
        if matches!(self, Self::Fixed(_)) || self.to_local(guess) == local_micros {
            return guess;
        }
        // In a gap: the change lies between the moments that the offsets before and behind it give.
        let (day_before, day_after) =
            (local_micros.saturating_sub(MICROS_PER_DAY), local_micros.saturating_add(MICROS_PER_DAY));
        let shifted = |offset: i64| local_micros.saturating_sub(offset * MICROS_PER_SECOND);
        let mut before = shifted(self.offset_seconds(day_after)).div_euclid(MICROS_PER_SECOND);
        let mut after = shifted(self.offset_seconds(day_before)).div_euclid(MICROS_PER_SECOND) + 1;
        while before < after {
            let middle = before + (after - before) / 2;
            if self.to_local(middle.saturating_mul(MICROS_PER_SECOND)) < local_micros {
                before = middle + 1;
            } else {
                after = middle;
            }
        }
        before.saturating_mul(MICROS_PER_SECOND)
    }

    /// The moment of a local time. One that occurs twice means the earlier (as in pandas with `ambiguous=True`);
    /// one that a clock change skips means the moment with the offset from before the change, as in PostgreSQL.
    pub fn to_utc(&self, local_micros: i64) -> i64 {
        let tz = match self {
            Self::Fixed(offset) => {
                return local_micros.saturating_sub(i64::from(offset.local_minus_utc()) * MICROS_PER_SECOND);
            }
            Self::Named(tz) => tz,
        };
        let Some(local) = DateTime::from_timestamp_micros(local_micros).map(|utc| utc.naive_utc()) else {
            return local_micros;
        };
        match tz.from_local_datetime(&local) {
            LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => moment.timestamp_micros(),
            LocalResult::None => local_micros - self.offset_seconds(local_micros - MICROS_PER_DAY) * MICROS_PER_SECOND,
        }
    }
}

/// The date of a number of days since 1970-01-01; `None` far outside of the calendar.
pub fn date_from_days(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAYS_FROM_CE)?)
}

/// Days since 1970-01-01.
pub fn days_from_date(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_DAYS_FROM_CE
}

/// Days since 1970-01-01 of a year, month and day; `None` where there is no such day.
pub fn days_from_ymd(year: i32, month: u32, day: u32) -> Option<i32> {
    NaiveDate::from_ymd_opt(year, month, day).map(days_from_date)
}

/// Days since 1970-01-01 of a year and the day in it, from 1; `None` where there is no such day.
pub fn days_from_ordinal(year: i32, day: u32) -> Option<i32> {
    NaiveDate::from_yo_opt(year, day).map(days_from_date)
}

/// Days since 1970-01-01 of `2013-01-31` (also `2013/1/31`), as in ISO 8601; `None` where it is no date.
pub fn parse_date(text: &str) -> Option<i32> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let separator = *bytes.iter().skip(1).find(|byte| !byte.is_ascii_digit())?;
    if separator != b'-' && separator != b'/' {
        return None;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut fields = digits.split(char::from(separator));
    let year = number(fields.next()?, 4, 6)?;
    let month = number(fields.next()?, 1, 2)?;
    let day = number(fields.next()?, 1, 2)?;
    if fields.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(sign * i32::try_from(year).ok()?, month, day).map(days_from_date)
}

/// Microseconds since midnight of `13:45`, `13:45:06` or `13:45:06.123456`; `None` where it is none, or finer than
/// a microsecond.
pub fn parse_time(text: &str) -> Option<i64> {
    let mut fields = text.trim().split(':');
    let hour = number(fields.next()?, 1, 2)?;
    let minute = number(fields.next()?, 2, 2)?;
    let (second, micros) = match fields.next() {
        None => (0, 0),
        Some(field) => {
            let (whole, fraction) = field.split_once('.').unwrap_or((field, "0"));
            (number(whole, 2, 2)?, fraction_micros(fraction)?)
        }
    };
    if fields.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * MICROS_PER_SECOND + i64::from(micros))
}

/// Microseconds of the digits behind a decimal point; digits behind the sixth must be zeros.
fn fraction_micros(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (micros, rest) = digits.split_at(digits.len().min(6));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let value: u32 = micros.parse().ok()?;
    Some(value * 10u32.pow(u32::try_from(6 - micros.len()).ok()?))
}

fn number(digits: &str, least: usize, most: usize) -> Option<u32> {
    if digits.len() < least || digits.len() > most || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Seconds of `Z`, `+05`, `+0530` or `-05:30`.
fn parse_offset(text: &str) -> Option<i32> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(pair) => pair,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "00"),
    };
    let (hours, minutes) = (number(hours, 2, 2)?, number(minutes, 2, 2)?);
    (hours <= 15 && minutes <= 59).then(|| sign * i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0))
}

/// A timestamp as ISO 8601 or PostgreSQL writes it: a date, then optionally `T` or a blank and a time, then optionally
/// `Z`, an offset, or a blank and a zone's name. Returns local microseconds since the epoch, and the seconds east of
/// UTC where the text has a zone. `None` where it is no timestamp.
pub fn parse_timestamp(text: &str) -> Option<(i64, Option<i64>)> {
    let text = text.trim();
    let Some(split) = text.find(['T', ' ', 't']) else {
        return Some((i64::from(parse_date(text)?) * MICROS_PER_DAY, None));
    };
    let date = i64::from(parse_date(&text[..split])?) * MICROS_PER_DAY;
    let rest = text[split + 1..].trim_start();
    let zone_start = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let local = date + parse_time(&rest[..zone_start])?;
    let zone = rest[zone_start..].trim();
    if zone.is_empty() {
        return Some((local, None));
    }
    let offset = match parse_offset(zone) {
        Some(seconds) => i64::from(seconds),
        None => {
            let zone = parse_zone(zone).ok()?;
            (local - zone.to_utc(local)) / MICROS_PER_SECOND
        }
    };
    Some((local, Some(offset)))
}

/// `2013-01-31`.
pub fn format_date(days: i32) -> String {
    date_from_days(days).map_or_else(|| format!("{days} days"), |date| date.format("%Y-%m-%d").to_string())
}

/// `13:45:06.5`, without trailing zeros.
pub fn format_time(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// `2013-01-31 13:45:06`, with a zone in local time and its offset: `2013-01-31 13:45:06+00`.
pub fn format_timestamp(micros: i64, zone: Option<&str>) -> String {
    let (local, suffix) = match zone.map(parse_zone) {
        Some(Ok(zone)) => {
            let offset = zone.offset_seconds(micros);
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.abs() / 60;
            let suffix = match minutes % 60 {
                0 => format!("{sign}{:02}", minutes / 60),
                rest => format!("{sign}{:02}:{rest:02}", minutes / 60),
            };
            (micros.saturating_add(offset * MICROS_PER_SECOND), suffix)
        }
        Some(Err(_)) => (micros, "+00".to_string()),
        None => (micros, String::new()),
    };
    let days = local.div_euclid(MICROS_PER_DAY);
    let date = i32::try_from(days).map_or_else(|_| format!("{days} days"), format_date);
    format!("{date} {}{suffix}", format_time(local.rem_euclid(MICROS_PER_DAY)))
}

/// The shortest text that reads back as the same double: `3.0`, `0.1`, `1e20`, `NaN`, `Infinity`.
pub fn format_float(value: f64) -> String {
    special_float(value).unwrap_or_else(|| zmij::Buffer::new().format_finite(value).to_string())
}

fn special_float(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".into())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" }.into())
    } else {
        None
    }
}

/// A decimal of that scale: `-0.05`.
pub fn format_decimal(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The text of the value at `row`, as CAST to VARCHAR and every output format show it; `None` for null.
pub fn format_value(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Null => return None,
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            special_float(value.into()).unwrap_or_else(|| zmij::Buffer::new().format_finite(value).to_string())
        }
        DataType::Float64 => format_float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => format_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8View => array.as_string_view().value(row).to_string(),
        DataType::Date32 => format_date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time64(_) => format_time(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(_, zone) => {
            format_timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row), zone.as_deref())
        }
        DataType::Interval(_) => format_interval(array.as_primitive::<IntervalMonthDayNanoType>().value(row)),
        DataType::List(_) => super::list::format_list(array.as_list(), row),
        other => format!("<{other:?}>"),
    })
}

/// The calendar date and time of local microseconds; `None` outside of chrono's range.
pub fn datetime_from_micros(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc())
}

/// Microseconds since the epoch of a calendar date and time.
pub fn micros_from_datetime(moment: NaiveDateTime) -> i64 {
    moment.and_utc().timestamp_micros()
}

/// The time now, in microseconds since the epoch.
pub fn now_micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_and_print() {
        let (micros, zone) = parse_timestamp("2013-01-31T13:45:06.5Z").unwrap();
        assert_eq!(zone, Some(0));
        assert_eq!(format_timestamp(micros, None), "2013-01-31 13:45:06.5");
        assert_eq!(format_timestamp(micros, Some("Europe/Zurich")), "2013-01-31 14:45:06.5+01");
        assert_eq!(format_timestamp(micros, Some("+05:30")), "2013-01-31 19:15:06.5+05:30");
        assert_eq!(parse_timestamp("2013-01-31").unwrap(), (1_359_590_400_000_000, None));
        assert_eq!(parse_timestamp("2013-07-01 12:00 America/New_York").unwrap().1, Some(-4 * 3600));
        for wrong in ["2013-02-30", "2013-01-31 25:00", "13:45", "2013-01-31 1", "2013-01-31T13:45:06.1234567", "x"] {
            assert_eq!(parse_timestamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn local_times_that_a_clock_change_skips_or_repeats_have_a_moment() {
        let zone = parse_zone("America/New_York").unwrap();
        let at = |text| parse_timestamp(text).unwrap().0;
        assert_eq!(zone.to_utc(at("2013-03-10 02:30")), at("2013-03-10 07:30"));
        assert_eq!(zone.to_utc(at("2013-11-03 01:30")), at("2013-11-03 05:30"));
        assert_eq!(zone.to_local(at("2013-07-01 12:00")), at("2013-07-01 08:00"));
    }

    #[test]
    fn the_first_moment_of_a_skipped_time_is_the_end_of_the_gap() {
        let at = |text| parse_timestamp(text).unwrap().0;
        let first = |zone, local| parse_zone(zone).unwrap().first_moment(at(local));
        for skipped in ["2013-03-10 02:00", "2013-03-10 02:00:00.000001", "2013-03-10 02:30", "2013-03-10 03:00"] {
            assert_eq!(first("America/New_York", skipped), at("2013-03-10 07:00"), "{skipped}");
        }
        assert_eq!(first("America/New_York", "2013-11-03 01:30"), at("2013-11-03 05:30"));
        // A whole day that Samoa left out, and a midnight in the middle of a gap.
        assert_eq!(first("Pacific/Apia", "2011-12-30 00:00"), at("2011-12-30 10:00"));
        assert_eq!(first("Pacific/Apia", "2011-12-30 13:00"), at("2011-12-30 10:00"));
        assert_eq!(first("America/Toronto", "1919-03-31 00:00"), at("1919-03-31 04:30"));
        assert_eq!(first("+05:30", "2013-01-01 00:00"), at("2012-12-31 18:30"));
    }

    #[test]
    fn decimals_and_floats_print_so_that_they_read_back() {
        assert_eq!(format_decimal(-5, 2), "-0.05");
        assert_eq!(format_decimal(12345, 0), "12345");
        assert_eq!(format_float(3.0), "3.0");
        assert_eq!(format_float(f64::NEG_INFINITY), "-Infinity");
    }
}
