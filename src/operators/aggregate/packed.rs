//! Groups by keys of few bits: a column of a fixed width makes one word of the key, or two; a text of at most twelve
//! bytes is its view, which holds length and bytes. Keys with longer texts do not pack.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::direct::{DirectGroups, index_growth};
use super::texts::LONGEST_INLINE;
use crate::error::{Error, Result};

/// Set in `nulls` of a key that does not pack. A key has far fewer columns than bits.
const NOT_PACKED: u32 = 1 << 31;

/// How many words a column of that type takes; `None` where its values do not pack.
pub(super) fn words_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Time64(TimeUnit::Microsecond)
        | DataType::Timestamp(TimeUnit::Microsecond, _) => Some(1),
        DataType::Decimal128(_, _) | DataType::Utf8View => Some(2),
        _ => None,
    }
}

/// A key: zeros for a column that is null, and its bit in `nulls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key<const W: usize> {
    words: [u64; W],
    nulls: u32,
}

impl<const W: usize> Key<W> {
    const EMPTY: Self = Self { words: [0; W], nulls: 0 };
    /// Equal to no key of a row.
    const NONE: Self = Self { words: [0; W], nulls: u32::MAX };

    fn packs(&self) -> bool {
        self.nulls < NOT_PACKED
    }

    #[inline]
    fn hash(&self, hasher: &FixedState) -> u64 {
        let mut state = hasher.build_hasher();
        for &word in &self.words {
            state.write_u64(word);
        }
        if self.nulls > 0 {
            state.write_u32(self.nulls);
        }
        state.finish()
    }
}

/// A key and its group, without the padding that a nested [`Key`] would have.
#[derive(Clone, Copy)]
struct Slot<const W: usize> {
    words: [u64; W],
    nulls: u32,
    group: u32,
}

impl<const W: usize> Slot<W> {
    fn key(&self) -> Key<W> {
        Key { words: self.words, nulls: self.nulls }
    }
}

pub(super) struct PackedGroups<const W: usize> {
    index: HashTable<Slot<W>>,
    hasher: FixedState,
    /// The keys of the batch at hand; kept for their memory.
    keys: Vec<Key<W>>,
    /// The longest that one is encoded to.
    key_bytes: usize,
}

impl<const W: usize> PackedGroups<W> {
    /// Groups of keys that are encoded to so many bytes at most.
    pub(super) fn new(key_bytes: usize) -> Self {
        let hasher = FixedState::with_seed(0x7061_636b);
        Self { index: HashTable::new(), hasher, keys: Vec::new(), key_bytes }
    }
}

impl<const W: usize> DirectGroups for PackedGroups<W> {
    fn prepare(&mut self, columns: &[ArrayRef], others: &mut Vec<u32>) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        self.keys.clear();
        self.keys.resize(rows, Key::EMPTY);
        let mut word = 0;
        for (number, column) in columns.iter().enumerate() {
            pack_column(&mut self.keys, column, word, 1 << number)?;
            word += words_of(column.data_type()).unwrap_or_default();
        }
        others.clear();
        if columns.iter().any(|column| *column.data_type() == DataType::Utf8View) {
            // A batch has fewer than 2^32 rows.
            others.extend((0u32..).zip(&self.keys).filter(|(_, key)| !key.packs()).map(|(row, _)| row));
        }
        Ok(())
    }

    fn assign(&mut self, rows: Range<usize>, mut next: u32, groups: &mut Vec<u32>, fresh: &mut Vec<u32>) {
        let Self { index, hasher, keys, .. } = self;
        // Rows of one group often follow one another.
        let mut previous = (Key::NONE, 0);
        groups.extend((rows.start as u32..).zip(&keys[rows]).map(|(row, key)| {
            if *key == previous.0 {
                return previous.1;
            }
            if !key.packs() {
                return 0;
            }
            let hash = key.hash(hasher);
            let group = match index.find(hash, |slot| slot.key() == *key) {
                Some(slot) => slot.group,
                None => {
                    let Key { words, nulls } = *key;
                    index.insert_unique(hash, Slot { words, nulls, group: next }, |slot| slot.key().hash(hasher));
                    fresh.push(row);
                    next += 1;
                    next - 1
                }
            };
            previous = (*key, group);
            group
        }));
    }

    fn clear(&mut self) {
        self.index = HashTable::new();
    }

    fn memory(&self) -> usize {
        self.index.allocation_size()
    }

    fn growth(&self, _: &Range<usize>, new_groups: usize) -> usize {
        index_growth(&self.index, new_groups)
    }

    fn key_bytes(&self, _: &Range<usize>, new_groups: usize) -> usize {
        new_groups * self.key_bytes
    }
}

/// Packs one column into the words from `word` on.
fn pack_column<const W: usize>(keys: &mut [Key<W>], column: &ArrayRef, word: usize, null_bit: u32) -> Result<()> {
    let wrong = || Error::internal(format!("a key of type {} does not pack", column.data_type()));
    if keys.len() != column.len() || words_of(column.data_type()).is_none_or(|words| word + words > W) {
        return Err(wrong());
    }
    let mut column = Column { keys, column, word, null_bit };
    match column.column.data_type() {
        DataType::Boolean => {
            let booleans = column.column.as_boolean();
            column.fill(booleans.values().iter(), |key, word, value| key.words[word] = u64::from(value));
        }
        DataType::Int8 => column.fill_word::<Int8Type>(|value| i64::from(value) as u64),
        DataType::Int16 => column.fill_word::<Int16Type>(|value| i64::from(value) as u64),
        DataType::Int32 => column.fill_word::<Int32Type>(|value| i64::from(value) as u64),
        DataType::Int64 => column.fill_word::<Int64Type>(|value| value as u64),
        DataType::Date32 => column.fill_word::<Date32Type>(|value| i64::from(value) as u64),
        DataType::Time64(_) => column.fill_word::<Time64MicrosecondType>(|value| value as u64),
        DataType::Timestamp(_, _) => column.fill_word::<TimestampMicrosecondType>(|value| value as u64),
        // As `normalize_equal` has it: -0 is 0, and all NaN are one.
        DataType::Float32 => column.fill_word::<Float32Type>(|value| {
            u64::from(if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() })
        }),
        DataType::Float64 => {
            column.fill_word::<Float64Type>(
                |value| {
                    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
                },
            )
        }
        DataType::Decimal128(_, _) => {
            let values = column.column.as_primitive::<Decimal128Type>().values();
            column.fill(values.iter().copied(), |key, word, value| set_both(key, word, value as u128));
        }
        DataType::Utf8View => {
            let views = column.column.as_string_view().views();
            column.fill(views.iter().copied(), |key, word, view| {
                // The low four bytes of a view are the length; what follows the text is zeros.
                key.nulls |= if view as u32 as usize > LONGEST_INLINE { NOT_PACKED } else { 0 };
                set_both(key, word, view);
            });
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

#[inline]
fn set_both<const W: usize>(key: &mut Key<W>, word: usize, value: u128) {
    key.words[word] = value as u64;
    key.words[word + 1] = (value >> 64) as u64;
}

/// A column on its way into keys.
struct Column<'a, const W: usize> {
    keys: &'a mut [Key<W>],
    column: &'a ArrayRef,
    word: usize,
    null_bit: u32,
}

impl<const W: usize> Column<'_, W> {
    #[inline]
    fn fill_word<T: ArrowPrimitiveType>(&mut self, bits: impl Fn(T::Native) -> u64) {
        let values = self.column.as_primitive::<T>().values();
        self.fill(values.iter().copied(), |key, word, value| key.words[word] = bits(value));
    }

    /// Calls `set` for each value that is not null.
    #[inline]
    fn fill<V>(&mut self, values: impl Iterator<Item = V>, set: impl Fn(&mut Key<W>, usize, V)) {
        let (word, null_bit) = (self.word, self.null_bit);
        let nulls: Option<&NullBuffer> = self.column.nulls().filter(|nulls| nulls.null_count() > 0);
        match nulls {
            None => self.keys.iter_mut().zip(values).for_each(|(key, value)| set(key, word, value)),
            Some(nulls) => {
                for ((key, value), valid) in self.keys.iter_mut().zip(values).zip(nulls) {
                    if valid {
                        set(key, word, value);
                    } else {
                        key.nulls |= null_bit;
                    }
                }
            }
        }
    }
}
