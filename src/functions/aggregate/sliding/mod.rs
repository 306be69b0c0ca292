//! Aggregates over windows that slide over rows in order: rows enter in front and leave behind, and the result is told
//! for each row. It is that of the ordinary aggregate over the rows of the window, to the last bit, at a cost a row that
//! does not depend on the length of the window: totals are exact, so that taking a value back leaves nothing behind.
//!
//! | file | what |
//! | --- | --- |
//! | `column` | the values of an argument in the rows that windows can still reach |
//! | `slider` | the loop over frames |
//! | `totals` | `sum`, `avg`, variances: totals that values are added to and taken from |
//! | `extreme` | `min`, `max` |
//! | `median` | `median`, `quantile` |
//! | `count` | `count` |

mod column;
mod count;
mod extreme;
mod median;
mod slider;
#[cfg(test)]
mod tests;
mod totals;

use std::cmp::Ordering;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::AggregateSignature;
use super::registry::fraction;
use super::variance::Spread;
use crate::error::{Error, Result};
use crate::types::Scalar;
pub use column::HeldColumn;
use count::Count;
use median::Quantile;
use slider::Slider;

/// The frames of some rows that follow one another: frame `i` has the rows from `starts[i]` to before `ends[i]`, by their
/// number in the stream. Neither starts nor ends go back, from one call to the next either.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// The first row of each.
    pub starts: &'a [u64],
    /// Behind the last row of each.
    pub ends: &'a [u64],
}

/// One aggregate over a window that slides.
pub trait SlidingAggregate: Send {
    /// The results of further frames. The column has the argument in all rows from the start of the first of them on, or,
    /// for windows that only grow, in those that have not entered yet; there is none for `count(*)`.
    fn evaluate(&mut self, argument: Option<&HeldColumn>, frames: Frames<'_>) -> Result<ArrayRef>;

    /// Bytes of memory held.
    fn memory(&self) -> usize;

    /// Bytes by which [`memory`](Self::memory) can rise at most while `rows` rows enter, and those of the results of so many
    /// frames; `bytes` is what the argument takes in all rows that are held.
    fn growth(&self, rows: usize, frames: usize, bytes: usize) -> usize;
}

/// What aggregates need to know of their windows.
#[derive(Clone, Copy, Debug)]
pub struct WindowKind {
    /// Rows never leave before all do.
    pub only_grows: bool,
    /// With fewer values that are not null the result is null; for `count`, with fewer rows.
    pub min_periods: u64,
}

/// Makes an aggregate for arguments of the signature's types, and the values of the constant ones.
pub type CreateSliding = fn(&AggregateSignature, &[Scalar], WindowKind) -> Result<Box<dyn SlidingAggregate>>;

/// How the aggregate function of that registered name is taken over windows; `None` where it is not.
pub fn sliding(name: &str) -> Option<CreateSliding> {
    Some(match name {
        "count" => |_, _, kind| Ok(Box::new(Count::new(kind))),
        "sum" => totals::sum,
        "avg" => totals::average,
        "min" => |signature, _, kind| extreme::extreme(Ordering::Less, &signature.result, kind),
        "max" => |signature, _, kind| extreme::extreme(Ordering::Greater, &signature.result, kind),
        "stddev_samp" => |_, _, kind| Ok(totals::spread(Spread { sample: true, deviation: true }, kind)),
        "stddev_pop" => |_, _, kind| Ok(totals::spread(Spread { sample: false, deviation: true }, kind)),
        "var_samp" => |_, _, kind| Ok(totals::spread(Spread { sample: true, deviation: false }, kind)),
        "var_pop" => |_, _, kind| Ok(totals::spread(Spread { sample: false, deviation: false }, kind)),
        "median" => |_, _, kind| Ok(quantile(0.5, kind)),
        "quantile" => |_, constants, kind| Ok(quantile(fraction("quantile", constants)?, kind)),
        _ => return None,
    })
}

/// The names for which [`sliding`] has something.
pub const SLIDING: &str =
    "count, sum, avg (mean), min, max, stddev (std), stddev_pop, var_samp (var), var_pop, median and quantile";

fn quantile(fraction: f64, kind: WindowKind) -> Box<dyn SlidingAggregate> {
    Box::new(Slider::new(Quantile::new(fraction), &DataType::Float64, kind))
}

fn not_held(row: u64) -> Error {
    Error::internal(format!("row {row} of a window is not held"))
}
