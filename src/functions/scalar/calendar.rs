//! Calendar arithmetic on moments in a time zone, over their whole range, and the parts of a moment.

use arrow::datatypes::IntervalMonthDayNano;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::types::DataType;
use crate::types::calendar::{add_months, civil_from_days, days_from_civil, iso_week, weekday};
use crate::types::grid::Bucket;
use crate::types::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone, parse_zone};

const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;

/// The zone in which the parts of a timestamp with zone are taken: the session's, as in PostgreSQL. `None` where local
/// time is the value itself: for timestamps without zone, and in UTC.
pub fn local_zone(data_type: &DataType, config: &Config) -> Result<Option<Zone>> {
    match data_type {
        DataType::Timestamp(_, Some(_)) => session_zone(config),
        _ => Ok(None),
    }
}

/// The session's zone; `None` for UTC, which needs no conversion.
pub fn session_zone(config: &Config) -> Result<Option<Zone>> {
    let zone = parse_zone(&config.time_zone)?;
    Ok((zone != parse_zone("UTC")?).then_some(zone))
}

/// The zone that an argument names.
pub fn zone_of(name: &str) -> Result<Zone> {
    parse_zone(name).map_err(|error| {
        Error::data(error.kind().message.clone())
            .with_hint("write an IANA name such as 'Europe/Zurich', or an offset such as '+01:00'")
    })
}

/// Local microseconds of a moment.
#[inline]
pub fn to_local(zone: Option<&Zone>, micros: i64) -> i64 {
    zone.map_or(micros, |zone| zone.to_local(micros))
}

/// The moment of local microseconds.
#[inline]
pub fn to_utc(zone: Option<&Zone>, micros: i64) -> i64 {
    zone.map_or(micros, |zone| zone.to_utc(micros))
}

/// A moment and an interval: months and days in local time, with the month's end where the day does not exist, then
/// the exact rest. `None` where the result is out of range.
pub fn add_interval(micros: i64, interval: IntervalMonthDayNano, zone: Option<&Zone>) -> Option<i64> {
    let mut moment = micros;
    if interval.months != 0 || interval.days != 0 {
        let local = to_local(zone, moment);
        let days = add_months(local.div_euclid(MICROS_PER_DAY), interval.months.into()) + i64::from(interval.days);
        let local = days.checked_mul(MICROS_PER_DAY)?.checked_add(local.rem_euclid(MICROS_PER_DAY))?;
        moment = to_utc(zone, local);
    }
    moment.checked_add(interval.nanoseconds / 1000)
}

/// The interval of the opposite sign; `None` where it does not fit.
pub fn negate_interval(interval: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        interval.months.checked_neg()?,
        interval.days.checked_neg()?,
        interval.nanoseconds.checked_neg()?,
    ))
}

/// A part of a date or time, as EXTRACT, date_trunc and date_diff name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    /// Day of the week, Sunday 0.
    Dow,
    /// Day of the week, Monday 1 to Sunday 7.
    IsoDow,
    Doy,
    Hour,
    Minute,
    Second,
    /// Milliseconds within the minute, as in PostgreSQL.
    Millisecond,
    /// Microseconds within the minute, as in PostgreSQL.
    Microsecond,
    /// Seconds since 1970-01-01, or in an interval.
    Epoch,
}

impl Part {
    /// Reads a name, singular or plural, or a common short form.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        Ok(match lower.as_str() {
            "millennium" | "millennia" | "mil" => Self::Millennium,
            "century" | "centuries" | "cent" | "c" => Self::Century,
            "decade" | "decades" | "dec" => Self::Decade,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "isoyear" => Self::IsoYear,
            "quarter" | "quarters" | "q" => Self::Quarter,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "week" | "weeks" | "w" | "weekofyear" => Self::Week,
            "day" | "days" | "d" | "dayofmonth" => Self::Day,
            "dow" | "dayofweek" | "weekday" => Self::Dow,
            "isodow" => Self::IsoDow,
            "doy" | "dayofyear" => Self::Doy,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "minute" | "minutes" | "min" | "mins" | "m" => Self::Minute,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Millisecond,
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Self::Microsecond,
            "epoch" => Self::Epoch,
            _ => {
                return Err(Error::data(format!("'{text}' is no part of a date or time")).with_hint(
                    "parts are year, quarter, month, week, day, hour, minute, second, millisecond, microsecond, \
                     dow, isodow, doy, isoyear, decade, century, epoch",
                ));
            }
        })
    }

    /// The part of local microseconds as a whole number; of `Second` and `Epoch` without the fraction.
    pub fn whole(self, micros: i64) -> i64 {
        let days = micros.div_euclid(MICROS_PER_DAY);
        let clock = micros.rem_euclid(MICROS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        // There is no year 0: 1 BC stands before 1 AD.
        let counted = |span: i64| if year > 0 { (year + span - 1) / span } else { -((span - year) / span) };
        match self {
            Self::Millennium => counted(1000),
            Self::Century => counted(100),
            Self::Decade => year.div_euclid(10),
            Self::Year => year,
            Self::IsoYear => iso_week(days).0,
            Self::Quarter => (month + 2) / 3,
            Self::Month => month,
            Self::Week => iso_week(days).1,
            Self::Day => day,
            Self::Dow => (weekday(days) + 1) % 7,
            Self::IsoDow => weekday(days) + 1,
            Self::Doy => days - days_from_civil(year, 1, 1) + 1,
            Self::Hour => clock / MICROS_PER_HOUR,
            Self::Minute => clock / MICROS_PER_MINUTE % 60,
            Self::Second => clock / MICROS_PER_SECOND % 60,
            Self::Millisecond => clock % MICROS_PER_MINUTE / 1000,
            Self::Microsecond => clock % MICROS_PER_MINUTE,
            Self::Epoch => micros.div_euclid(MICROS_PER_SECOND),
        }
    }

    /// The part of local microseconds, with the fraction of seconds.
    pub fn fractional(self, micros: i64) -> f64 {
        match self {
            Self::Second => (micros.rem_euclid(MICROS_PER_MINUTE)) as f64 / MICROS_PER_SECOND as f64,
            Self::Millisecond => (micros.rem_euclid(MICROS_PER_MINUTE)) as f64 / 1000.0,
            Self::Epoch => micros as f64 / MICROS_PER_SECOND as f64,
            _ => self.whole(micros) as f64,
        }
    }

    /// The part of an interval, as PostgreSQL takes it; `None` for parts that an interval does not have.
    pub fn of_interval(self, interval: IntervalMonthDayNano) -> Option<f64> {
        let months = i64::from(interval.months);
        let micros = interval.nanoseconds / 1000;
        Some(match self {
            Self::Millennium => (months / 12_000) as f64,
            Self::Century => (months / 1200) as f64,
            Self::Decade => (months / 120) as f64,
            Self::Year => (months / 12) as f64,
            Self::Quarter => (months % 12 / 3 + 1) as f64,
            Self::Month => (months % 12) as f64,
            Self::Day => f64::from(interval.days),
            Self::Hour => (micros / MICROS_PER_HOUR) as f64,
            Self::Minute => (micros / MICROS_PER_MINUTE % 60) as f64,
            Self::Second => (micros % MICROS_PER_MINUTE) as f64 / MICROS_PER_SECOND as f64,
            Self::Millisecond => (micros % MICROS_PER_MINUTE) as f64 / 1000.0,
            Self::Microsecond => (micros % MICROS_PER_MINUTE) as f64,
            // A year is 365.25 days here, and a month 30.
            Self::Epoch => {
                (months / 12) as f64 * 31_557_600.0
                    + (months % 12) as f64 * 2_592_000.0
                    + f64::from(interval.days) * 86_400.0
                    + interval.nanoseconds as f64 / 1e9
            }
            Self::IsoYear | Self::Week | Self::Dow | Self::IsoDow | Self::Doy => return None,
        })
    }

    /// Microseconds of a part of fixed length up to an hour.
    pub fn fixed_micros(self) -> Option<i64> {
        Some(match self {
            Self::Hour => MICROS_PER_HOUR,
            Self::Minute => MICROS_PER_MINUTE,
            Self::Second => MICROS_PER_SECOND,
            Self::Millisecond => 1000,
            Self::Microsecond => 1,
            _ => return None,
        })
    }

    /// How many units of this part lie before local microseconds, counted from some fixed start; `None` for parts
    /// that do not count (dow, doy, epoch).
    pub fn ordinal(self, micros: i64) -> Option<i64> {
        if let Some(unit) = self.fixed_micros() {
            return Some(micros.div_euclid(unit));
        }
        let days = micros.div_euclid(MICROS_PER_DAY);
        let (year, month, _) = civil_from_days(days);
        Some(match self {
            Self::Millennium => (year - 1).div_euclid(1000),
            Self::Century => (year - 1).div_euclid(100),
            Self::Decade => year.div_euclid(10),
            Self::Year => year,
            Self::IsoYear => iso_week(days).0,
            Self::Quarter => year * 4 + (month - 1) / 3,
            Self::Month => year * 12 + month - 1,
            Self::Week => (days + 3).div_euclid(7),
            Self::Day => days,
            _ => return None,
        })
    }

    /// The unit that local microseconds are in, which its start names; `None` for parts without one (dow, doy, epoch), and
    /// where it is out of range.
    pub fn bucket(self, micros: i64) -> Option<Bucket> {
        let ordinal = self.ordinal(micros)?;
        let start = self.start_of(ordinal)?;
        let end = ordinal.checked_add(1).and_then(|next| self.start_of(next)).unwrap_or(i64::MAX);
        Some(Bucket { start, end, label: start })
    }

    /// The start of the unit of that [`ordinal`](Self::ordinal).
    fn start_of(self, ordinal: i64) -> Option<i64> {
        if let Some(unit) = self.fixed_micros() {
            return ordinal.checked_mul(unit);
        }
        let days = match self {
            Self::Millennium => days_from_civil(ordinal * 1000 + 1, 1, 1),
            Self::Century => days_from_civil(ordinal * 100 + 1, 1, 1),
            Self::Decade => days_from_civil(ordinal * 10, 1, 1),
            Self::Year => days_from_civil(ordinal, 1, 1),
            Self::IsoYear => {
                let fourth = days_from_civil(ordinal, 1, 4);
                fourth - weekday(fourth)
            }
            Self::Quarter => days_from_civil(ordinal.div_euclid(4), ordinal.rem_euclid(4) * 3 + 1, 1),
            Self::Month => days_from_civil(ordinal.div_euclid(12), ordinal.rem_euclid(12) + 1, 1),
            Self::Week => ordinal * 7 - 3,
            _ => ordinal,
        };
        days.checked_mul(MICROS_PER_DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::grid::LastBucket;
    use crate::types::temporal::days_from_date;
    use chrono::NaiveDate;

    #[test]
    fn the_bucket_of_the_row_before_is_taken_only_for_moments_inside_of_it() {
        use Part::*;
        for part in [
            Millennium,
            Century,
            Decade,
            Year,
            IsoYear,
            Quarter,
            Month,
            Week,
            Day,
            Hour,
            Minute,
            Second,
            Millisecond,
            Microsecond,
            Dow,
        ] {
            let last = LastBucket::default();
            let moments = [
                0,
                -1,
                1,
                i64::MIN,
                i64::MAX,
                i64::MAX,
                i64::MIN,
                951_868_799_999_999,
                951_868_800_000_000,
                951_868_800_000_001,
                -62_135_596_800_000_001,
                -62_135_596_800_000_000,
                3_599_999_999,
                3_600_000_000,
            ];
            for micros in moments.into_iter().flat_map(|micros| [micros, micros, micros ^ 1, micros ^ 0xfff_ffff]) {
                let found = last.label(micros, |micros| part.bucket(micros));
                assert_eq!(found, part.bucket(micros).map(|unit| unit.start), "{part:?} {micros}");
            }
        }
    }

    #[test]
    fn the_calendar_holds_at_the_ends_of_what_a_timestamp_can_be() {
        for micros in [i64::MIN, i64::MAX] {
            let days = micros.div_euclid(MICROS_PER_DAY);
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(add_interval(i64::MAX, IntervalMonthDayNano::new(0, 1, 0), None), None);
        assert_eq!(
            Part::Century
                .whole(i64::from(days_from_date(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap())) * MICROS_PER_DAY),
            20
        );
    }

    #[test]
    fn a_day_across_a_clock_change_keeps_the_clock_and_24_hours_do_not() {
        let zone = parse_zone("America/New_York").unwrap();
        let at = |text| crate::types::temporal::parse_timestamp(text).unwrap().0;
        let noon = at("2013-03-09 17:00");
        assert_eq!(add_interval(noon, IntervalMonthDayNano::new(0, 1, 0), Some(&zone)), Some(at("2013-03-10 16:00")));
        let day = 24 * 3600 * 1_000_000_000;
        assert_eq!(add_interval(noon, IntervalMonthDayNano::new(0, 0, day), Some(&zone)), Some(at("2013-03-10 17:00")));
    }
}
