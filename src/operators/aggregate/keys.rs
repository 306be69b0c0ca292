//! From keys to groups, and the keys of the groups.
//!
//! ```text
//! key of a row ─┬─► direct groups, by its values ─ new ─► encoded and hashed ─┐
//!               │                                                             ├─► the encoded keys of all groups
//!               └─► encoded and hashed ─► groups by encoded key ─ new ─────────┘
//! ```

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryArray, UInt32Array, UInt64Array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_row::Rows;
use hashbrown::HashTable;

use super::direct::{DirectGroups, direct_groups, index_growth};
use super::layout::Layout;
use super::partition::radix_first;
use crate::batch::{hash_rows, normalize_equal, variable_bytes};
use crate::error::{Error, Result};
use crate::functions::aggregate::{vec_growth, vec_memory};

/// Encoded keys of a batch are kept for their memory up to so many bytes.
const KEPT_BYTES: usize = 1 << 20;
/// Texts of a batch's keys that take less than that are not worth to be foreseen.
const SMALL_BYTES: usize = 1 << 16;

/// What the keys of a table come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Keys {
    /// Columns of rows.
    Rows,
    /// States, where they are encoded.
    States,
}

/// The encoded keys of groups and their hashes. The key of group i is `bytes[starts[i]..starts[i + 1]]`.
#[derive(Debug)]
pub(super) struct EncodedKeys {
    hashes: Vec<u64>,
    bytes: Vec<u8>,
    starts: Vec<i64>,
}

impl Default for EncodedKeys {
    fn default() -> Self {
        Self { hashes: Vec::new(), bytes: Vec::new(), starts: vec![0] }
    }
}

impl EncodedKeys {
    #[inline]
    pub(super) fn key(&self, group: u32) -> &[u8] {
        let group = group as usize;
        &self.bytes[self.starts[group] as usize..self.starts[group + 1] as usize]
    }

    #[inline]
    fn push(&mut self, hash: u64, key: &[u8]) {
        self.hashes.push(hash);
        self.bytes.extend_from_slice(key);
        self.starts.push(self.bytes.len() as i64);
    }

    /// Encodes and hashes keys, each of a new group. None is longer than a few words, or a text.
    fn append(&mut self, layout: &Layout, columns: &[ArrayRef]) -> Result<()> {
        let rows = layout.converter.convert_columns(columns)?;
        hash_rows(columns, &mut self.hashes)?;
        let mut end = self.bytes.len();
        self.starts.extend(rows.lengths().map(|length| {
            end += length;
            end as i64
        }));
        if end - self.bytes.len() > i32::MAX as usize {
            rows.iter().for_each(|key| self.bytes.extend_from_slice(key.data()));
        } else {
            // All of them lie behind one another.
            self.bytes.extend_from_slice(rows.try_into_binary()?.value_data());
        }
        Ok(())
    }

    fn reserve(&mut self, groups: usize, bytes: usize) {
        self.hashes.reserve_exact(groups);
        self.bytes.reserve_exact(bytes);
        self.starts.reserve_exact(groups);
    }

    fn growth(&self, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.hashes, new_groups) + vec_growth(&self.bytes, bytes) + vec_growth(&self.starts, new_groups)
    }

    pub(super) fn memory(&self) -> usize {
        vec_memory(&self.hashes) + vec_memory(&self.bytes) + vec_memory(&self.starts)
    }

    /// The order in which groups are given out: by 32 bits of the hash, those first that cut partitions, then by the key. It
    /// depends neither on who found a group first nor on what was spilled, so that ties among groups are decided the same
    /// way every time. The hashes are needed no longer.
    pub(super) fn order(&mut self) -> Vec<u32> {
        // Each bits and group in one word, in place. There are fewer than 2^32 groups.
        let mut order = std::mem::take(&mut self.hashes);
        for (group, word) in order.iter_mut().enumerate() {
            *word = (radix_first(*word) >> 32 << 32) | group as u64;
        }
        order.sort_unstable_by(|a, b| {
            (a >> 32).cmp(&(b >> 32)).then_with(|| self.key(*a as u32).cmp(self.key(*b as u32)))
        });
        order.into_iter().map(|word| word as u32).collect()
    }
}

/// The keys of some rows of a batch.
fn chosen_keys(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let whole = columns.first().is_some_and(|column| column.len() == rows.len());
    let indices = if whole { None } else { Some(UInt32Array::from(rows.to_vec())) };
    let chosen = columns.iter().map(|column| match &indices {
        None => Ok(normalize_equal(column)),
        Some(indices) => Ok(normalize_equal(&arrow::compute::take(column, indices, None)?)),
    });
    chosen.collect()
}

/// Rows of a batch with their encoded keys; kept from batch to batch for its memory.
struct EncodedRows {
    rows: Vec<u32>,
    keys: Rows,
    hashes: Vec<u64>,
}

impl EncodedRows {
    fn new(layout: &Layout) -> Self {
        Self { rows: Vec::new(), keys: layout.converter.empty_rows(0, 0), hashes: Vec::new() }
    }

    /// Bytes held.
    fn memory(&self) -> usize {
        self.keys.size() + vec_memory(&self.rows) + vec_memory(&self.hashes)
    }

    /// Bytes by which `memory` rises at most while keys of those columns are encoded that have so many bytes of texts.
    fn growth(&self, layout: &Layout, columns: &[ArrayRef], bytes: usize) -> usize {
        let rows = columns.first().map_or(0, |column| column.len());
        // Eight bytes of a text become nine, and more of its last block than of a packed text may have to be filled.
        let encoded = bytes / 8 * 9 + rows * (layout.packed_key_bytes + 16 * columns.len());
        let needed = encoded + rows * (2 * size_of::<u64>() + size_of::<u32>());
        (2 * needed).saturating_sub(self.memory())
    }

    /// Encodes and hashes the keys of `rows`.
    fn encode(&mut self, layout: &Layout, columns: &[ArrayRef]) -> Result<()> {
        if self.keys.size() > KEPT_BYTES {
            self.keys = layout.converter.empty_rows(0, 0);
        }
        self.keys.clear();
        self.hashes.clear();
        if !self.rows.is_empty() {
            let chosen = chosen_keys(columns, &self.rows)?;
            layout.converter.append(&mut self.keys, &chosen)?;
            hash_rows(&chosen, &mut self.hashes)?;
        }
        Ok(())
    }

    /// Those of the encoded keys that belong to the rows of a range.
    fn within(&self, rows: &Range<usize>) -> Range<usize> {
        let place = |row: usize| self.rows.partition_point(|&other| (other as usize) < row);
        place(rows.start)..place(rows.end)
    }
}

/// The groups of a table, numbered as they appear.
pub(super) struct GroupKeys {
    layout: Arc<Layout>,
    /// `None` where no keys of the layout are for there, and in tables of states.
    direct: Option<Box<dyn DirectGroups>>,
    /// All other groups.
    index: HashTable<u32>,
    encoded: EncodedKeys,
    /// The rows of the batch at hand that are not for `direct`.
    others: EncodedRows,
    /// Those of its rows that make new groups in `direct`.
    fresh: Vec<u32>,
}

impl GroupKeys {
    pub(super) fn new(layout: &Arc<Layout>, keys: Keys) -> Self {
        Self {
            layout: layout.clone(),
            direct: if keys == Keys::Rows { direct_groups(layout) } else { None },
            index: HashTable::new(),
            encoded: EncodedKeys::default(),
            others: EncodedRows::new(layout),
            fresh: Vec::new(),
        }
    }

    /// The one group that there is where there are no keys.
    pub(super) fn push_global(&mut self) {
        self.encoded.push(0, &[]);
    }

    pub(super) fn len(&self) -> usize {
        self.encoded.hashes.len()
    }

    pub(super) fn memory(&self) -> usize {
        let direct = self.direct.as_ref().map_or(0, |direct| direct.memory());
        self.index.allocation_size() + direct + self.encoded.memory() + self.others.memory()
    }

    /// Bytes by which `memory` rises at most while the keys of a batch are taken up.
    pub(super) fn prepare_growth(&self, columns: &[ArrayRef]) -> usize {
        let bytes = columns.iter().map(variable_bytes).sum();
        if bytes < SMALL_BYTES {
            return 0;
        }
        self.others.growth(&self.layout, columns, bytes)
    }

    /// Takes up the keys of a batch, ahead of [`GroupKeys::assign`] and [`GroupKeys::growth`].
    pub(super) fn prepare(&mut self, columns: &[ArrayRef]) -> Result<()> {
        match &mut self.direct {
            Some(direct) => direct.prepare(columns, &mut self.others.rows)?,
            None => {
                let rows = columns.first().map_or(0, |column| column.len());
                self.others.rows.clear();
                // A batch has fewer than 2^32 rows.
                self.others.rows.extend(0..rows as u32);
            }
        }
        self.others.encode(&self.layout, columns)
    }

    /// Bytes by which `memory` can rise at most while those rows of the batch are taken, should each be a new group.
    pub(super) fn growth(&self, rows: &Range<usize>) -> usize {
        let within = self.others.within(rows);
        let others_bytes: usize = self.others.keys.lengths().skip(within.start).take(within.len()).sum();
        let (direct, direct_bytes) = self.direct.as_ref().map_or((0, 0), |direct| {
            let new_groups = rows.len() - within.len();
            (direct.growth(rows, new_groups), direct.key_bytes(rows, new_groups))
        });
        direct + index_growth(&self.index, within.len()) + self.encoded.growth(rows.len(), direct_bytes + others_bytes)
    }

    /// Makes room for so many groups of states, so that nothing has to move while they come.
    pub(super) fn reserve(&mut self, groups: usize) {
        let Self { layout, index, encoded, .. } = self;
        encoded.reserve(groups, groups * layout.packed_key_bytes);
        index.reserve(groups, |&group| encoded.hashes[group as usize]);
    }

    /// The same for states with keys of so many bytes.
    pub(super) fn states_growth(&self, states: usize, key_bytes: usize) -> usize {
        index_growth(&self.index, states) + self.encoded.growth(states, key_bytes)
    }

    /// Finds the group of each of the rows of the batch, and makes new ones.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], rows: Range<usize>, groups: &mut Vec<u32>) -> Result<()> {
        self.check_room(rows.len())?;
        let Self { layout, direct, index, encoded, others, fresh } = self;
        let within = others.within(&rows);
        match direct.as_mut().filter(|_| within.len() < rows.len()) {
            None => groups.resize(rows.len(), 0),
            Some(direct) => {
                fresh.clear();
                direct.assign(rows.clone(), encoded.hashes.len() as u32, groups, fresh);
                if !fresh.is_empty() {
                    encoded.append(layout, &chosen_keys(columns, fresh)?)?;
                }
            }
        }
        for place in within {
            let row = others.rows[place] as usize - rows.start;
            groups[row] = find_or_insert(index, encoded, others.hashes[place], others.keys.row(place).data());
        }
        Ok(())
    }

    /// Finds the group of each state, and makes new ones.
    pub(super) fn assign_states<'k>(
        &mut self,
        hashes: &[u64],
        key: impl Fn(usize) -> &'k [u8],
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        if self.direct.is_some() {
            return Err(Error::internal("a table of rows was given states"));
        }
        self.check_room(hashes.len())?;
        let Self { index, encoded, .. } = self;
        let states = hashes.iter().enumerate();
        groups.extend(states.map(|(state, &hash)| find_or_insert(index, encoded, hash, key(state))));
        Ok(())
    }

    fn check_room(&self, new_groups: usize) -> Result<()> {
        if u32::try_from(self.len() + new_groups).is_ok() {
            return Ok(());
        }
        Err(Error::resource("a worker's table has more than 4294967295 groups")
            .with_hint("use more --threads, or a smaller --memory-limit, so that it is spilled before"))
    }

    /// The hashes and keys of all groups, without copying them; leaves no group behind.
    pub(super) fn drain(&mut self) -> Result<(UInt64Array, LargeBinaryArray)> {
        let EncodedKeys { hashes, bytes, starts } = self.take();
        let starts = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok((UInt64Array::from(hashes), LargeBinaryArray::try_new(starts, Buffer::from(bytes), None)?))
    }

    /// The keys of all groups; leaves no group behind.
    pub(super) fn take(&mut self) -> EncodedKeys {
        self.index = HashTable::new();
        if let Some(direct) = &mut self.direct {
            direct.clear();
        }
        std::mem::take(&mut self.encoded)
    }
}

/// The group of an encoded key. There is room for one more.
#[inline]
fn find_or_insert(index: &mut HashTable<u32>, encoded: &mut EncodedKeys, hash: u64, key: &[u8]) -> u32 {
    let same = |&group: &u32| encoded.hashes[group as usize] == hash && encoded.key(group) == key;
    if let Some(&group) = index.find(hash, same) {
        return group;
    }
    let group = encoded.hashes.len() as u32;
    encoded.push(hash, key);
    index.insert_unique(hash, group, |&group| encoded.hashes[group as usize]);
    group
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
        StringViewArray,
    };
    use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, IntervalUnit, Schema, TimeUnit};
    use proptest::prelude::*;

    use super::*;
    use crate::expr::BoundExpr;

    const MICROS: TimeUnit = TimeUnit::Microsecond;

    /// A value of the type, or null, for each number: equal for many of them, and different for most others.
    fn column(of: &DataType, numbers: &[u16]) -> ArrayRef {
        let some =
            |numbers: &[u16]| numbers.iter().map(|n| (n % 7 > 0).then_some(usize::from(n / 7))).collect::<Vec<_>>();
        let numbers = some(numbers).into_iter();
        match of {
            DataType::Boolean => Arc::new(numbers.map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>()),
            DataType::Float64 => {
                let values = [0.0, -0.0, f64::NAN, -f64::NAN, 1.5, f64::INFINITY, 5e-324, -1.5];
                Arc::new(numbers.map(|n| n.map(|n| values[n % values.len()])).collect::<Float64Array>())
            }
            DataType::Float32 => {
                let values = [0.0, -0.0, f32::NAN, -f32::NAN, 1.5, f32::NEG_INFINITY];
                Arc::new(numbers.map(|n| n.map(|n| values[n % values.len()])).collect::<Float32Array>())
            }
            DataType::Decimal128(precision, scale) => {
                let values = [0, -1, 1, 10i128.pow(37), -(10i128.pow(37)), 1 << 64, (1 << 64) + 1];
                let array = numbers.map(|n| n.map(|n| values[n % values.len()])).collect::<Decimal128Array>();
                Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
            }
            DataType::Interval(_) => {
                let values = [(1, 0, 0), (0, 30, 0), (0, 0, 5), (0, 1, 0)];
                let interval = |n: usize| values[n % values.len()];
                let values = numbers.map(|n| n.map(interval).map(|(a, b, c)| IntervalMonthDayNano::new(a, b, c)));
                Arc::new(values.collect::<IntervalMonthDayNanoArray>())
            }
            DataType::Utf8View => {
                // Of one prefix, with NUL bytes at the end, up to 20 bytes long.
                let text = |n: usize| {
                    format!("{}{}", &"aaaaaaaaaaaaaaaa"[..n % 17], &["", "\0", "\0\0", "b", "\0ab"][n / 17 % 5])
                };
                Arc::new(numbers.map(|n| n.map(text)).collect::<StringViewArray>())
            }
            of => {
                let values = [0, 5, 1, 127, 100, 77];
                let integers: ArrayRef =
                    Arc::new(numbers.map(|n| n.map(|n| values[n % values.len()])).collect::<Int64Array>());
                match of {
                    DataType::Date32 => {
                        arrow::compute::cast(&arrow::compute::cast(&integers, &DataType::Int32).unwrap(), of).unwrap()
                    }
                    of => arrow::compute::cast(&integers, of).unwrap(),
                }
            }
        }
    }

    fn types() -> Vec<DataType> {
        vec![
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(38, 2),
            DataType::Date32,
            DataType::Time64(MICROS),
            DataType::Timestamp(MICROS, None),
            DataType::Timestamp(MICROS, Some("Europe/Zurich".into())),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Utf8View,
            DataType::Utf8View,
            DataType::Utf8View,
        ]
    }

    fn layout(types: &[DataType]) -> Arc<Layout> {
        let keys: Vec<_> = types.iter().map(|of| BoundExpr::column(0, "k", of)).collect();
        let fields: Vec<_> = types.iter().map(|of| Field::new("k", of.clone(), true)).collect();
        Arc::new(Layout::new(&keys, &[], Arc::new(Schema::new(fields))).unwrap())
    }

    /// The encoded key of the group of each row.
    fn keys_of_rows(keys: &GroupKeys, groups: &[u32]) -> Vec<(Vec<u8>, u64)> {
        let key = |&group: &u32| (keys.encoded.key(group).to_vec(), keys.encoded.hashes[group as usize]);
        groups.iter().map(key).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn groups_are_the_same_with_and_without_a_direct_way(
            types in prop::collection::vec(prop::sample::select(types()), 1..4),
            batches in prop::collection::vec(prop::collection::vec(any::<u16>(), 1..80), 1..6),
            distinct in 1u16..2000, cut in 1usize..50,
        ) {
            let layout = layout(&types);
            let mut fast = GroupKeys::new(&layout, Keys::Rows);
            let mut slow = GroupKeys::new(&layout, Keys::States);
            prop_assert!(slow.direct.is_none());
            for numbers in &batches {
                let columns: Vec<_> = types.iter().enumerate().map(|(at, of)| {
                    let numbers: Vec<u16> = numbers.iter().map(|n| (n % distinct).wrapping_mul(at as u16 * 2 + 1)).collect();
                    column(of, &numbers)
                }).collect();
                let mut found = [Vec::new(), Vec::new()];
                for (keys, found) in [&mut fast, &mut slow].into_iter().zip(&mut found) {
                    keys.prepare(&columns).unwrap();
                    for start in (0..numbers.len()).step_by(cut) {
                        let rows = start..(start + cut).min(numbers.len());
                        let foreseen = keys.memory() + keys.growth(&rows);
                        let mut groups = Vec::new();
                        keys.assign(&columns, rows.clone(), &mut groups).unwrap();
                        prop_assert_eq!(groups.len(), rows.len());
                        prop_assert!(keys.memory() <= foreseen, "{} of {}", keys.memory(), foreseen);
                        found.extend(keys_of_rows(keys, &groups));
                    }
                }
                prop_assert_eq!(&found[0], &found[1]);
            }
            prop_assert_eq!(fast.len(), slow.len());
            let ordered = |keys: &mut GroupKeys| {
                let mut keys = keys.take();
                keys.order().into_iter().map(|group| keys.key(group).to_vec()).collect::<Vec<_>>()
            };
            prop_assert_eq!(ordered(&mut fast), ordered(&mut slow));
        }
    }

    #[test]
    fn what_packs_is_found_directly() {
        for (types, direct) in [
            (vec![DataType::Utf8View], true),
            (vec![DataType::Utf8View, DataType::Utf8View], true),
            (vec![DataType::Int64, DataType::Utf8View, DataType::Date32], true),
            (vec![DataType::Int64, DataType::Utf8View, DataType::Utf8View], false),
            (vec![DataType::Interval(IntervalUnit::MonthDayNano)], false),
            (vec![DataType::Null], false),
        ] {
            assert_eq!(GroupKeys::new(&layout(&types), Keys::Rows).direct.is_some(), direct, "{types:?}");
        }
    }

    #[test]
    fn a_table_of_rows_refuses_states() {
        let mut keys = GroupKeys::new(&layout(&[DataType::Int64]), Keys::Rows);
        assert!(keys.assign_states(&[1], |_| b"key", &mut Vec::new()).is_err());
    }
}
