//! Hashes of rows, column by column: of equal values in the sense of SQL, so that every worker and every way to a
//! group has the same hash for a key.

use std::hash::{BuildHasher, Hasher};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow_row::{RowConverter, SortField};
use foldhash::quality::FixedState;

use super::normalize_equal;
use crate::error::Result;

/// A view of at most so many bytes holds the text itself.
const INLINE_TEXT: u32 = 12;

// Digits of pi, as good as any numbers without a pattern.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FIRST: u64 = 0x1319_8a2e_0370_7344;
const SECOND: u64 = 0xa409_3822_299f_31d0;
const NULL: u64 = 0x082e_fa98_ec4e_6c89;

/// Multiplies to 128 bits and folds them, as wyhash and foldhash do: each bit of the result depends on all of `value`.
#[inline]
fn fold(value: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    product as u64 ^ (product >> 64) as u64
}

/// Appends the hash of each row of the columns, which are of one length. Nulls are equal, and so are all NaN, `0.0` and
/// `-0.0`, and intervals of equal length. Fixed, so that it is the same in every process.
pub fn hash_rows(columns: &[ArrayRef], hashes: &mut Vec<u64>) -> Result<()> {
    let rows = columns.first().map_or(0, |column| column.len());
    let start = hashes.len();
    hashes.resize(start + rows, SEED);
    let hashes = &mut hashes[start..];
    for column in columns {
        mix_column(hashes, column)?;
    }
    hashes.iter_mut().for_each(|hash| *hash = fold(*hash, SECOND));
    Ok(())
}

fn mix_column(hashes: &mut [u64], column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Boolean => mix(hashes, column, column.as_boolean().values().iter().map(u64::from)),
        DataType::Int8 => mix_words::<Int8Type>(hashes, column, |value| i64::from(value) as u64),
        DataType::Int16 => mix_words::<Int16Type>(hashes, column, |value| i64::from(value) as u64),
        DataType::Int32 => mix_words::<Int32Type>(hashes, column, |value| i64::from(value) as u64),
        DataType::Int64 => mix_words::<Int64Type>(hashes, column, |value| value as u64),
        DataType::Date32 => mix_words::<Date32Type>(hashes, column, |value| i64::from(value) as u64),
        DataType::Time64(TimeUnit::Microsecond) => {
            mix_words::<Time64MicrosecondType>(hashes, column, |value| value as u64);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            mix_words::<TimestampMicrosecondType>(hashes, column, |value| value as u64);
        }
        DataType::Float32 => mix_words::<Float32Type>(hashes, column, |value| {
            u64::from(if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() })
        }),
        DataType::Float64 => {
            mix_words::<Float64Type>(hashes, column, |value| {
                if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
            });
        }
        DataType::Decimal128(_, _) => {
            mix_words::<Decimal128Type>(hashes, column, |value| both_words(value as u128));
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            mix_words::<IntervalMonthDayNanoType>(hashes, &normalize_equal(column), |value| {
                let days = (u64::from(value.months as u32) << 32) | u64::from(value.days as u32);
                fold(days ^ FIRST, SECOND) ^ value.nanoseconds as u64
            });
        }
        DataType::Utf8View => {
            let texts = column.as_string_view();
            let hasher = FixedState::with_seed(SEED);
            let words = texts.views().iter().enumerate().map(|(row, &view)| match view as u32 {
                // What follows a short text in its view is zeros.
                ..=INLINE_TEXT => both_words(view),
                _ if texts.is_null(row) => 0,
                _ => {
                    let mut state = hasher.build_hasher();
                    state.write(texts.value(row).as_bytes());
                    state.finish()
                }
            });
            mix(hashes, column, words);
        }
        // No values, or nested ones: by their encoding.
        other => {
            let converter = RowConverter::new(vec![SortField::new(other.clone())])?;
            let rows = converter.convert_columns(&[normalize_equal(column)])?;
            let hasher = FixedState::with_seed(SEED);
            for (hash, row) in hashes.iter_mut().zip(rows.iter()) {
                *hash = fold(*hash ^ hasher.hash_one(row.data()), FIRST);
            }
        }
    }
    Ok(())
}

#[inline]
fn both_words(value: u128) -> u64 {
    fold(value as u64 ^ FIRST, SECOND) ^ (value >> 64) as u64
}

#[inline]
fn mix_words<T: ArrowPrimitiveType>(hashes: &mut [u64], column: &ArrayRef, word: impl Fn(T::Native) -> u64) {
    mix(hashes, column, column.as_primitive::<T>().values().iter().map(|&value| word(value)));
}

#[inline]
fn mix(hashes: &mut [u64], column: &ArrayRef, words: impl Iterator<Item = u64>) {
    let rows = hashes.iter_mut().zip(words);
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => rows.for_each(|(hash, word)| *hash = fold(*hash ^ word, FIRST)),
        Some(nulls) => rows.zip(nulls).for_each(|((hash, word), valid)| {
            *hash = fold(*hash ^ if valid { word } else { NULL }, FIRST);
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use arrow::array::{
        Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, NullArray,
        StringViewArray,
    };
    use arrow::datatypes::IntervalMonthDayNano;

    use super::*;

    fn hashes(columns: &[ArrayRef]) -> Vec<u64> {
        let mut hashes = vec![7];
        hash_rows(columns, &mut hashes).unwrap();
        assert_eq!(hashes.remove(0), 7, "hashes are appended");
        hashes
    }

    #[test]
    fn equal_values_have_equal_hashes_and_others_do_not() {
        let intervals = [(0, 30, 0), (1, 0, 0), (0, 0, 30), (0, 1, 0)];
        let intervals = intervals.map(|(a, b, c)| Some(IntervalMonthDayNano::new(a, b, c)));
        let long = "a text that is longer than a view can hold";
        let columns: Vec<(ArrayRef, &[usize])> = vec![
            (Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, 1.0])), &[0, 0, 2, 2, 4]),
            (Arc::new(Float32Array::from(vec![0.0, -0.0, f32::NAN, -f32::NAN, 1.0])), &[0, 0, 2, 2, 4]),
            (Arc::new(IntervalMonthDayNanoArray::from(intervals.to_vec())), &[0, 0, 2, 3]),
            (
                Arc::new(StringViewArray::from(vec![Some(""), None, Some(long), Some("a"), Some(long), None])),
                &[0, 1, 2, 3, 2, 1],
            ),
            (Arc::new(Int32Array::from(vec![Some(0), None, Some(-1), None])), &[0, 1, 2, 1]),
            (Arc::new(Decimal128Array::from(vec![1, 1 << 64, 0, 1])), &[0, 1, 2, 0]),
            (Arc::new(NullArray::new(2)), &[0, 0]),
        ];
        for (column, first_equal) in columns {
            let hashes = hashes(std::slice::from_ref(&column));
            for (row, &same) in first_equal.iter().enumerate() {
                let place = hashes.iter().position(|hash| *hash == hashes[row]);
                assert_eq!(place, Some(same), "row {row} of {column:?}");
            }
        }
    }

    #[test]
    fn a_slice_and_a_column_with_a_null_elsewhere_hash_alike() {
        let texts: ArrayRef =
            Arc::new(StringViewArray::from(vec![None, Some("ab"), Some("a text of thirteen or more")]));
        let plain: ArrayRef = Arc::new(StringViewArray::from(vec!["ab", "a text of thirteen or more"]));
        assert_eq!(hashes(&[texts.slice(1, 2)]), hashes(&[plain]));
    }

    #[test]
    fn the_order_of_columns_counts() {
        let column = |values: [i64; 2]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let hashes = hashes(&[column([1, 2]), column([2, 1])]);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn neighbours_differ_in_the_bits_that_cut_partitions_and_in_those_of_tables() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1 << 16));
        let hashes = hashes(&[numbers]);
        for shift in [0, 16, 32, 48] {
            let different: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0xffff).collect();
            // Of random numbers 1 - 1/e would be different.
            assert!(different.len() > 40_000, "{} at bit {shift}", different.len());
        }
    }
}
