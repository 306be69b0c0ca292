//! Checksums of columns that do not depend on the order of rows: each value is hashed to 128 bits, and the hashes are
//! added. So they can be made in parallel and put together, and rows that were cut into batches, row groups or files
//! in another way have the same.
//!
//! They are kept in files, so what is added for a value must never change.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow_row::{RowConverter, SortField};

use crate::error::Result;

/// A view of at most so many bytes holds the text itself.
const INLINE_TEXT: u32 = 12;

// Digits of pi, as good as any numbers without a pattern.
const A: u64 = 0x243f_6a88_85a3_08d3;
const B: u64 = 0x1319_8a2e_0370_7344;
const C: u64 = 0xa409_3822_299f_31d0;
const D: u64 = 0x082e_fa98_ec4e_6c89;

/// What a column holds, whatever the order of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnSum {
    /// The hashes of all values that are not null, added up in two words.
    pub hash: [u64; 2],
    /// Nulls.
    pub nulls: u64,
}

impl ColumnSum {
    fn add(&mut self, hash: [u64; 2]) {
        self.hash[0] = self.hash[0].wrapping_add(hash[0]);
        self.hash[1] = self.hash[1].wrapping_add(hash[1]);
    }

    /// Adds so many rows that all have the one value of an array.
    ///
    /// # Errors
    /// An internal error for a type that the engine does not have.
    pub fn add_constant(&mut self, value: &ArrayRef, rows: u64) -> Result<()> {
        let mut one = Self { hash: [0; 2], nulls: value.logical_null_count() as u64 };
        add_column(&mut one, value)?;
        self.add(one.hash.map(|hash| hash.wrapping_mul(rows)));
        self.nulls += one.nulls * rows;
        Ok(())
    }

    /// Adds what another column holds.
    pub fn merge(&mut self, other: &Self) {
        self.add(other.hash);
        self.nulls += other.nulls;
    }
}

/// What the columns of a table hold, whatever the order of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSum {
    /// Rows.
    pub rows: u64,
    /// One for each column.
    pub columns: Vec<ColumnSum>,
}

impl TableSum {
    /// Of no rows.
    pub fn new(columns: usize) -> Self {
        Self { rows: 0, columns: vec![ColumnSum::default(); columns] }
    }

    /// Adds the rows of a batch, whose columns are those of the table.
    ///
    /// # Errors
    /// An internal error for a type that the engine does not have.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for (sum, column) in self.columns.iter_mut().zip(batch.columns()) {
            sum.nulls += column.logical_null_count() as u64;
            add_column(sum, column)?;
        }
        Ok(())
    }

    /// Adds the rows of another part of the table.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.columns.resize(self.columns.len().max(other.columns.len()), ColumnSum::default());
        self.columns.iter_mut().zip(&other.columns).for_each(|(sum, other)| sum.merge(other));
    }
}

/// Multiplies to 128 bits and folds them, so that each bit of the result depends on all of `value`.
#[inline]
fn fold(value: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn of_word(word: u64) -> [u64; 2] {
    [fold(word ^ A, B), fold(word ^ C, D)]
}

#[inline]
fn of_words(high: u64, low: u64) -> [u64; 2] {
    let [first, second] = of_word(high);
    [fold(first ^ low, C), fold(second ^ low, A)]
}

/// The hash of a text: sixteen bytes at a time, the last ones filled up with zeros; the length tells those from zeros that
/// were there.
#[derive(Clone, Copy)]
struct TextHash(u64, u64);

impl TextHash {
    #[inline]
    fn new(len: u64) -> Self {
        Self(A ^ len, C)
    }

    #[inline]
    fn add(self, block: u128) -> Self {
        let (low, high) = (block as u64, (block >> 64) as u64);
        let first = fold(self.0 ^ low, high ^ B);
        Self(first, fold(self.1 ^ high ^ D, low ^ first))
    }

    #[inline]
    fn finish(self) -> [u64; 2] {
        [fold(self.0, D), fold(self.1 ^ B, A)]
    }
}

fn of_bytes(bytes: &[u8]) -> [u64; 2] {
    let (blocks, tail) = bytes.as_chunks::<16>();
    let mut hash = TextHash::new(bytes.len() as u64);
    for block in blocks {
        hash = hash.add(u128::from_le_bytes(*block));
    }
    if !tail.is_empty() {
        let mut last = [0; 16];
        last[..tail.len()].copy_from_slice(tail);
        hash = hash.add(u128::from_le_bytes(last));
    }
    hash.finish()
}

/// Short texts lie in their views, filled up with zeros.
fn add_texts(sum: &mut ColumnSum, column: &ArrayRef) {
    let texts = column.as_string_view();
    let nulls = texts.nulls();
    for (row, view) in texts.views().iter().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        sum.add(match *view as u32 {
            0 => TextHash::new(0).finish(),
            len @ 1..=INLINE_TEXT => TextHash::new(u64::from(len)).add(*view >> 32).finish(),
            _ => of_bytes(texts.value(row).as_bytes()),
        });
    }
}

fn add_column(sum: &mut ColumnSum, column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Null => {}
        DataType::Boolean => {
            column.as_boolean().iter().flatten().for_each(|value| sum.add(of_word(u64::from(value))));
        }
        DataType::Int8 => add_words::<Int8Type>(sum, column, |value| of_word(i64::from(value) as u64)),
        DataType::Int16 => add_words::<Int16Type>(sum, column, |value| of_word(i64::from(value) as u64)),
        DataType::Int32 => add_words::<Int32Type>(sum, column, |value| of_word(i64::from(value) as u64)),
        DataType::Int64 => add_words::<Int64Type>(sum, column, |value| of_word(value as u64)),
        DataType::Date32 => add_words::<Date32Type>(sum, column, |value| of_word(i64::from(value) as u64)),
        DataType::Time64(TimeUnit::Microsecond) => {
            add_words::<Time64MicrosecondType>(sum, column, |value| of_word(value as u64));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            add_words::<TimestampMicrosecondType>(sum, column, |value| of_word(value as u64));
        }
        // Every NaN is the same one: files may keep other bits of it.
        DataType::Float32 => add_words::<Float32Type>(sum, column, |value| {
            of_word(u64::from(if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }))
        }),
        DataType::Float64 => add_words::<Float64Type>(sum, column, |value| {
            of_word(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
        }),
        DataType::Decimal128(_, _) => {
            add_words::<Decimal128Type>(sum, column, |value| of_words((value >> 64) as u64, value as u64))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => add_words::<IntervalMonthDayNanoType>(sum, column, |value| {
            let days = (u64::from(value.months as u32) << 32) | u64::from(value.days as u32);
            of_words(days, value.nanoseconds as u64)
        }),
        DataType::Utf8View => add_texts(sum, column),
        // Lists, by their encoding as keys.
        other => {
            let converter = RowConverter::new(vec![SortField::new(other.clone())])?;
            let rows = converter.convert_columns(std::slice::from_ref(column))?;
            for row in (0..column.len()).filter(|&row| column.is_valid(row)) {
                sum.add(of_bytes(rows.row(row).as_ref()));
            }
        }
    }
    Ok(())
}

fn add_words<T: ArrowPrimitiveType>(sum: &mut ColumnSum, column: &ArrayRef, hash: impl Fn(T::Native) -> [u64; 2]) {
    let column = column.as_primitive::<T>();
    if column.null_count() == 0 {
        column.values().iter().for_each(|value| sum.add(hash(*value)));
    } else {
        column.iter().flatten().for_each(|value| sum.add(hash(value)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringViewArray, TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;

    fn sum_of(columns: Vec<ArrayRef>) -> TableSum {
        let names = (0..columns.len()).map(|index| format!("c{index}"));
        let batch = RecordBatch::try_from_iter(names.zip(columns)).unwrap();
        let mut sum = TableSum::new(batch.num_columns());
        sum.add(&batch).unwrap();
        sum
    }

    #[test]
    fn what_files_hold_is_never_hashed_otherwise() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])),
            Arc::new(Float64Array::from(vec![Some(0.5), Some(-0.0), None])),
            Arc::new(StringViewArray::from(vec![Some("a"), Some("a text of more than sixteen bytes"), Some("")])),
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            Arc::new(Decimal128Array::from(vec![Some(1), Some(-1), Some(i128::MAX)])),
        ];
        let shown: Vec<String> = sum_of(columns)
            .columns
            .iter()
            .map(|sum| format!("{:016x}{:016x} {}", sum.hash[0], sum.hash[1], sum.nulls))
            .collect();
        let expected = [
            "ed509ae669e6d8b3ee94e08d871e072a 1",
            "1a194bc61a7a84d76cfde2f8489c470d 1",
            "b8cb8869b1d94431dd46890c77398585 0",
            "654c9eea5fc5cd36cbf2e5d9e776bf49 1",
            "70d6a746616eb2d6404d9bab1d4abcbc 0",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn values_that_differ_in_a_bit_have_other_sums() {
        let of = |values: Vec<f64>| sum_of(vec![Arc::new(Float64Array::from(values))]);
        assert_ne!(of(vec![0.0]), of(vec![-0.0]));
        assert_ne!(of(vec![1.0]), of(vec![1.0 + f64::EPSILON]));
        assert_eq!(of(vec![f64::NAN]), of(vec![f64::from_bits(f64::NAN.to_bits() | 1)]));
        let of = |values: Vec<Option<&str>>| sum_of(vec![Arc::new(StringViewArray::from(values))]);
        assert_ne!(of(vec![Some("")]), of(vec![None]));
        assert_ne!(of(vec![Some("a\0")]), of(vec![Some("a")]));
        assert_ne!(of(vec![Some("ab"), Some("c")]), of(vec![Some("a"), Some("bc")]));
        let lists = |items: Vec<Option<Vec<Option<i64>>>>| {
            sum_of(vec![Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(items))])
        };
        assert_ne!(lists(vec![Some(vec![Some(1), None])]), lists(vec![Some(vec![None, Some(1)])]));
        assert_ne!(lists(vec![Some(vec![])]), lists(vec![None]));
    }

    #[test]
    fn zones_do_not_change_moments() {
        let plain = TimestampMicrosecondArray::from(vec![1_700_000_000_000_000]);
        let zoned = plain.clone().with_timezone("Europe/Vienna");
        assert_eq!(sum_of(vec![Arc::new(plain)]), sum_of(vec![Arc::new(zoned)]));
    }

    #[test]
    fn texts_within_and_outside_of_their_views_are_hashed_alike() {
        let text = "abcdefghijklmnopqrstuvwxyz0123456789";
        for len in 0..text.len() {
            let found = sum_of(vec![Arc::new(StringViewArray::from(vec![Some(&text[..len]), None]))]);
            assert_eq!(found.columns, [ColumnSum { hash: of_bytes(&text.as_bytes()[..len]), nulls: 1 }]);
        }
    }

    proptest! {
        #[test]
        fn the_order_and_the_cut_of_rows_do_not_matter(
            mut rows in proptest::collection::vec((any::<Option<i64>>(), any::<Option<String>>()), 0..60),
            cut in 0_usize..60,
        ) {
            let sum = |rows: &[(Option<i64>, Option<String>)]| {
                let numbers = Int64Array::from_iter(rows.iter().map(|row| row.0));
                let texts = StringViewArray::from_iter(rows.iter().map(|row| row.1.as_deref()));
                sum_of(vec![Arc::new(numbers), Arc::new(texts)])
            };
            let whole = sum(&rows);
            rows.reverse();
            let (head, tail) = rows.split_at(cut.min(rows.len()));
            let mut parts = sum(head);
            parts.merge(&sum(tail));
            prop_assert_eq!(parts, whole);
        }
    }
}
