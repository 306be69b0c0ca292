//! The legacy timestamps of 96 bits: a day of the Julian calendar's count and nanoseconds in it.
//!
//! The library brings them to microseconds, cuts what is finer, and wraps around where they are out of range. Both are errors here, as for
//! timestamps of 64 bits in nanoseconds: so the values of pages are looked at before they are decoded.

use super::convert::too_fine;
use crate::error::{Error, Result};
use crate::types::temporal::MICROS_PER_DAY;

/// Bytes of a value.
const WIDTH: usize = 12;
/// The day of 1 January 1970.
const EPOCH: i64 = 2_440_588;
const SECONDS_PER_DAY: i64 = 86_400;

/// Checks that values that lie one behind another are timestamps of the engine.
///
/// # Errors
/// A data error for one that is finer than a microsecond, or out of range.
pub(super) fn check(values: &[u8]) -> Result<()> {
    for value in values.as_chunks::<WIDTH>().0 {
        let [a, b, c, d, e, f, g, h, day @ ..] = *value;
        let (nanos, day) = (i64::from_le_bytes([a, b, c, d, e, f, g, h]), i64::from(i32::from_le_bytes(day)));
        if nanos % 1000 != 0 {
            let seconds = ((day - EPOCH) * SECONDS_PER_DAY).saturating_add(nanos.div_euclid(1_000_000_000));
            return Err(too_fine(seconds, nanos.rem_euclid(1_000_000_000)));
        }
        let micros = (day - EPOCH).checked_mul(MICROS_PER_DAY).and_then(|micros| micros.checked_add(nanos / 1000));
        if micros.is_none() {
            return Err(Error::data(format!("the timestamp of the Julian day {day} is out of range"))
                .with_hint("timestamps reach from about 290,000 BC to AD 294,000"));
        }
    }
    Ok(())
}
