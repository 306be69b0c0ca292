//! Resample rules in pandas' spelling: `15min`, `1D`, `W-MON`, `2ME`, `QS-FEB`.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::IntervalMonthDayNano;

use super::interval::{NANOS_PER_SECOND, scaled};
use crate::error::{Error, Result};

const MICROS_PER_SECOND: i64 = 1_000_000;
const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// How long the buckets of a resampling are: so many units.
///
/// ```
/// use highwater::prelude::Rule;
/// let rule: Rule = "1h30min".parse()?;
/// assert_eq!(rule.to_string(), "90min");
/// assert_eq!("2W-WED".parse::<Rule>()?.to_string(), "2W-WED");
/// # Ok::<(), highwater::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    count: i64,
    unit: Unit,
}

/// What a [`Rule`] counts. Months count from 0, January, to 11; days of the week from 0, Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Elapsed time: `h`, `min`, `s`, `ms`, `us` and sums of them.
    Microsecond,
    /// Calendar days, `D`.
    Day,
    /// Weeks that end on that day, `W-SUN`.
    Week(i64),
    /// Months by their first day, `MS`.
    MonthStart,
    /// Months by their last day, `ME`.
    MonthEnd,
    /// Quarters by their first day, of which one begins in that month, `QS-JAN`.
    QuarterStart(i64),
    /// Quarters by their last day, of which one ends in that month, `QE-DEC`.
    QuarterEnd(i64),
    /// Years that begin in that month by their first day, `YS-JAN`.
    YearStart(i64),
    /// Years that end in that month by their last day, `YE-DEC`.
    YearEnd(i64),
}

impl Rule {
    /// How many units.
    pub fn count(self) -> i64 {
        self.count
    }

    /// The unit.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// Whether buckets are named by their end: they hold and are labelled by their right edge, where nothing else is said.
    pub fn by_end(self) -> bool {
        matches!(self.unit, Unit::Week(_) | Unit::MonthEnd | Unit::QuarterEnd(_) | Unit::YearEnd(_))
    }

    /// The length as an interval, without the day or month that weeks, quarters and years begin or end with.
    pub fn width(self) -> IntervalMonthDayNano {
        // `checked` has seen that all of these fit.
        let whole = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        match self.unit {
            Unit::Microsecond => IntervalMonthDayNano::new(0, 0, self.count.saturating_mul(1000)),
            Unit::Day => IntervalMonthDayNano::new(0, whole(self.count), 0),
            Unit::Week(_) => IntervalMonthDayNano::new(0, whole(self.count.saturating_mul(7)), 0),
            Unit::MonthStart | Unit::MonthEnd => IntervalMonthDayNano::new(whole(self.count), 0, 0),
            Unit::QuarterStart(_) | Unit::QuarterEnd(_) => {
                IntervalMonthDayNano::new(whole(self.count.saturating_mul(3)), 0, 0)
            }
            Unit::YearStart(_) | Unit::YearEnd(_) => {
                IntervalMonthDayNano::new(whole(self.count.saturating_mul(12)), 0, 0)
            }
        }
    }

    fn checked(count: i64, unit: Unit) -> Option<Self> {
        let most = match unit {
            Unit::Microsecond => i64::MAX / 1000,
            _ => i64::from(i32::MAX) / 12,
        };
        (1..=most).contains(&count).then_some(Self { count, unit })
    }
}

/// Nanoseconds of a unit of elapsed time; capital letters are those of pandas before 2.2.
fn fixed_unit(name: &str) -> Option<i64> {
    Some(match name {
        "h" | "H" | "hr" | "hour" | "hours" => 3600 * NANOS_PER_SECOND,
        "min" | "T" | "minute" | "minutes" => 60 * NANOS_PER_SECOND,
        "s" | "S" | "sec" | "second" | "seconds" => NANOS_PER_SECOND,
        "ms" | "L" | "millisecond" | "milliseconds" => 1_000_000,
        "us" | "U" | "µs" | "microsecond" | "microseconds" => 1000,
        "ns" | "N" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    })
}

fn is_day(name: &str) -> bool {
    matches!(name, "D" | "d" | "day" | "days")
}

/// The unit of a name that is no elapsed time, with its anchor behind `-`.
fn calendar_unit(name: &str) -> Option<Unit> {
    if is_day(name) {
        return Some(Unit::Day);
    }
    let (name, anchor) = name.split_once('-').map_or((name, None), |(name, anchor)| (name, Some(anchor)));
    let position = |names: &[&str], usual: usize| {
        let index = match anchor {
            None => Some(usual),
            Some(anchor) => names.iter().position(|name| name.eq_ignore_ascii_case(anchor)),
        };
        index.and_then(|index| i64::try_from(index).ok())
    };
    Some(match name {
        "W" | "w" => Unit::Week(position(&DAYS, 6)?),
        "MS" if anchor.is_none() => Unit::MonthStart,
        "ME" | "M" if anchor.is_none() => Unit::MonthEnd,
        "QS" => Unit::QuarterStart(position(&MONTHS, 0)?),
        "QE" | "Q" => Unit::QuarterEnd(position(&MONTHS, 11)?),
        "YS" | "AS" => Unit::YearStart(position(&MONTHS, 0)?),
        "YE" | "Y" | "A" => Unit::YearEnd(position(&MONTHS, 11)?),
        _ => return None,
    })
}

/// A number, one where none is written, and the unit behind it.
fn piece(text: &str) -> Option<(&str, &str, &str)> {
    let number = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (count, rest) = text.split_at(number);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Some((if count.is_empty() { "1" } else { count }, unit, rest.trim_start()))
}

impl FromStr for Rule {
    type Err = Error;

    /// A usage error lists the rules.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let near = match text.trim().trim_start_matches(|c: char| c.is_ascii_digit()) {
                "m" => "'m' may be minutes or months: write 'min', 'MS' or 'ME'; ",
                "mo" | "month" | "months" => "months are 'MS' (by their first day) or 'ME' (by their last); ",
                "q" | "quarter" | "quarters" => "quarters are 'QS' (by their first day) or 'QE' (by their last); ",
                "y" | "year" | "years" => "years are 'YS' (by their first day) or 'YE' (by their last); ",
                "week" | "weeks" => "weeks are 'W-SUN', 'W-MON', …, by the day they end on; ",
                _ => "",
            };
            Error::usage(format!("'{text}' is no resample rule")).with_hint(format!(
                "{near}rules are multiples of h, min, s, ms, us (15min, 1h30min), D, W (W-SUN to W-SAT), MS and ME (months by \
                 their first or last day), QS, QE, YS, YE (QS-JAN to QS-DEC, …)"
            ))
        };
        let (number, unit, mut rest) = piece(text.trim()).ok_or_else(wrong)?;
        if rest.is_empty()
            && let Some(unit) = calendar_unit(unit)
            && let Ok(count) = number.parse::<i64>()
        {
            return Self::checked(count, unit).ok_or_else(wrong);
        }
        // Elapsed time: a sum of units, days of 24 hours among them.
        let mut nanos: i128 = 0;
        let (mut number, mut unit) = (number, unit);
        loop {
            let per =
                fixed_unit(unit).or_else(|| is_day(unit).then_some(86_400 * NANOS_PER_SECOND)).ok_or_else(wrong)?;
            nanos = scaled(number, per).and_then(|part| nanos.checked_add(part)).ok_or_else(wrong)?;
            if rest.is_empty() {
                break;
            }
            (number, unit, rest) = piece(rest).ok_or_else(wrong)?;
        }
        if nanos % 1000 != 0 {
            return Err(Error::usage(format!("the resample rule '{text}' is finer than a microsecond"))
                .with_hint("timestamps are in microseconds: take a multiple of 1us"));
        }
        i64::try_from(nanos / 1000).ok().and_then(|micros| Self::checked(micros, Unit::Microsecond)).ok_or_else(wrong)
    }
}

impl TryFrom<&str> for Rule {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anchored = |name: &str, names: &[&'static str], index: i64| {
            let anchor = usize::try_from(index).ok().and_then(|index| names.get(index));
            format!("{name}-{}", anchor.copied().unwrap_or_default())
        };
        let (count, unit) = match self.unit {
            Unit::Microsecond => {
                let units = [
                    (3600 * MICROS_PER_SECOND, "h"),
                    (60 * MICROS_PER_SECOND, "min"),
                    (MICROS_PER_SECOND, "s"),
                    (1000, "ms"),
                ];
                let unit = units.into_iter().find(|(micros, _)| self.count % micros == 0).unwrap_or((1, "us"));
                (self.count / unit.0, unit.1.to_string())
            }
            Unit::Day => (self.count, "D".into()),
            Unit::Week(day) => (self.count, anchored("W", &DAYS, day)),
            Unit::MonthStart => (self.count, "MS".into()),
            Unit::MonthEnd => (self.count, "ME".into()),
            Unit::QuarterStart(month) => (self.count, anchored("QS", &MONTHS, month)),
            Unit::QuarterEnd(month) => (self.count, anchored("QE", &MONTHS, month)),
            Unit::YearStart(month) => (self.count, anchored("YS", &MONTHS, month)),
            Unit::YearEnd(month) => (self.count, anchored("YE", &MONTHS, month)),
        };
        if count == 1 { f.write_str(&unit) } else { write!(f, "{count}{unit}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_pandas_reads_them() {
        for (text, shown) in [
            ("30s", "30s"),
            ("15min", "15min"),
            ("h", "h"),
            ("24h", "24h"),
            ("1D", "D"),
            (" 2 D ", "2D"),
            ("W", "W-SUN"),
            ("2W-wed", "2W-WED"),
            ("MS", "MS"),
            ("3ME", "3ME"),
            ("QS", "QS-JAN"),
            ("2QE", "2QE-DEC"),
            ("QE-FEB", "QE-FEB"),
            ("YS-MAR", "YS-MAR"),
            ("YE", "YE-DEC"),
            ("1h30min", "90min"),
            ("1.5h", "90min"),
            ("1D12h", "36h"),
            ("0.5D", "12h"),
            ("500ms", "500ms"),
            ("2000ns", "2us"),
            ("15 minutes", "15min"),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn letters_of_older_pandas_mean_what_they_meant() {
        for (old, new) in [
            ("H", "h"),
            ("5T", "5min"),
            ("S", "s"),
            ("L", "ms"),
            ("M", "ME"),
            ("2Q", "2QE"),
            ("Q-NOV", "QE-NOV"),
            ("Y", "YE"),
            ("A", "YE"),
            ("AS-APR", "YS-APR"),
            ("d", "D"),
            ("w", "W"),
        ] {
            assert_eq!(old.parse::<Rule>().unwrap(), new.parse().unwrap(), "{old}");
        }
    }

    #[test]
    fn what_is_no_rule_is_told_the_rules() {
        for wrong in
            ["", "1", "m", "fortnight", "0s", "-1h", "W-FOO", "MS-JAN", "1.5W", "h1", "1h2", "1D1W", "99999999999D"]
        {
            let error = wrong.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains("is no resample rule") && error.contains("15min"), "{wrong}: {error}");
        }
        assert!("1500ns".parse::<Rule>().unwrap_err().to_string().contains("finer than a microsecond"));
    }

    #[test]
    fn widths_are_intervals() {
        let width = |text: &str| text.parse::<Rule>().unwrap().width();
        assert_eq!(width("15min"), IntervalMonthDayNano::new(0, 0, 900 * NANOS_PER_SECOND));
        assert_eq!(width("2QE"), IntervalMonthDayNano::new(6, 0, 0));
        assert_eq!(width("1M"), IntervalMonthDayNano::new(1, 0, 0));
        assert_eq!(width("2W"), IntervalMonthDayNano::new(0, 14, 0));
    }
}
