//! Intervals: parsing and printing of `1 day 2 hours`, `01:30:00`.

use arrow::datatypes::IntervalMonthDayNano;

use crate::error::{Error, Result};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MINUTE: i64 = 60 * NANOS_PER_SECOND;
const NANOS_PER_HOUR: i64 = 60 * NANOS_PER_MINUTE;

/// Reads an interval as PostgreSQL writes it: numbers with units in any order (`1 year 2 days 03:04:05.5`), a clock
/// time, or a number alone with `default_unit`.
///
/// # Errors
/// An SQL error, where it is none.
pub fn parse_interval(text: &str, default_unit: Option<&str>) -> Result<IntervalMonthDayNano> {
    let wrong = || {
        Error::sql(format!("'{text}' is no interval"))
            .with_hint("write for instance '1 day', '2 hours 30 minutes' or '00:15:00'")
    };
    let mut total = Parts::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let ago = rest.len() > 4 && rest.to_ascii_lowercase().ends_with(" ago");
    if ago {
        rest = rest[..rest.len() - 4].trim_end();
    }
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .find(|&(index, c)| {
                !(c.is_ascii_digit() || matches!(c, '.' | ':') || (index == 0 && matches!(c, '-' | '+')))
            })
            .map_or(rest.len(), |(index, _)| index);
        let number = &rest[..end];
        rest = rest[end..].trim_start();
        if number.contains(':') {
            total.add_clock(number).ok_or_else(wrong)?;
            continue;
        }
        let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "" => default_unit.ok_or_else(wrong)?,
            unit => unit,
        };
        total.add(number, unit).ok_or_else(wrong)?;
        rest = rest[unit_end..].trim_start();
    }
    let interval = total.finish().ok_or_else(wrong)?;
    if !ago {
        return Ok(interval);
    }
    let back = interval.months.checked_neg().zip(interval.days.checked_neg()).zip(interval.nanoseconds.checked_neg());
    back.map(|((months, days), nanos)| IntervalMonthDayNano::new(months, days, nanos)).ok_or_else(wrong)
}

/// PostgreSQL's output: `1 year 2 mons 3 days 04:05:06.7`; behind a negative part a positive one has its sign, as in
/// `-1 days +02:00:00`.
pub fn format_interval(interval: IntervalMonthDayNano) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut after_negative = false;
    let mut count = |count: i32, unit: &str| {
        if count != 0 {
            let sign = if after_negative && count > 0 { "+" } else { "" };
            parts.push(format!("{sign}{count} {unit}{}", if count == 1 { "" } else { "s" }));
            after_negative = count < 0;
        }
    };
    count(interval.months / 12, "year");
    count(interval.months % 12, "mon");
    count(interval.days, "day");
    if interval.nanoseconds != 0 || parts.is_empty() {
        let sign = match interval.nanoseconds {
            ..0 => "-",
            _ if after_negative => "+",
            _ => "",
        };
        let nanos = interval.nanoseconds.unsigned_abs();
        let seconds = nanos / NANOS_PER_SECOND.unsigned_abs();
        let mut clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = nanos % NANOS_PER_SECOND.unsigned_abs();
        if fraction != 0 {
            clock.push('.');
            clock.push_str(format!("{fraction:09}").trim_end_matches('0'));
        }
        parts.push(clock);
    }
    parts.join(" ")
}

/// Sums before they are checked to fit.
#[derive(Default)]
struct Parts {
    months: i64,
    days: i64,
    nanos: i128,
}

impl Parts {
    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let lower = unit.to_ascii_lowercase();
        let nanos_per = match lower.as_str() {
            "year" | "years" | "y" | "yr" | "yrs" => return self.add_months(number, 12),
            "quarter" | "quarters" | "q" => return self.add_months(number, 3),
            "month" | "months" | "mon" | "mons" => return self.add_months(number, 1),
            "week" | "weeks" | "w" => return self.add_days(number, 7),
            "day" | "days" | "d" => return self.add_days(number, 1),
            "hour" | "hours" | "h" | "hr" | "hrs" => NANOS_PER_HOUR,
            "minute" | "minutes" | "min" | "mins" | "m" => NANOS_PER_MINUTE,
            "second" | "seconds" | "s" | "sec" | "secs" => NANOS_PER_SECOND,
            "millisecond" | "milliseconds" | "ms" | "msec" => 1_000_000,
            "microsecond" | "microseconds" | "us" | "usec" => 1_000,
            "nanosecond" | "nanoseconds" | "ns" => 1,
            _ => return None,
        };
        self.nanos = self.nanos.checked_add(scaled(number, nanos_per)?)?;
        Some(())
    }

    fn add_months(&mut self, number: &str, per: i64) -> Option<()> {
        self.months = self.months.checked_add(i64::try_from(scaled(number, per)?).ok()?)?;
        Some(())
    }

    /// A fraction of a day becomes hours, as in PostgreSQL.
    fn add_days(&mut self, number: &str, per: i64) -> Option<()> {
        let nanos = scaled(number, per * 24 * NANOS_PER_HOUR)?;
        let day = i128::from(24 * NANOS_PER_HOUR);
        self.days = self.days.checked_add(i64::try_from(nanos / day).ok()?)?;
        self.nanos = self.nanos.checked_add(nanos % day)?;
        Some(())
    }

    fn add_clock(&mut self, text: &str) -> Option<()> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let mut fields = text.split(':');
        let hours = scaled(fields.next()?, NANOS_PER_HOUR)?;
        let minutes = scaled(fields.next()?, NANOS_PER_MINUTE)?;
        let seconds = fields.next().map_or(Some(0), |field| scaled(field, NANOS_PER_SECOND))?;
        if fields.next().is_some() {
            return None;
        }
        let nanos = hours.checked_add(minutes)?.checked_add(seconds)?;
        self.nanos = self.nanos.checked_add(if negative { -nanos } else { nanos })?;
        Some(())
    }

    fn finish(self) -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(
            i32::try_from(self.months).ok()?,
            i32::try_from(self.days).ok()?,
            i64::try_from(self.nanos).ok()?,
        ))
    }
}

/// `number × per`, exactly; `None` where the product is no whole number or `number` is none.
pub(super) fn scaled(number: &str, per: i64) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() + fraction.len() > 30 {
        return None;
    }
    let all: i128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = all.checked_mul(i128::from(per))?;
    if product % divisor != 0 {
        return None;
    }
    let value = product / divisor;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_as_postgresql_does() {
        let read = |text| parse_interval(text, None).unwrap();
        assert_eq!(read("1 day"), IntervalMonthDayNano::new(0, 1, 0));
        assert_eq!(read("1 year 2 mons -3 days 04:05:06.5"), IntervalMonthDayNano::new(14, -3, 14_706_500_000_000));
        assert_eq!(read("1.5 days"), IntervalMonthDayNano::new(0, 1, 12 * NANOS_PER_HOUR));
        assert_eq!(read("90 minutes ago"), IntervalMonthDayNano::new(0, 0, -90 * NANOS_PER_MINUTE));
        assert_eq!(parse_interval("3", Some("hour")).unwrap(), IntervalMonthDayNano::new(0, 0, 3 * NANOS_PER_HOUR));
        for wrong in ["", "day", "1 parsec", "1.3 months", "1:2:3:4", "3"] {
            assert!(parse_interval(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn printed_intervals_read_back() {
        for interval in [
            IntervalMonthDayNano::new(14, -3, 14_706_500_000_000),
            IntervalMonthDayNano::new(0, 0, 0),
            IntervalMonthDayNano::new(-25, 0, -1),
            IntervalMonthDayNano::new(0, -1, 2 * NANOS_PER_HOUR),
        ] {
            assert_eq!(parse_interval(&format_interval(interval), None).unwrap(), interval);
        }
    }

    #[test]
    fn a_positive_part_behind_a_negative_one_has_its_sign() {
        assert_eq!(format_interval(IntervalMonthDayNano::new(0, -1, 2 * NANOS_PER_HOUR)), "-1 days +02:00:00");
        assert_eq!(format_interval(IntervalMonthDayNano::new(-13, 1, 0)), "-1 years -1 mons +1 day");
    }
}
