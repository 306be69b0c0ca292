//! The calls by which SQL fills gaps between buckets of time. They have no value for a row: GROUP BY binds them
//! (`plan::gaps`), and here is what they are called and take.

use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::DataType;

const CATEGORY: &str = "date and time";

/// The key of GROUP BY whose gaps are filled.
pub const TIME_BUCKET_GAPFILL: &str = "time_bucket_gapfill";
/// Carries the last value forward.
pub const LOCF: &str = "locf";
/// Draws a line from one value to the next.
pub const INTERPOLATE: &str = "interpolate";

/// The parameters of a call that may be given by name, in their order; what stands for those that are left out is NULL.
pub fn parameters(name: &str) -> Option<&'static [&'static str]> {
    match name {
        TIME_BUCKET_GAPFILL => Some(&["bucket_width", "ts", "start", "finish", "timezone", "origin", "offset"]),
        LOCF => Some(&["value", "max_gap", "treat_null_as_missing"]),
        INTERPOLATE => Some(&["value", "max_gap"]),
        _ => None,
    }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "time_bucket_gapfill",
        "time_bucket_gapfill(width, timestamp [, timezone] [, start, finish])",
        "As time_bucket, as a key of GROUP BY: buckets without rows are put in, from start up to finish; without these, \
         as far as conditions of WHERE on the timestamp say, or from the first to the last bucket of each series. \
         Takes start, finish, timezone, origin and offset by name (start => …) too.",
        |call| moments(call),
        |_, _, _| misplaced(TIME_BUCKET_GAPFILL)
    ),
    function!(
        "locf",
        "locf(aggregate [, max_gap] [, treat_null_as_missing])",
        "The aggregate, in buckets that time_bucket_gapfill put in that of the bucket before: last observation carried \
         forward, so many buckets or such an interval at most.",
        |call| call.returns_argument(&[Take::Any], &[Take::Any, Take::Boolean], 0),
        |_, _, _| misplaced(LOCF)
    ),
    function!(
        "interpolate",
        "interpolate(aggregate [, max_gap])",
        "The aggregate, in buckets that time_bucket_gapfill put in the value on the line between those around them, unless \
         they are farther apart than that; DOUBLE.",
        |call| call.returns(&[Take::Double], &[Take::Any], DataType::Float64),
        |_, _, _| misplaced(INTERPOLATE)
    ),
];

fn moments(call: &Call<'_>) -> Result<Signature> {
    call.returns_argument(&[Take::Interval, Take::Moment], &[Take::Any; 5], 1)
}

fn misplaced(name: &str) -> Result<Value> {
    Err(Error::internal(format!("{name} was not bound by GROUP BY")))
}
