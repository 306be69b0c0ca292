//! The grid against a slow twin: edges listed day by day with chrono's time zones, and looked through one after another.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, TimeZone};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::types::temporal::{parse_timestamp, parse_zone};

fn at(text: &str) -> i64 {
    parse_timestamp(text).unwrap().0
}

fn zone(name: &str) -> Option<Zone> {
    Some(parse_zone(name).unwrap())
}

fn grid(rule: &str, closed: Side, label: Side, anchor: &str, zone: Option<Zone>) -> Grid {
    Grid::new(rule.parse().unwrap(), closed, label, at(anchor), zone).unwrap()
}

/// Midnight of a date, or the first time after it that is one there.
fn midnight(tz: Tz, date: NaiveDate) -> i64 {
    let mut local = date.and_hms_opt(0, 0, 0).unwrap();
    loop {
        if let Some(moment) = tz.from_local_datetime(&local).earliest() {
            return moment.timestamp_micros();
        }
        local += TimeDelta::minutes(1);
    }
}

/// Whether a calendar unit begins or ends on a date.
fn is_edge(unit: Unit, date: NaiveDate) -> bool {
    let tomorrow = date + Days::new(1);
    let month = |date: NaiveDate, per: i64, phase: i64| (i64::from(date.month0()) - phase) % per == 0;
    match unit {
        Unit::Microsecond => unreachable!("elapsed time has no days"),
        Unit::Day => true,
        Unit::Week(day) => i64::from(date.weekday().num_days_from_monday()) == day,
        Unit::MonthStart => date.day() == 1,
        Unit::MonthEnd => tomorrow.day() == 1,
        Unit::QuarterStart(phase) => date.day() == 1 && month(date, 3, phase),
        Unit::QuarterEnd(phase) => tomorrow.day() == 1 && month(date, 3, phase),
        Unit::YearStart(phase) => date.day() == 1 && month(date, 12, phase),
        Unit::YearEnd(phase) => tomorrow.day() == 1 && month(date, 12, phase),
    }
}

/// What a bucket holds, from the first moment to before the last, and its two labels.
type Listed = (i64, i64, [i64; 2]);

/// All buckets of calendar units over some years, counted from that of the anchor's date, as pandas counts.
fn calendar_buckets(rule: Rule, closed: Side, anchor: NaiveDate, tz: Tz) -> Vec<Listed> {
    let mut first = anchor;
    while !is_edge(rule.unit(), first) {
        first = if closed == Side::Left { first - Days::new(1) } else { first + Days::new(1) };
    }
    let count = usize::try_from(rule.count()).unwrap();
    let days = |days: u64| if days < 5000 { first - Days::new(5000 - days) } else { first + Days::new(days - 5000) };
    let before = (0..5000).map(days).filter(|date| is_edge(rule.unit(), *date)).count();
    let edges = (0..10_000).map(days).filter(|date| is_edge(rule.unit(), *date)).skip(before % count).step_by(count);
    let edges: Vec<NaiveDate> = edges.collect();
    let buckets = edges.windows(2).map(|pair| {
        let labels = [midnight(tz, pair[0]), midnight(tz, pair[1])];
        match closed {
            Side::Left => (labels[0], labels[1], labels),
            // The last day belongs to the bucket that it names.
            Side::Right if rule.by_end() => {
                (midnight(tz, pair[0] + Days::new(1)), midnight(tz, pair[1] + Days::new(1)), labels)
            }
            Side::Right => (labels[0] + 1, labels[1] + 1, labels),
        }
    });
    buckets.collect()
}

/// The same of elapsed time, around a moment.
fn elapsed_buckets(rule: Rule, closed: Side, anchor: i64, around: i64) -> Vec<Listed> {
    let right = i64::from(closed == Side::Right);
    let mut edge = anchor;
    while edge > around - 3 * rule.count() {
        edge -= rule.count();
    }
    while edge < around - 4 * rule.count() {
        edge += rule.count();
    }
    let bucket = |index: i64| {
        let left = edge + index * rule.count();
        (left + right, left + rule.count() + right, [left, left + rule.count()])
    };
    (0..8).map(bucket).collect()
}

fn check(rule: Rule, closed: Side, label: Side, zone: &str, anchor: i64, micros: i64) -> Result<(), TestCaseError> {
    let tz: Tz = zone.parse().unwrap();
    let listed = if rule.unit() == Unit::Microsecond {
        elapsed_buckets(rule, closed, anchor, micros)
    } else {
        let date = DateTime::from_timestamp_micros(anchor).unwrap().date_naive();
        calendar_buckets(rule, closed, date, tz)
    };
    let label_of = |bucket: &Listed| bucket.2[usize::from(label == Side::Right)];
    let index = listed.iter().position(|(start, end, _)| (*start..*end).contains(&micros)).unwrap();
    let (start, end, _) = listed[index];
    let anchor =
        if rule.unit() == Unit::Microsecond { anchor } else { anchor.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY };
    let grid = Grid::new(rule, closed, label, anchor, Some(Zone::Named(tz))).unwrap();
    let expected = label_of(&listed[index]);
    prop_assert_eq!(grid.bucket(micros), Some(Bucket { start, end, label: expected }));
    let next = listed[index + 1..].iter().map(label_of).find(|next| *next > expected);
    prop_assert_eq!(grid.next(expected), next);
    Ok(())
}

const RULES: &[&str] = &[
    "1D", "3D", "W", "2W-WED", "W-FRI", "MS", "ME", "5ME", "2MS", "QS", "QE-NOV", "2QS-FEB", "YS", "YE-MAR", "2YE",
    "1h", "7h", "24h",
];

/// Among them zones whose clocks change at or about midnight, and one that left out a day.
const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Toronto",
    "Pacific/Apia",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
];

/// Where clocks of those zones are set forward or back, at and about midnight.
const CHANGES: &[&str] = &[
    "1919-03-31 04:30",
    "1987-10-25 02:31",
    "2006-10-29 02:31",
    "2008-10-19 03:00",
    "2009-02-15 02:00",
    "2011-12-30 10:00",
    "2012-04-01 05:00",
    "2012-11-04 05:00",
    "2013-03-31 01:00",
    "2013-11-03 06:00",
    "2014-05-15 22:00",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_moment_is_in_the_bucket_that_a_list_of_edges_gives(
        rule in prop::sample::select(RULES),
        zone in prop::sample::select(ZONES),
        change in prop::sample::select(CHANGES),
        far in prop::bool::ANY,
        minutes in -200_000i64..200_000,
        rest in prop_oneof![Just(0i64), Just(1), Just(-1), -60_000_000i64..60_000_000],
        anchor_days in -1500i64..1500,
        sides in (prop::bool::ANY, prop::bool::ANY),
    ) {
        let minutes = if far { minutes } else { minutes % 4000 };
        let micros = at(change) + minutes * 60_000_000 + rest;
        let side = |right| if right { Side::Right } else { Side::Left };
        let anchor = at(change) + anchor_days * MICROS_PER_DAY;
        check(rule.parse().unwrap(), side(sides.0), side(sides.1), zone, anchor, micros)?;
    }

    #[test]
    fn the_bucket_of_the_row_before_changes_no_label(
        rule in prop::sample::select(RULES),
        zone in prop::sample::select(ZONES),
        change in prop::sample::select(CHANGES),
        minutes in prop::collection::vec(-4000i64..4000, 1..40),
        sides in (prop::bool::ANY, prop::bool::ANY),
    ) {
        let side = |right| if right { Side::Right } else { Side::Left };
        let grid = Grid::new(rule.parse().unwrap(), side(sides.0), side(sides.1), 0, Some(parse_zone(zone).unwrap())).unwrap();
        let last = LastBucket::default();
        for micros in minutes.into_iter().map(|minutes| at(change) + minutes * 60_000_000) {
            prop_assert_eq!(last.label(micros, |micros| grid.bucket(micros)), grid.floor(micros));
        }
    }
}

#[test]
fn days_are_local_and_hours_elapse() {
    let berlin = zone("Europe/Berlin");
    let labels = |grid: Grid, first: i64, count: usize| -> Vec<i64> {
        std::iter::successors(grid.floor(first), |label| grid.next(*label)).take(count).collect()
    };
    let days = grid("D", Side::Left, Side::Left, "2024-03-30", berlin);
    assert_eq!(
        labels(days, at("2024-03-30 12:00"), 3),
        ["2024-03-29 23:00", "2024-03-30 23:00", "2024-03-31 22:00"].map(at)
    );
    let hours = grid("24h", Side::Left, Side::Left, "2024-03-29 23:00", berlin);
    assert_eq!(
        labels(hours, at("2024-03-30 12:00"), 3),
        ["2024-03-29 23:00", "2024-03-30 23:00", "2024-03-31 23:00"].map(at)
    );
    let months = grid("ME", Side::Right, Side::Right, "2024-01-01", berlin);
    assert_eq!(labels(months, at("2024-03-31 21:59"), 2), ["2024-03-30 23:00", "2024-04-29 22:00"].map(at));
}

#[test]
fn an_hour_that_comes_twice_is_two_buckets() {
    let hours = grid("1h", Side::Left, Side::Left, "2024-01-01", zone("Europe/Berlin"));
    assert_eq!(hours.floor(at("2024-10-27 00:30")), Some(at("2024-10-27 00:00")));
    assert_eq!(hours.floor(at("2024-10-27 01:30")), Some(at("2024-10-27 01:00")));
}

#[test]
fn a_day_that_a_zone_left_out_has_no_bucket() {
    let days = grid("D", Side::Left, Side::Left, "2011-12-01", zone("Pacific/Apia"));
    let last = days.floor(at("2011-12-30 09:59")).unwrap();
    assert_eq!(last, at("2011-12-29 10:00"));
    assert_eq!(days.next(last), Some(at("2011-12-30 10:00")));
    assert_eq!(days.floor(at("2011-12-30 10:00")), Some(at("2011-12-30 10:00")));
    assert_eq!(days.next(at("2011-12-30 10:00")), Some(at("2011-12-31 10:00")));
}

#[test]
fn buckets_hold_up_to_the_ends_of_what_a_timestamp_can_be() {
    for rule in ["1us", "7h", "1D", "W", "ME", "2147483647us", "100000YS", "178956970D"] {
        for zone in [None, zone("Europe/Berlin"), zone("+05:30")] {
            for side in [Side::Left, Side::Right] {
                for label in [Side::Left, Side::Right] {
                    let grid = Grid::new(rule.parse().unwrap(), side, label, 0, zone);
                    let Ok(grid) = grid else { continue };
                    for micros in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
                        if let Some(bucket) = grid.bucket(micros) {
                            assert!(bucket.start <= micros && micros <= bucket.end, "{rule} {micros} {bucket:?}");
                            grid.next(bucket.label);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn widths_lie_on_the_usual_grids_of_databases() {
    let floor = |width: &str, moment: &str, zone| {
        let width = crate::types::interval::parse_interval(width, None).unwrap();
        Grid::of_width(width, None, zone).unwrap().floor(at(moment))
    };
    assert_eq!(floor("7 days", "2013-01-06 13:45", None), Some(at("2012-12-31")));
    assert_eq!(floor("5 years", "2013-02-06", None), Some(at("2010-01-01")));
    assert_eq!(floor("1 day", "2024-03-31 22:30", zone("Europe/Berlin")), Some(at("2024-03-31 22:00")));
    assert_eq!(floor("1 month", "2024-03-31 22:30", zone("Europe/Berlin")), Some(at("2024-03-31 22:00")));
    assert_eq!(floor("12 hours", "2024-07-01 09:00", zone("Europe/Berlin")), Some(at("2024-06-30 23:00")));
}

proptest! {
    #[test]
    fn buckets_are_counted_as_they_are_passed(
        rule in prop::sample::select(vec!["1D", "3D", "W-MON", "ME", "2MS", "QE", "YS"]), label in prop::sample::select(vec![Side::Left, Side::Right]),
        closed in prop::sample::select(vec![Side::Left, Side::Right]),
        zone in prop::sample::select(vec![None, Some("Europe/Berlin"), Some("America/St_Johns"), Some("Pacific/Apia"),
            Some("Pacific/Kwajalein"), Some("Asia/Manila")]),
        around in prop::sample::select(vec!["1799-12-20", "1844-12-20", "1969-09-25", "1993-08-15", "2011-12-25", "2099-12-20"]),
        before in 0i64..2000, behind in 0i64..2000, rest in 0..MICROS_PER_DAY,
    ) {
        let grid = grid(rule, closed, label, "2000-01-01", zone.and_then(super::tests::zone));
        let around = at(around);
        let first = grid.floor(around - before * MICROS_PER_DAY).unwrap();
        let end = around + behind * MICROS_PER_DAY + rest;
        let passed = std::iter::successors(Some(first), |label| grid.next(*label)).take_while(|label| *label < end).count();
        prop_assert_eq!(grid.count(first, end, u64::MAX), Some(passed as u64));
        let short = (passed as u64).checked_sub(1);
        prop_assert!(short.is_none_or(|most| grid.count(first, end, most).is_none()));
    }
}

#[test]
fn counting_the_days_of_all_time_takes_no_time() {
    let berlin = zone("Europe/Berlin");
    let grid = grid("1D", Side::Left, Side::Left, "2000-01-01", berlin);
    let [first, end] =
        [-200_000i64, 200_000].map(|year| grid.floor(days_from_civil(year, 6, 1) * MICROS_PER_DAY).unwrap());
    let days = days_from_civil(200_000, 6, 1) - days_from_civil(-200_000, 6, 1);
    // The first of them begins a little earlier, in local mean time.
    assert_eq!(grid.count(first, end, u64::MAX), Some(days as u64));
    let months = super::tests::grid("MS", Side::Left, Side::Left, "2000-01-01", None);
    assert_eq!(
        months.count(at("2000-01-01"), days_from_civil(200_000, 1, 1) * MICROS_PER_DAY, u64::MAX),
        Some(198_000 * 12)
    );
}
