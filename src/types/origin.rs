//! Where the grid of a resampling lies: pandas' `origin` and `offset`, and which of them need to see the data first.

use std::str::FromStr;

use super::grid::{Grid, Side};
use super::rule::{Rule, Unit};
use super::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone, parse_timestamp};
use crate::error::{Error, Result};

/// The moment that buckets of elapsed time (and of days, where timestamps have no zone) are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Midnight of 1970-01-01, local time.
    Epoch,
    /// The first timestamp.
    Start,
    /// Midnight of the day of the first timestamp, local time; pandas' default.
    StartDay,
    /// The last timestamp.
    End,
    /// Midnight at the end of the day of the last timestamp, local time.
    EndDay,
    /// That local time, in microseconds since 1970.
    Local(i64),
    /// That moment, in microseconds since 1970 in UTC.
    Moment(i64),
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "epoch" => Self::Epoch,
            "start" => Self::Start,
            "start_day" => Self::StartDay,
            "end" => Self::End,
            "end_day" => Self::EndDay,
            _ => match parse_timestamp(text) {
                Some((local, None)) => Self::Local(local),
                Some((local, Some(east))) => Self::Moment(local.saturating_sub(east * MICROS_PER_SECOND)),
                None => {
                    return Err(Error::usage(format!("'{text}' is no origin")).with_hint(
                        "write 'epoch', 'start', 'start_day', 'end', 'end_day' or a timestamp such as '2013-01-31 06:00'",
                    ));
                }
            },
        })
    }
}

impl TryFrom<&str> for Origin {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

/// One of the ends of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first timestamp.
    First,
    /// The last timestamp.
    Last,
}

/// All that decides the [`Grid`] of a resampling, as pandas names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// How long buckets are.
    pub rule: Rule,
    /// Which edge a bucket holds; none for what the rule and the origin imply.
    pub closed: Option<Side>,
    /// Which edge names a bucket; none for what the rule and the origin imply.
    pub label: Option<Side>,
    /// What buckets are counted from.
    pub origin: Origin,
    /// Microseconds that the origin is moved by.
    pub offset: i64,
    /// The zone of local time; none for timestamps without zone.
    pub zone: Option<Zone>,
}

impl Resampling {
    /// By the rule alone.
    pub fn new(rule: Rule) -> Self {
        Self { rule, closed: None, label: None, origin: Origin::StartDay, offset: 0, zone: None }
    }

    fn usual_side(&self) -> Side {
        if self.rule.by_end() || matches!(self.origin, Origin::End | Origin::EndDay) { Side::Right } else { Side::Left }
    }

    /// Which edge a bucket holds.
    pub fn closed(&self) -> Side {
        self.closed.unwrap_or_else(|| self.usual_side())
    }

    /// Which edge names a bucket.
    pub fn label(&self) -> Side {
        self.label.unwrap_or_else(|| self.usual_side())
    }

    /// Whether origin and offset count: for elapsed time, and for days of timestamps without zone. Other units begin on
    /// days of their own, and several of them are counted from the first timestamp.
    pub fn counts_from_origin(&self) -> bool {
        match self.rule.unit() {
            Unit::Microsecond => true,
            Unit::Day => self.zone.is_none(),
            _ => false,
        }
    }

    /// Which end of the data the grid depends on, if any. One calendar unit lies where it lies, and so do buckets that
    /// divide the day, wherever midnight is at the same moment of each day in UTC.
    pub fn needs(&self) -> Option<End> {
        if !self.counts_from_origin() {
            return (self.rule.count() > 1).then_some(End::First);
        }
        let divides_the_day = self.length().is_some_and(|micros| MICROS_PER_DAY % micros == 0);
        match self.origin {
            Origin::Epoch | Origin::Local(_) | Origin::Moment(_) => None,
            Origin::StartDay | Origin::EndDay if divides_the_day && self.has_fixed_midnight() => None,
            Origin::Start | Origin::StartDay => Some(End::First),
            Origin::End | Origin::EndDay => Some(End::Last),
        }
    }

    fn has_fixed_midnight(&self) -> bool {
        self.zone.is_none_or(|zone| zone.is_utc() || matches!(zone, Zone::Fixed(_)))
    }

    /// Microseconds of elapsed time; days count as 24 hours.
    fn length(&self) -> Option<i64> {
        match self.rule.unit() {
            Unit::Microsecond => Some(self.rule.count()),
            Unit::Day => self.rule.count().checked_mul(MICROS_PER_DAY),
            _ => None,
        }
    }

    /// An edge of the grid, as [`Grid::new`] takes it; `end` is the end of the data that it [`needs`](Self::needs), none
    /// where there is no data.
    pub fn anchor(&self, end: Option<i64>) -> i64 {
        let to_local = |moment: i64| self.zone.map_or(moment, |zone| zone.to_local(moment));
        let first_moment = |local: i64| self.zone.map_or(local, |zone| zone.first_moment(local));
        let data = end.unwrap_or(0);
        let midnight = |local: i64| local.saturating_sub(local.rem_euclid(MICROS_PER_DAY));
        if !self.counts_from_origin() {
            return midnight(to_local(data));
        }
        let origin = match self.origin {
            Origin::Epoch => first_moment(0),
            Origin::Start | Origin::End => data,
            Origin::StartDay => first_moment(midnight(to_local(data))),
            Origin::EndDay => {
                let local = to_local(data);
                first_moment(local.saturating_add((-local).rem_euclid(MICROS_PER_DAY)))
            }
            Origin::Local(local) => first_moment(local),
            Origin::Moment(moment) => moment,
        };
        origin.saturating_add(self.offset)
    }

    /// The buckets; `end` as for [`anchor`](Self::anchor).
    ///
    /// # Errors
    /// Where buckets are too long.
    pub fn grid(&self, end: Option<i64>) -> Result<Grid> {
        Grid::new(self.rule, self.closed(), self.label(), self.anchor(end), self.zone)
    }
}
