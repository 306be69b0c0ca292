//! One value a group, of any type, for the aggregates that keep values as they are.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringViewArray, StringViewBuilder,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, IntervalMonthDayNano};

use super::rows::{vec_growth, vec_memory};
use crate::error::Result;

/// The order of values in SQL.
pub(super) trait Ranked: Copy {
    /// Total, and equal only for values that cannot be told apart after [`Ranked::normal`].
    fn rank(self, other: Self) -> Ordering;

    /// The same for values that are [`Ranked::normal`], which may be faster.
    #[inline]
    fn rank_normal(self, other: Self) -> Ordering {
        self.rank(other)
    }

    /// What tells values apart after [`Ranked::normal`].
    fn bits(self) -> u128;

    /// The one that stands for all that SQL calls equal.
    fn normal(self) -> Self {
        self
    }
}

macro_rules! ranked_integers {
    ($($native:ty),*) => {$(
        impl Ranked for $native {
            #[inline]
            fn rank(self, other: Self) -> Ordering {
                self.cmp(&other)
            }

            #[inline]
            fn bits(self) -> u128 {
                self as u128
            }
        }
    )*};
}

ranked_integers!(i8, i16, i32, i64, i128, u64);

/// NaN is the greatest and equals itself, `-0.0` equals `0.0`.
macro_rules! ranked_floats {
    ($($native:ty),*) => {$(
        impl Ranked for $native {
            #[inline]
            fn rank(self, other: Self) -> Ordering {
                self.partial_cmp(&other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }

            /// Without `-0.0` and other NaNs, their bits tell.
            #[inline]
            fn rank_normal(self, other: Self) -> Ordering {
                self.total_cmp(&other)
            }

            #[inline]
            fn bits(self) -> u128 {
                self.to_bits().into()
            }

            #[inline]
            fn normal(self) -> Self {
                if self.is_nan() { Self::NAN } else { self + 0.0 }
            }
        }
    )*};
}

ranked_floats!(f32, f64);

/// A month counts as 30 days and a day as 24 hours, as in PostgreSQL. Intervals that are equal by that but are written
/// differently are told apart too, so that which of them is the least does not depend on the order of the rows.
impl Ranked for IntervalMonthDayNano {
    fn rank(self, other: Self) -> Ordering {
        const NANOS_PER_DAY: i128 = 86_400_000_000_000;
        let key = |value: Self| {
            let days = i128::from(value.months) * 30 + i128::from(value.days);
            (days * NANOS_PER_DAY + i128::from(value.nanoseconds), value.months, value.days)
        };
        key(self).cmp(&key(other))
    }

    fn bits(self) -> u128 {
        let [months, days] = [self.months, self.days].map(|part| u128::from(part as u32));
        months << 96 | days << 64 | u128::from(self.nanoseconds as u64)
    }
}

/// A column that grows by group, and whose values can be replaced.
pub(super) trait Values: Send + Sized {
    /// The Arrow array of such values.
    type Array: Array + 'static;
    /// One value.
    type Item<'a>: Copy;

    /// An empty column.
    fn new(data_type: &DataType) -> Self;

    /// The array as what it is.
    fn column(array: &ArrayRef) -> &Self::Array;

    /// The value at a row.
    fn read(array: &Self::Array, row: usize) -> Self::Item<'_>;

    /// The order of two values.
    fn compare(left: Self::Item<'_>, right: Self::Item<'_>) -> Ordering;

    /// Adds groups with any value.
    fn resize(&mut self, groups: usize);

    /// The value of a group.
    fn get(&self, group: usize) -> Self::Item<'_>;

    /// Replaces the value of a group.
    fn set(&mut self, group: usize, value: Self::Item<'_>);

    /// Gives a group that has none yet the value of the one before it.
    fn repeat(&mut self, group: usize);

    /// All values as an array; leaves none behind.
    fn take(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef>;

    /// Bytes of memory held.
    fn memory(&self) -> usize;

    /// Bytes allocated for more groups and `bytes` of text.
    fn growth(&self, new_groups: usize, bytes: usize) -> usize;
}

/// Values of a fixed width.
pub(super) struct PrimitiveValues<T: ArrowPrimitiveType> {
    data_type: DataType,
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Values for PrimitiveValues<T>
where
    T::Native: Ranked,
{
    type Array = PrimitiveArray<T>;
    type Item<'a> = T::Native;

    fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), values: Vec::new() }
    }

    fn column(array: &ArrayRef) -> &Self::Array {
        array.as_primitive::<T>()
    }

    #[inline]
    fn read(array: &Self::Array, row: usize) -> T::Native {
        array.value(row)
    }

    #[inline]
    fn compare(left: T::Native, right: T::Native) -> Ordering {
        left.rank(right)
    }

    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, T::Native::default());
    }

    #[inline]
    fn get(&self, group: usize) -> T::Native {
        self.values[group]
    }

    #[inline]
    fn set(&mut self, group: usize, value: T::Native) {
        self.values[group] = value.normal();
    }

    #[inline]
    fn repeat(&mut self, group: usize) {
        self.values[group] = self.values[group - 1];
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        let array = PrimitiveArray::<T>::try_new(values, nulls)?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.values)
    }

    fn growth(&self, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.values, new_groups)
    }
}

/// Truth values.
#[derive(Debug)]
pub(super) struct BooleanValues(Vec<bool>);

impl Values for BooleanValues {
    type Array = BooleanArray;
    type Item<'a> = bool;

    fn new(_: &DataType) -> Self {
        Self(Vec::new())
    }

    fn column(array: &ArrayRef) -> &BooleanArray {
        array.as_boolean()
    }

    fn read(array: &BooleanArray, row: usize) -> bool {
        array.value(row)
    }

    fn compare(left: bool, right: bool) -> Ordering {
        left.cmp(&right)
    }

    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, false);
    }

    fn get(&self, group: usize) -> bool {
        self.0[group]
    }

    fn set(&mut self, group: usize, value: bool) {
        self.0[group] = value;
    }

    fn repeat(&mut self, group: usize) {
        self.0[group] = self.0[group - 1];
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::new(BooleanBuffer::from(std::mem::take(&mut self.0)), nulls)))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.0)
    }

    fn growth(&self, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.0, new_groups)
    }
}

/// Texts, behind one another in one arena. A text that is replaced leaves a gap when the new one is longer; the gaps are
/// closed when they make up half of the arena.
#[derive(Debug, Default)]
pub(super) struct TextValues {
    spans: Vec<(usize, u32)>,
    arena: Vec<u8>,
    gaps: usize,
}

/// Below this the gaps do not matter.
const LEAST_GAPS: usize = 4096;

impl TextValues {
    fn bytes(&self, group: usize) -> &[u8] {
        let (start, length) = self.spans[group];
        &self.arena[start..start + length as usize]
    }

    fn close_gaps(&mut self) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.gaps);
        for (start, length) in &mut self.spans {
            let moved = arena.len();
            arena.extend_from_slice(&self.arena[*start..*start + *length as usize]);
            *start = moved;
        }
        self.arena = arena;
        self.gaps = 0;
    }
}

impl Values for TextValues {
    type Array = StringViewArray;
    type Item<'a> = &'a [u8];

    fn new(_: &DataType) -> Self {
        Self::default()
    }

    fn column(array: &ArrayRef) -> &StringViewArray {
        array.as_string_view()
    }

    fn read(array: &StringViewArray, row: usize) -> &[u8] {
        array.value(row).as_bytes()
    }

    fn compare(left: &[u8], right: &[u8]) -> Ordering {
        left.cmp(right)
    }

    fn resize(&mut self, groups: usize) {
        self.spans.resize(groups, (0, 0));
    }

    fn get(&self, group: usize) -> &[u8] {
        self.bytes(group)
    }

    fn set(&mut self, group: usize, value: &[u8]) {
        let (start, length) = self.spans[group];
        // A view holds at most 2^32 bytes.
        let new_length = value.len() as u32;
        if new_length <= length {
            self.arena[start..start + value.len()].copy_from_slice(value);
            self.spans[group] = (start, new_length);
            self.gaps += (length - new_length) as usize;
        } else {
            self.gaps += length as usize;
            self.spans[group] = (self.arena.len(), new_length);
            self.arena.extend_from_slice(value);
        }
        if self.gaps > LEAST_GAPS && self.gaps > self.arena.len() / 2 {
            self.close_gaps();
        }
    }

    /// Both share the text, which must not be replaced then.
    fn repeat(&mut self, group: usize) {
        self.spans[group] = self.spans[group - 1];
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let Self { spans, arena, .. } = std::mem::take(self);
        let valid = |group: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(group));
        let mut builder = StringViewBuilder::with_capacity(spans.len());
        let shared = u32::try_from(arena.len()).is_ok();
        let arena = Buffer::from(arena);
        // A view's offset has 32 bits: a larger arena is copied into blocks.
        let block = if shared { builder.append_block(arena.clone()) } else { 0 };
        for (group, (start, length)) in spans.into_iter().enumerate() {
            if !valid(group) {
                builder.append_null();
            } else if shared {
                builder.try_append_view(block, start as u32, length)?;
            } else {
                builder.append_value(String::from_utf8_lossy(&arena[start..start + length as usize]));
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A view takes the place of a span when the values are taken.
    fn memory(&self) -> usize {
        2 * vec_memory(&self.spans) + vec_memory(&self.arena)
    }

    fn growth(&self, new_groups: usize, bytes: usize) -> usize {
        2 * vec_growth(&self.spans, new_groups) + vec_growth(&self.arena, bytes)
    }
}

/// Picks the type of values for a data type: `$values` stands for it in the body.
macro_rules! with_values {
    ($data_type:expr, $values:ident => $body:expr) => {{
        use arrow::datatypes as types;
        use $crate::functions::aggregate::values::{BooleanValues, PrimitiveValues, TextValues};
        match $data_type {
            types::DataType::Boolean => {
                type $values = BooleanValues;
                $body
            }
            types::DataType::Utf8View => {
                type $values = TextValues;
                $body
            }
            other => $crate::functions::aggregate::values::with_primitive!(other, Primitive => {
                type $values = PrimitiveValues<Primitive>;
                $body
            }),
        }
    }};
}

/// Picks the Arrow type of a fixed width for a data type: `$primitive` stands for it in the body.
macro_rules! with_primitive {
    ($data_type:expr, $primitive:ident => $body:expr) => {{
        use arrow::datatypes as types;
        macro_rules! pick {
            ($arrow:ty) => {{
                type $primitive = $arrow;
                $body
            }};
        }
        match $data_type {
            types::DataType::Int8 => pick!(types::Int8Type),
            types::DataType::Int16 => pick!(types::Int16Type),
            types::DataType::Int32 => pick!(types::Int32Type),
            types::DataType::Int64 => pick!(types::Int64Type),
            types::DataType::Float32 => pick!(types::Float32Type),
            types::DataType::Float64 => pick!(types::Float64Type),
            types::DataType::Decimal128(_, _) => pick!(types::Decimal128Type),
            types::DataType::Date32 => pick!(types::Date32Type),
            types::DataType::Time64(_) => pick!(types::Time64MicrosecondType),
            types::DataType::Timestamp(_, _) => pick!(types::TimestampMicrosecondType),
            types::DataType::Interval(_) => pick!(types::IntervalMonthDayNanoType),
            other => Err($crate::error::Error::internal(format!("no aggregate keeps values of type {other}"))),
        }
    }};
}

pub(super) use {with_primitive, with_values};
