//! The calls by which SQL fills gaps between buckets of time. They have no value for a row: GROUP BY binds them
//! (`plan::gaps`), and here is what they are called and take.

use super::signature::Call;
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};

const CATEGORY: &str = "date and time";

/// The key of GROUP BY whose gaps are filled.
pub const TIME_BUCKET_GAPFILL: &str = "time_bucket_gapfill";
/// Carries the last value forward.
pub const LOCF: &str = "locf";
/// Draws a line from one value to the next.
pub const INTERPOLATE: &str = "interpolate";

/// The parameters of a call that may be given by name, in their order; what stands for those that are left out is NULL.
pub(super) fn parameters(name: &str) -> Option<&'static [&'static str]> {
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
        misplaced,
        |_, _, _| unbound(TIME_BUCKET_GAPFILL)
    ),
    function!(
        "locf",
        "locf(aggregate [, max_gap] [, treat_null_as_missing])",
        "The aggregate, in buckets that time_bucket_gapfill put in that of the bucket before: last observation carried \
         forward, so many buckets or such an interval at most.",
        misplaced,
        |_, _, _| unbound(LOCF)
    ),
    function!(
        "interpolate",
        "interpolate(aggregate [, max_gap])",
        "The aggregate, in buckets that time_bucket_gapfill put in the value on the line between those around them, unless \
         they are farther apart than that; DOUBLE.",
        misplaced,
        |_, _, _| unbound(INTERPOLATE)
    ),
];

fn misplaced(call: &Call<'_>) -> Result<Signature> {
    Err(call.error("it has a value only over groups whose gaps are filled"))
}

fn unbound(name: &str) -> Result<Value> {
    Err(Error::internal(format!("{name} was not bound by GROUP BY")))
}
