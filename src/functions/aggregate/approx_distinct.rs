//! `approx_count_distinct` by HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) with the sparse form of
//! HyperLogLog++ (Heule, Nunkesser and Hall, HyperLogLog in practice, 2013) and the estimator of Ertl (New cardinality
//! estimation algorithms for HyperLogLog sketches, 2017), which needs no tables of corrections.
//!
//! A group starts as the set of the fingerprints of its values, of 32 bits, which is as good as exact. A group with
//! more than [`MOST_FINGERPRINTS`] has registers instead, which a fingerprint holds all that is needed for. The
//! fingerprints of all groups are one vector, sorted and freed of duplicates whenever it has doubled, so that a group
//! with few values takes eight bytes a value. What a group is in the end depends on the set of its values alone.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeBinaryBuilder, LargeListArray, UInt32Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, UInt32Type};
use foldhash::quality::FixedState;

use super::rows::{vec_growth, vec_memory};
use super::values::{Ranked, with_primitive};
use super::{Accumulator, GroupedRows};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};

/// The standard error is 1.04 / √registers: 0.8 %.
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;
/// The greatest that a register holds: the place of the first one in the other bits of a hash, or behind them.
const HIGHEST_RANK: usize = 64 - REGISTER_BITS as usize + 1;
/// What takes the memory of the registers.
const MOST_FINGERPRINTS: usize = REGISTERS / size_of::<u32>();

/// Bits of a hash that a fingerprint holds as they are, before the rank of the others.
const INDEX_BITS: u32 = 26;
const RANK_BITS: u32 = 6;

/// Below this many fingerprints it does not pay to look for duplicates.
const LEAST_SORTED: usize = 1 << 14;

/// The first bits of a hash, and where the first one stands in the others.
#[inline]
fn fingerprint(hash: u64) -> u32 {
    let rest = hash << INDEX_BITS | 1 << (INDEX_BITS - 1);
    ((hash >> (64 - INDEX_BITS)) as u32) << RANK_BITS | (rest.leading_zeros() + 1)
}

/// The register that a fingerprint belongs to, and its rank there.
#[inline]
fn register(fingerprint: u32) -> (usize, u8) {
    const BETWEEN: u32 = INDEX_BITS - REGISTER_BITS;
    let between = fingerprint >> RANK_BITS & ((1 << BETWEEN) - 1);
    let rank = match between {
        0 => BETWEEN + (fingerprint & ((1 << RANK_BITS) - 1)),
        _ => (between << (32 - BETWEEN)).leading_zeros() + 1,
    };
    ((fingerprint >> (32 - REGISTER_BITS)) as usize, rank as u8)
}

/// The registers of a group.
type Registers = Box<[u8]>;

/// How many values the registers have seen, by Ertl's improved raw estimator.
fn estimate(registers: &[u8]) -> i64 {
    let mut counts = [0u32; HIGHEST_RANK + 1];
    for &rank in registers {
        counts[usize::from(rank).min(HIGHEST_RANK)] += 1;
    }
    let all = REGISTERS as f64;
    let mut sum = all * tau(1.0 - f64::from(counts[HIGHEST_RANK]) / all);
    for count in counts[1..HIGHEST_RANK].iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += all * sigma(f64::from(counts[0]) / all);
    (all * all / (2.0 * std::f64::consts::LN_2 * sum)).round() as i64
}

/// `x + Σ x^(2^k) · 2^(k−1)`: what empty registers stand for.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut factor) = (x, 1.0);
    loop {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum == before {
            return sum;
        }
    }
}

/// `(1 − x − Σ (1 − x^(2^−k))² · 2^−k) / 3`: what full registers stand for.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut sum, mut factor) = (1.0 - x, 1.0);
    loop {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * factor;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// The sketches of all groups.
pub(super) struct ApproxDistinct {
    hasher: FixedState,
    /// Group and fingerprint: sorted and without duplicates up to `sorted`.
    fingerprints: Vec<u64>,
    sorted: usize,
    /// Of each group: the number of its registers, from one; zero where it has none.
    numbers: Vec<u32>,
    registers: Vec<Registers>,
}

impl ApproxDistinct {
    pub(super) fn new() -> Self {
        Self {
            // Fixed, so that every worker finds the same fingerprints.
            hasher: FixedState::with_seed(0x0d15_71c7),
            fingerprints: Vec::new(),
            sorted: 0,
            numbers: Vec::new(),
            registers: Vec::new(),
        }
    }

    #[inline]
    fn add(&mut self, group: u32, fingerprint: u32) {
        match self.numbers[group as usize] {
            0 => self.fingerprints.push(u64::from(group) << 32 | u64::from(fingerprint)),
            number => raise(&mut self.registers[number as usize - 1], fingerprint),
        }
    }

    fn add_values(&mut self, column: &ArrayRef, rows: &GroupedRows<'_>) -> Result<()> {
        let column = normalize_equal(column);
        let hasher = self.hasher.clone();
        match column.data_type() {
            DataType::Boolean => {
                let column = column.as_boolean();
                rows.for_each(column.nulls(), |row, group| {
                    self.add(group as u32, fingerprint(hasher.hash_one(column.value(row))));
                });
            }
            DataType::Utf8View => {
                let column = column.as_string_view();
                rows.for_each(column.nulls(), |row, group| {
                    self.add(group as u32, fingerprint(hasher.hash_one(column.value(row).as_bytes())));
                });
            }
            other => with_primitive!(other, Primitive => {
                let column = column.as_primitive::<Primitive>();
                rows.for_each_value(column.values(), column.nulls(), |group, value| {
                    self.add(group as u32, fingerprint(hasher.hash_one(value.bits())));
                });
                Ok(())
            })?,
        }
        Ok(())
    }

    fn most_unsorted(&self) -> usize {
        (2 * self.sorted).max(LEAST_SORTED)
    }

    /// Sorts the fingerprints, and turns groups that have too many of them into registers.
    fn sort(&mut self) {
        let Self { fingerprints, numbers, registers, .. } = self;
        fingerprints.sort_unstable();
        fingerprints.dedup();
        let (mut kept, mut start) = (0, 0);
        while let Some(&first) = fingerprints.get(start) {
            let group = first >> 32;
            let length = fingerprints[start..].iter().take_while(|other| *other >> 32 == group).count();
            let number = &mut numbers[group as usize];
            if *number == 0 && length <= MOST_FINGERPRINTS {
                fingerprints.copy_within(start..start + length, kept);
                kept += length;
            } else {
                if *number == 0 {
                    registers.push(vec![0; REGISTERS].into_boxed_slice());
                    *number = registers.len() as u32;
                }
                let registers = &mut registers[*number as usize - 1];
                fingerprints[start..start + length].iter().for_each(|of| raise(registers, *of as u32));
            }
            start += length;
        }
        fingerprints.truncate(kept);
        self.sorted = kept;
    }

    fn sort_if_many(&mut self) {
        if self.fingerprints.len() >= self.most_unsorted() {
            self.sort();
        }
    }
}

#[inline]
fn raise(registers: &mut Registers, fingerprint: u32) {
    let (register, rank) = register(fingerprint);
    registers[register] = registers[register].max(rank);
}

impl Accumulator for ApproxDistinct {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("approx_count_distinct takes an argument"))?;
        self.numbers.resize(rows.group_count, 0);
        self.add_values(column, rows)?;
        self.sort_if_many();
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [lists, dense] = states else {
            return Err(Error::internal("the state of approx_count_distinct has two columns"));
        };
        self.numbers.resize(group_count, 0);
        let lists = lists.as_list::<i64>();
        let fingerprints = lists.values().as_primitive::<UInt32Type>().values();
        for ((&group, ends), dense) in groups.iter().zip(lists.offsets().windows(2)).zip(dense.as_binary::<i64>()) {
            for &fingerprint in &fingerprints[ends[0] as usize..ends[1] as usize] {
                self.add(group, fingerprint);
            }
            if let Some(dense) = dense {
                let number = &mut self.numbers[group as usize];
                if *number == 0 {
                    self.registers.push(dense.into());
                    *number = self.registers.len() as u32;
                } else {
                    let registers = &mut self.registers[*number as usize - 1];
                    registers.iter_mut().zip(dense).for_each(|(register, rank)| *register = (*register).max(*rank));
                }
            }
            self.sort_if_many();
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.sort();
        let Self { fingerprints, numbers, registers, .. } = std::mem::replace(self, Self::new());
        let mut offsets = vec![0i64; numbers.len() + 1];
        for fingerprint in &fingerprints {
            offsets[(fingerprint >> 32) as usize + 1] += 1;
        }
        for index in 1..offsets.len() {
            offsets[index] += offsets[index - 1];
        }
        let values: UInt32Array = fingerprints.into_iter().map(|fingerprint| Some(fingerprint as u32)).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let field = Arc::new(Field::new_list_field(DataType::UInt32, true));
        let lists = LargeListArray::try_new(field, offsets, Arc::new(values), None)?;
        let mut dense = LargeBinaryBuilder::with_capacity(numbers.len(), registers.len() * REGISTERS);
        for number in numbers {
            dense.append_option((number as usize).checked_sub(1).and_then(|at| registers.get(at)));
        }
        Ok(vec![Arc::new(lists), Arc::new(dense.finish())])
    }

    fn state_types(&self) -> Vec<DataType> {
        let lists = DataType::LargeList(Arc::new(Field::new_list_field(DataType::UInt32, true)));
        vec![lists, DataType::LargeBinary]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.sort();
        let Self { fingerprints, numbers, registers, .. } = std::mem::replace(self, Self::new());
        let mut counts = vec![0i64; numbers.len()];
        for fingerprint in fingerprints {
            counts[(fingerprint >> 32) as usize] += 1;
        }
        for (count, number) in counts.iter_mut().zip(numbers) {
            if let Some(registers) = (number as usize).checked_sub(1).and_then(|at| registers.get(at)) {
                *count = estimate(registers);
            }
        }
        Ok(Arc::new(Int64Array::from(counts)))
    }

    /// Fingerprints and registers are copied to the state, whose two columns have an offset a group each.
    fn memory(&self) -> usize {
        let state = self.fingerprints.len() * size_of::<u32>() + self.numbers.len() * 2 * size_of::<i64>();
        vec_memory(&self.fingerprints)
            + vec_memory(&self.numbers)
            + vec_memory(&self.registers)
            + 2 * self.registers.len() * REGISTERS
            + state
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        let added = rows + bytes / size_of::<u32>();
        // Registers come from states, or from fingerprints when they are sorted.
        let fingerprints = self.fingerprints.len() + added;
        let turned = if fingerprints >= self.most_unsorted() { fingerprints / MOST_FINGERPRINTS } else { 0 };
        let registers = turned + bytes / REGISTERS;
        vec_growth(&self.fingerprints, added)
            + added * size_of::<u32>()
            + vec_growth(&self.numbers, new_groups)
            + new_groups * 2 * size_of::<i64>()
            + vec_growth(&self.registers, registers)
            + 2 * registers * REGISTERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(value: u64) -> u64 {
        FixedState::with_seed(7).hash_one(u128::from(value))
    }

    #[test]
    fn a_fingerprint_knows_the_rank_of_its_hash() {
        let hashes = (0..100_000).map(hash);
        let few_ones = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, u64::MAX << bit]);
        for hash in hashes.chain(few_ones).chain([0]) {
            let index = (hash >> (64 - REGISTER_BITS)) as usize;
            let rank = ((hash << REGISTER_BITS).leading_zeros() as usize + 1).min(HIGHEST_RANK);
            assert_eq!(register(fingerprint(hash)), (index, rank as u8), "{hash:x}");
        }
    }

    #[test]
    fn estimates_are_within_their_error() {
        for count in [1u64, 100, 10_000, 40_000, 100_000, 1_000_000] {
            let mut registers: Registers = vec![0; REGISTERS].into();
            (0..count).for_each(|value| raise(&mut registers, fingerprint(hash(value))));
            let error = estimate(&registers) as f64 / count as f64 - 1.0;
            assert!(error.abs() < 0.025, "{count}: {error}");
        }
        assert_eq!(estimate(&[0; REGISTERS]), 0);
    }
}
