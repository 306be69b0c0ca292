//! How the gaps of a series of time buckets are filled: what plans say and the operator does, column by column.

use std::fmt;

use arrow::datatypes::IntervalMonthDayNano;

use crate::types::Scalar;
use crate::types::interval::format_interval;

/// What a column is to the series that it is a part of.
#[derive(Clone, Debug, PartialEq)]
pub enum GapColumn {
    /// Rows with other values belong to another series.
    Key,
    /// The start of the bucket.
    Bucket,
    /// A value of the bucket, and what it is where there is none.
    Value(GapFill),
}

/// What the value of a bucket is where there is none. Buckets without rows have none; with `over_nulls` so have those
/// whose value is null.
#[derive(Clone, Debug, PartialEq)]
pub enum GapFill {
    /// Null.
    Null,
    /// A constant of the column's type.
    Constant { value: Scalar, over_nulls: bool },
    /// The value before, so far at most.
    Previous { limit: Option<Reach>, over_nulls: bool },
    /// The value behind, at most so many buckets before it.
    Next { limit: Option<u64>, over_nulls: bool },
    /// The line between the values before and behind; the column is DOUBLE.
    Linear(Line),
}

/// A line from one value to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whether the line is even over time, or from bucket to bucket, which differs where their lengths do.
    pub over_time: bool,
    /// Only the first buckets are filled.
    pub limit: Option<u64>,
    /// Values that are farther apart are not joined.
    pub max_gap: Option<Reach>,
    /// Whether values that are null are none.
    pub over_nulls: bool,
}

/// How far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    /// So many buckets without a value.
    Buckets(u64),
    /// From the start of one bucket to that of another.
    Time(IntervalMonthDayNano),
}

impl GapFill {
    /// Whether what a row gets can depend on later rows that are any number of rows away.
    pub fn waits(&self) -> bool {
        match self {
            Self::Next { over_nulls, .. } => *over_nulls,
            Self::Linear(line) => line.over_nulls,
            Self::Null | Self::Constant { .. } | Self::Previous { .. } => false,
        }
    }
}

impl fmt::Display for GapFill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Constant { value, .. } => write!(f, "{value}"),
            Self::Previous { limit: None, .. } => write!(f, "previous"),
            Self::Previous { limit: Some(limit), .. } => write!(f, "previous within {limit}"),
            Self::Next { limit: None, .. } => write!(f, "next"),
            Self::Next { limit: Some(limit), .. } => write!(f, "next within {limit} buckets"),
            Self::Linear(Line { limit: Some(limit), .. }) => write!(f, "linear within {limit} buckets"),
            Self::Linear(Line { max_gap: Some(max_gap), .. }) => write!(f, "linear over gaps up to {max_gap}"),
            Self::Linear(_) => write!(f, "linear"),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buckets(count) => write!(f, "{count} buckets"),
            Self::Time(interval) => write!(f, "{}", format_interval(*interval)),
        }
    }
}
