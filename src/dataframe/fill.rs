//! What a resampling puts into buckets without rows.

use std::str::FromStr;

use arrow::datatypes::IntervalMonthDayNano;

use super::DataFrame;
use crate::error::{Error, Result};
use crate::expr::{Expr, GapFill, Line};
use crate::plan::resolve;
use crate::types::{INTERVAL, Scalar};

/// What becomes of the buckets that have no rows, from the first to the last one of each combination of further keys, as in
/// pandas. But for [`None`](Fill::None), each gets a row in which counts and sums are 0; the other aggregates are null,
/// and the fill takes the place of these, as it does in buckets whose rows have only nulls.
///
/// As text: `"none"`, `"null"`, `"ffill"`, `"bfill"`, `"linear"`, with a limit as `"ffill(2)"`, or a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fill {
    /// They are left out.
    #[default]
    None,
    /// Null: pandas' `asfreq`.
    Null,
    /// A value: pandas' `fillna`.
    Value(Scalar),
    /// The value of the bucket before, in so many buckets in a row at most: pandas' `ffill`.
    Forward { limit: Option<u64> },
    /// The value of the bucket behind, in so many buckets in a row at most: pandas' `bfill`.
    Backward { limit: Option<u64> },
    /// The value on the line between the buckets around, even from bucket to bucket, in the first buckets of a gap: pandas'
    /// `interpolate`. Unlike there, nothing is filled behind the last value. Numbers become DOUBLE.
    Linear { limit: Option<u64> },
}

impl FromStr for Fill {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("'{text}' is no way to fill buckets"))
                .with_hint("write 'none', 'null', 'ffill', 'bfill', 'linear', with a limit as 'ffill(2)', or a number")
        };
        let lower = text.trim().to_ascii_lowercase();
        let (name, limit) = match lower.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, limit)) => (name.trim(), Some(limit.trim().parse::<u64>().map_err(|_| wrong())?)),
            None => (lower.as_str(), None),
        };
        let fill = match (name, limit) {
            ("none", None) => Self::None,
            ("null" | "asfreq", None) => Self::Null,
            ("ffill" | "pad" | "forward", limit) => Self::Forward { limit },
            ("bfill" | "backfill" | "backward", limit) => Self::Backward { limit },
            ("linear" | "interpolate", limit) => Self::Linear { limit },
            (number, None) => match (number.parse::<i64>(), number.parse::<f64>()) {
                (Ok(whole), _) => Self::from(whole),
                (_, Ok(float)) => Self::from(float),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        fill.checked()
    }
}

impl TryFrom<&str> for Fill {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl From<i32> for Fill {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<i64> for Fill {
    fn from(value: i64) -> Self {
        Self::Value(Scalar::int64(value))
    }
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Self::Value(Scalar::float64(value))
    }
}

impl Fill {
    fn limit(&self) -> Option<u64> {
        match self {
            Self::Forward { limit } | Self::Backward { limit } | Self::Linear { limit } => *limit,
            Self::None | Self::Null | Self::Value(_) => None,
        }
    }

    pub(super) fn checked(self) -> Result<Self> {
        match self.limit() {
            Some(0) => {
                Err(Error::usage("a fill of 0 buckets fills nothing").with_hint("take 'null', or a larger limit"))
            }
            _ => Ok(self),
        }
    }

    /// The frame with its gaps filled: `bucket` over the rows of `input` is its first column, `by` keys and these aggregates
    /// follow.
    pub(super) fn apply(
        &self,
        frame: DataFrame,
        input: &DataFrame,
        bucket: &Expr,
        by: usize,
        aggregates: &[Expr],
    ) -> Result<DataFrame> {
        if *self == Self::None {
            return Ok(frame);
        }
        let bucket = resolve(bucket, input.builder.scope())?;
        let columns = frame.schema().fields().iter().skip(by + 1).enumerate();
        let fills = columns.map(|(position, field)| match aggregates.get(position) {
            Some(aggregate) if is_zero_without_rows(aggregate) => {
                let zero = match *field.data_type() == INTERVAL {
                    true => Scalar::interval(IntervalMonthDayNano::new(0, 0, 0)),
                    false => Scalar::int64(0),
                };
                GapFill::Constant { value: zero, over_nulls: true }
            }
            _ => self.of_nulls(),
        });
        let fills = fills.collect();
        Ok(frame.with(frame.builder.clone().fill_gaps(bucket, by, fills)?))
    }

    fn of_nulls(&self) -> GapFill {
        let over_nulls = true;
        match self {
            Self::None | Self::Null => GapFill::Null,
            Self::Value(value) => GapFill::Constant { value: value.clone(), over_nulls },
            Self::Forward { limit } => GapFill::Previous { limit: limit.map(crate::expr::Reach::Buckets), over_nulls },
            Self::Backward { limit } => GapFill::Next { limit: *limit, over_nulls },
            Self::Linear { limit } => {
                GapFill::Linear(Line { over_time: false, limit: *limit, max_gap: None, over_nulls })
            }
        }
    }
}

/// Whether an aggregate counts or adds up, so that it is 0 where there is nothing.
fn is_zero_without_rows(aggregate: &Expr) -> bool {
    match aggregate {
        Expr::Alias(inner, _) | Expr::Spanned(inner, _) => is_zero_without_rows(inner),
        Expr::Call { name, .. } => {
            matches!(name.as_str(), "count" | "count_if" | "countif" | "sum" | "approx_count_distinct")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_are_read_from_text() {
        let read = |text: &str| text.parse::<Fill>().unwrap();
        assert_eq!(read("none"), Fill::None);
        assert_eq!(read(" NULL "), Fill::Null);
        assert_eq!(read("ffill"), Fill::Forward { limit: None });
        assert_eq!(read("ffill(3)"), Fill::Forward { limit: Some(3) });
        assert_eq!(read("bfill( 1 )"), Fill::Backward { limit: Some(1) });
        assert_eq!(read("interpolate(2)"), read("linear(2)"));
        assert_eq!(read("0"), Fill::Value(Scalar::int64(0)));
        assert_eq!(read("-1.5"), Fill::Value(Scalar::float64(-1.5)));
        for wrong in ["", "fill", "ffill()", "ffill(0)", "ffill(-1)", "null(2)", "ffill(2", "0(1)"] {
            assert!(wrong.parse::<Fill>().is_err(), "{wrong}");
        }
    }
}
