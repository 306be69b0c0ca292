//! Buckets of time: a grid of edges, which of its edges a bucket holds, and which one names it.
//!
//! Edges lie evenly in elapsed time, or, for days and longer in a time zone, in local time: such an edge is the first
//! moment at which the clock there shows it or a later time. So the edge is the earlier one of a time that occurs
//! twice, and the end of the gap for one that a clock change skips, and edges are in order whatever clocks do.

use std::cell::Cell;
use std::str::FromStr;

use arrow::datatypes::IntervalMonthDayNano;

use super::calendar::{civil_from_days, days_from_civil, weekday};
use super::interval::format_interval;
use super::rule::{Rule, Unit};
use super::temporal::{MICROS_PER_DAY, Zone};
use crate::error::{Error, Result};

/// Local midnight of Monday, 2000-01-03, through which grids go that are given no origin.
const MONDAY: i64 = 10_959 * MICROS_PER_DAY;
/// Local midnight of 2000-01-01, the same for those of months.
const MILLENNIUM: i64 = 10_957 * MICROS_PER_DAY;

/// No zone knows of a clock change before 1800, nor of one of a day from 2100 on.
const FIRST_CHANGES: i64 = -62_091 * MICROS_PER_DAY;
const LAST_CHANGES: i64 = 47_482 * MICROS_PER_DAY;

/// An edge of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The earlier one.
    Left,
    /// The later one.
    Right,
}

impl FromStr for Side {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            _ => Err(Error::usage(format!("'{text}' is no side of a bucket")).with_hint("write 'left' or 'right'")),
        }
    }
}

impl TryFrom<&str> for Side {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl Side {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// All buckets of time of one kind, from the first moment to the last. Moments are microseconds since 1970 in UTC, or
/// local ones where timestamps have no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    edges: Edges,
    /// The zone in whose local time the edges lie; none for elapsed time.
    zone: Option<Zone>,
    /// By how much a bucket begins behind its left edge: by a microsecond, where it holds the right one instead.
    behind: i64,
    label: Side,
    /// From an edge to the label that it gives: rules by the end name a bucket by its last day, whose end is the edge.
    to_label: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edges {
    /// At `anchor`, in `0..width`, and multiples of `width` from there.
    Even { anchor: i64, width: i64 },
    /// So many microseconds behind the start of the month `anchor` (months since year 0), and of every so many from there.
    Months { anchor: i64, width: i64, behind: i64 },
}

/// One bucket: the moments from `start` up to, but without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The first moment.
    pub start: i64,
    /// The moment behind the last one; the last that there is, where the bucket goes on behind it.
    pub end: i64,
    /// The edge that names the bucket.
    pub label: i64,
}

/// Months since January of year 0.
fn month_of_day(day: i64) -> i64 {
    let (year, month, _) = civil_from_days(day);
    year * 12 + month - 1
}

fn month_of(micros: i64) -> i64 {
    month_of_day(micros.div_euclid(MICROS_PER_DAY))
}

fn month_start(month: i64) -> Option<i64> {
    days_from_civil(month.div_euclid(12), month.rem_euclid(12) + 1, 1).checked_mul(MICROS_PER_DAY)
}

/// The number so many times `per` from `phase` that is `value`, or the next one below or, closed on the right, above.
fn rolled(value: i64, phase: i64, per: i64, closed: Side) -> i64 {
    match closed {
        Side::Left => value - (value - phase).rem_euclid(per),
        Side::Right => value + (phase - value).rem_euclid(per),
    }
}

impl Grid {
    /// The buckets of a rule. One of the edges is `anchor`: a moment for elapsed time, local time in `zone` for days and
    /// longer units. For weeks and longer units, which begin on days of their own, that day is the last one until
    /// `anchor` where buckets are closed on the left, and the first one from `anchor` on else, as in pandas.
    ///
    /// # Errors
    /// Where edges lie out of the range of timestamps.
    pub fn new(rule: Rule, closed: Side, label: Side, anchor: i64, zone: Option<Zone>) -> Result<Self> {
        let too_long = || Error::usage(format!("the buckets of the rule '{rule}' are too long"));
        let zone = zone.filter(|zone| !zone.is_utc());
        let right = i64::from(closed == Side::Right);
        let day = anchor.div_euclid(MICROS_PER_DAY);
        // A rule by the end names months by their last day, the one before an edge.
        let ends = i64::from(rule.by_end());
        let months = |per: i64, phase: i64| {
            let month = month_of_day(day + ends);
            let begun = closed == Side::Right && month_start(month) != (day + ends).checked_mul(MICROS_PER_DAY);
            Edges::Months {
                anchor: rolled(month + i64::from(begun), phase + ends, per, closed),
                width: per * rule.count(),
                behind: ends * (right - 1) * MICROS_PER_DAY,
            }
        };
        let even = |width: Option<i64>, anchor: Option<i64>| {
            let (width, anchor) = width.zip(anchor).ok_or_else(too_long)?;
            Ok::<_, Error>(Edges::Even { anchor: anchor.rem_euclid(width), width })
        };
        let edges = match rule.unit() {
            Unit::Microsecond => even(Some(rule.count()), Some(anchor))?,
            Unit::Day => even(rule.count().checked_mul(MICROS_PER_DAY), Some(anchor))?,
            Unit::Week(last) => {
                let width = rule.count().checked_mul(7 * MICROS_PER_DAY);
                let named = rolled(day, day - weekday(day) + last, 7, closed);
                even(width, named.checked_add(right).and_then(|day| day.checked_mul(MICROS_PER_DAY)))?
            }
            Unit::MonthStart | Unit::MonthEnd => months(1, 0),
            Unit::QuarterStart(month) | Unit::QuarterEnd(month) => months(3, month),
            Unit::YearStart(month) | Unit::YearEnd(month) => months(12, month),
        };
        Ok(Self {
            edges,
            zone: zone.filter(|_| rule.unit() != Unit::Microsecond),
            behind: right * (1 - ends),
            label,
            to_label: -ends * right * MICROS_PER_DAY,
        })
    }

    /// Buckets of that width, closed and labelled on the left, with the origin as an edge; without one, 2000-01-03 for
    /// days and shorter widths, 2000-01-01 for months, so that weeks begin on Mondays and years in January (as in
    /// TimescaleDB and DuckDB). Of an origin of months only the month counts. In a zone, months and days are counted
    /// in local time, and everything else in elapsed time.
    ///
    /// # Errors
    /// Where the width is not positive, or mixes months with anything else.
    pub fn of_width(width: IntervalMonthDayNano, origin: Option<i64>, zone: Option<Zone>) -> Result<Self> {
        let shown = || format_interval(width);
        let IntervalMonthDayNano { months, days, nanoseconds } = width;
        if months != 0 && (days != 0 || nanoseconds != 0) {
            return Err(Error::data(format!("the bucket width '{}' mixes months with days or times", shown()))
                .with_hint("take either whole months or a fixed number of days, hours, …"));
        }
        if nanoseconds % 1000 != 0 {
            return Err(Error::data(format!("the bucket width '{}' is finer than a microsecond", shown())));
        }
        let zone = zone.filter(|zone| !zone.is_utc());
        let local = |moment: i64| zone.map_or(moment, |zone| zone.to_local(moment));
        let micros = i64::from(days).checked_mul(MICROS_PER_DAY).and_then(|days| days.checked_add(nanoseconds / 1000));
        if micros.is_none() {
            return Err(Error::data(format!("the bucket width '{}' is out of the range of timestamps", shown()))
                .with_hint("take months for buckets of many years"));
        }
        let (edges, zone) = match (months, micros) {
            (1.., _) => {
                let anchor = month_of(origin.map_or(MILLENNIUM, local));
                (Edges::Months { anchor, width: months.into(), behind: 0 }, zone)
            }
            (0, Some(micros @ 1..)) if nanoseconds == 0 => {
                (Edges::Even { anchor: origin.map_or(MONDAY, local).rem_euclid(micros), width: micros }, zone)
            }
            (0, Some(micros @ 1..)) => {
                let usual = zone.map_or(MONDAY, |zone| zone.first_moment(MONDAY));
                (Edges::Even { anchor: origin.unwrap_or(usual).rem_euclid(micros), width: micros }, None)
            }
            _ => {
                return Err(Error::data(format!("the bucket width '{}' is not positive", shown()))
                    .with_hint("write for instance INTERVAL '15 minutes'"));
            }
        };
        Ok(Self { edges, zone, behind: 0, label: Side::Left, to_label: 0 })
    }

    /// The label of the bucket that a moment is in; `None` where it is out of the range of timestamps.
    pub fn floor(&self, micros: i64) -> Option<i64> {
        self.bucket(micros).map(|bucket| bucket.label)
    }

    /// The bucket that a moment is in; `None` where its start or label is out of the range of timestamps.
    #[inline]
    pub fn bucket(&self, micros: i64) -> Option<Bucket> {
        let inner = micros.checked_sub(self.behind)?;
        let (start, end, label) = match (self.edges, self.zone) {
            (Edges::Even { anchor, width }, None) => {
                let distance = match inner.checked_sub(anchor) {
                    Some(distance) => distance.rem_euclid(width),
                    // Modulo the width the distance is the same from any edge.
                    None => (inner.rem_euclid(width) - anchor).rem_euclid(width),
                };
                let start = inner.checked_sub(distance)?;
                let end = start.checked_add(width);
                let edge = if self.label == Side::Left { start } else { end? };
                (start, end, edge.checked_add(self.to_label)?)
            }
            _ => {
                let (index, start, end) = self.edges_around(inner)?;
                let label = match self.label {
                    _ if self.to_label != 0 => self.label_of(index)?,
                    Side::Left => start,
                    Side::Right => end?,
                };
                (start, end, label)
            }
        };
        let start = start.checked_add(self.behind)?;
        Some(Bucket { start, end: end.map_or(i64::MAX, |end| end.saturating_add(self.behind)), label })
    }

    /// The label of the bucket behind the one of that label; `None` where there is none within the range of timestamps.
    /// Given out again and again it passes every bucket, except for those that a clock change leaves without a moment.
    pub fn next(&self, label: i64) -> Option<i64> {
        if let (Edges::Even { width, .. }, None) = (self.edges, self.zone) {
            return label.checked_add(width);
        }
        let local = self.zone.map_or(label, |zone| zone.to_local(label));
        let index = self.local_index(local.checked_sub(self.to_label)?)?;
        let right = i64::from(self.label == Side::Right);
        // The label itself, and a bucket without a moment, lie before what is looked for.
        (index - right..index - right + 4).filter_map(|index| self.label_of(index)).find(|next| *next > label)
    }

    /// How many labels there are from one up to, but without, a moment behind it; `None` for more than `most`.
    pub fn count(&self, label: i64, end: i64, most: u64) -> Option<u64> {
        if let (Edges::Even { width, .. }, None) = (self.edges, self.zone) {
            let count = end.abs_diff(label).div_ceil(width.unsigned_abs());
            return (count <= most).then_some(count);
        }
        let mut count = 0;
        let mut at = Some(label);
        while let Some(label) = at.filter(|label| *label < end) {
            // Only where clock changes may leave a bucket without a moment they are passed one by one.
            let jump = match label {
                _ if self.zone.is_none() => Some(end),
                ..FIRST_CHANGES => Some(end.min(FIRST_CHANGES)),
                LAST_CHANGES.. => Some(end),
                _ => None,
            };
            let (passed, next) = match jump {
                Some(to) => self.jump(label, to)?,
                None => (1, self.next(label)),
            };
            count += passed;
            if count > most {
                return None;
            }
            at = next;
        }
        Some(count)
    }

    /// How many labels there are from one up to, but without, a moment behind it where each bucket has moments; and the next
    /// label, where there is one.
    fn jump(&self, label: i64, end: i64) -> Option<(u64, Option<i64>)> {
        let right = i64::from(self.label == Side::Right);
        let near = |micros: i64| {
            let local = self.zone.map_or(micros, |zone| zone.to_local(micros));
            Some(self.local_index(local.saturating_sub(self.to_label))? - right)
        };
        // Clocks may differ by a day from one moment to the next, and edges of months lie behind their start.
        let first = |near: i64, least: i64| {
            (near - 2..).find(|&index| self.label_of(index).is_none_or(|found| found >= least)).unwrap_or(near)
        };
        let (from, to) = (first(near(label)?, label), first(near(end)?, end));
        let passed = u64::try_from(to - from).ok()?.max(1);
        Some((passed, self.label_of(to)))
    }

    /// The bucket that a moment is in, counted from that of the anchor, with the edges on both sides.
    fn edges_around(&self, micros: i64) -> Option<(i64, i64, Option<i64>)> {
        let mut index = self.local_index(self.zone.map_or(micros, |zone| zone.to_local(micros)))?;
        let (mut start, mut end) = (self.edge(index)?, self.edge(index + 1));
        // Where clocks are set back over midnight, local time is twice on either side of the edge.
        while start > micros {
            index -= 1;
            (start, end) = (self.edge(index)?, Some(start));
        }
        while let Some(next) = end.filter(|next| *next <= micros) {
            index += 1;
            (start, end) = (next, self.edge(index + 1));
        }
        Some((index, start, end))
    }

    fn local_index(&self, local: i64) -> Option<i64> {
        match self.edges {
            Edges::Even { anchor, width } => Some(local.checked_sub(anchor)?.div_euclid(width)),
            Edges::Months { anchor, width, behind } => {
                Some((month_of(local.checked_sub(behind)?) - anchor).div_euclid(width))
            }
        }
    }

    /// The edge on the left of a bucket, in local time.
    fn local_edge(&self, index: i64) -> Option<i64> {
        match self.edges {
            Edges::Even { anchor, width } => index.checked_mul(width)?.checked_add(anchor),
            Edges::Months { anchor, width, behind } => month_start(anchor + index * width)?.checked_add(behind),
        }
    }

    fn moment(&self, local: i64) -> i64 {
        self.zone.map_or(local, |zone| zone.first_moment(local))
    }

    fn edge(&self, index: i64) -> Option<i64> {
        self.local_edge(index).map(|local| self.moment(local))
    }

    fn label_of(&self, index: i64) -> Option<i64> {
        let edge = self.local_edge(index + i64::from(self.label == Side::Right))?;
        edge.checked_add(self.to_label).map(|local| self.moment(local))
    }
}

/// The bucket of the row before: rows that follow one another mostly share one, and need no division then.
#[derive(Debug, Default)]
pub struct LastBucket {
    start: Cell<i64>,
    /// Zero for no bucket.
    length: Cell<u64>,
    label: Cell<i64>,
}

impl LastBucket {
    /// The label of the bucket that the moment is in; `find` gives that bucket, where it is another one.
    #[inline]
    pub fn label(&self, micros: i64, find: impl FnOnce(i64) -> Option<Bucket>) -> Option<i64> {
        // An earlier moment wraps to a large distance.
        if (micros.wrapping_sub(self.start.get()) as u64) < self.length.get() {
            return Some(self.label.get());
        }
        let bucket = find(micros)?;
        self.start.set(bucket.start);
        self.length.set(bucket.end.wrapping_sub(bucket.start) as u64);
        self.label.set(bucket.label);
        Some(bucket.label)
    }
}

#[cfg(test)]
mod tests;
