//! The calendar: days become dates and back, over the whole range of both.
//!
//! By the algorithms of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the proleptic Gregorian calendar
//! in eras of 400 years that begin on the first of March.

/// Year, month (from 1) and day (from 1) of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date that exists, of a year within a few millions.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// How many days a month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The same day of the month so many months later, or the month's last day where it is shorter.
pub fn add_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = civil_from_days(days);
    let index = year * 12 + month - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    days_from_civil(year, month, day.min(days_in_month(year, month)))
}

/// Day of the week, from Monday, 0.
pub fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// ISO 8601's year and week: a week belongs to the year of its Thursday.
pub fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 3;
    let (year, ..) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::temporal::{date_from_days, days_from_date};
    use chrono::Datelike;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_calendar_agrees_with_chrono(days in -4_000_000i32..4_000_000, months in -5000i64..5000) {
            let date = date_from_days(days).unwrap();
            let (year, month, day) = civil_from_days(days.into());
            prop_assert_eq!((year, month, day), (date.year().into(), date.month().into(), date.day().into()));
            prop_assert_eq!(days_from_civil(year, month, day), i64::from(days));
            prop_assert_eq!(weekday(days.into()), i64::from(date.weekday().num_days_from_monday()));
            prop_assert_eq!(iso_week(days.into()), (date.iso_week().year().into(), date.iso_week().week().into()));
            let months = chrono::Months::new(u32::try_from(months.abs()).unwrap());
            let later = date.checked_add_months(months).unwrap();
            prop_assert_eq!(add_months(days.into(), i64::from(months.as_u32())), i64::from(days_from_date(later)));
        }
    }
}
