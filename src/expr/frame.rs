//! The frame of a window: which rows around a row an aggregate takes for it.

use std::fmt;

use arrow::datatypes::IntervalMonthDayNano;

use crate::types::interval::format_interval;

/// The rows from one edge to another, within the partition of the row they are taken for. Going from row to row, neither
/// edge moves back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Where it starts.
    pub start: Edge,
    /// Where it ends.
    pub end: Edge,
}

/// Where a frame starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// At the first row of the partition, or the last.
    Unbounded,
    /// So many rows behind the current one, or before it where negative; that row is inside.
    Rows(i64),
    /// Where the order key is so many microseconds above that of the current row, or below it where negative; rows with
    /// just that key are inside if it is closed. A row without a key has no rows in its frame, and is in none.
    Key {
        /// From the key of the current row.
        distance: i64,
        /// Whether rows at the edge are inside.
        closed: bool,
    },
}

impl Frame {
    /// Whether rows only enter it, until a partition ends.
    pub fn only_grows(&self) -> bool {
        self.start == Edge::Unbounded
    }

    /// Whether an edge is told by the order key.
    pub fn uses_key(&self) -> bool {
        [self.start, self.end].iter().any(|edge| matches!(edge, Edge::Key { .. }))
    }
}

impl Edge {
    fn is_closed(self) -> bool {
        !matches!(self, Self::Key { closed: false, .. })
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |distance: i64| if distance < 0 { "before" } else { "after" };
        match *self {
            Self::Unbounded => write!(f, "unbounded"),
            Self::Rows(0) => write!(f, "current row"),
            Self::Rows(rows) => {
                write!(f, "{} row{} {}", rows.unsigned_abs(), if rows.abs() == 1 { "" } else { "s" }, place(rows))
            }
            Self::Key { distance: 0, .. } => write!(f, "current key"),
            Self::Key { distance, .. } => {
                const MICROS_PER_DAY: u64 = 86_400_000_000;
                let micros = distance.unsigned_abs();
                // Days of 64 bits of microseconds fit 32 bits, and the nanoseconds of a day 64.
                let (days, rest) = ((micros / MICROS_PER_DAY) as i32, (micros % MICROS_PER_DAY * 1000) as i64);
                write!(f, "{} {}", format_interval(IntervalMonthDayNano::new(0, days, rest)), place(distance))
            }
        }
    }
}

/// As an interval is written: `(7 days before, current row]`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = (self.start.is_closed(), self.end.is_closed());
        write!(f, "{}{}, {}{}", if open { '[' } else { '(' }, self.start, self.end, if close { ']' } else { ')' })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_print_as_intervals() {
        let week = Edge::Key { distance: -7 * 86_400_000_000, closed: false };
        let frame = |start, end| Frame { start, end }.to_string();
        assert_eq!(frame(week, Edge::Rows(0)), "(7 days before, current row]");
        assert_eq!(frame(Edge::Rows(-99), Edge::Rows(1)), "[99 rows before, 1 row after]");
        assert_eq!(frame(Edge::Unbounded, Edge::Key { distance: 0, closed: false }), "[unbounded, current key)");
        assert_eq!(
            frame(Edge::Key { distance: -1_500_000, closed: true }, Edge::Key { distance: i64::MAX, closed: true }),
            "[00:00:01.5 before, 106751991 days 04:00:54.775807 after]"
        );
    }
}
