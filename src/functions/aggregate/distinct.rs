//! DISTINCT: the values of each group that were seen, given to the aggregate itself at the end. Those of large groups are
//! merged from sorted runs then, and the aggregate may write runs of its own while it takes them.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::order::OrderKey;
use super::runs::RunStore;
use super::value_set::{MergedValues, Note, TakenValues, ValueSet};
use super::{Accumulator, AggregateFunction, AggregateSignature, FinishGrowth, GroupedRows};
use crate::error::{Error, Result};
use crate::types::Scalar;

/// Aggregates whose result is the same when values repeat.
const INDIFFERENT: &[&str] = &[
    "min",
    "max",
    "first",
    "last",
    "any_value",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "arg_min",
    "arg_max",
    "arg_min_null",
    "arg_max_null",
    "approx_count_distinct",
];

/// Values that are decoded at a time when the aggregate takes them.
const DECODED_ROWS: usize = 8192;
/// One in so many bytes that may be held are decoded at a time at most, and make a group worth to be written as a run.
const SHARE_OF_SLACK: usize = 8;

/// Whether the function gives the same when values repeat.
pub fn is_indifferent_to_repeats(function: &str) -> bool {
    INDIFFERENT.contains(&function)
}

/// An accumulator that takes each distinct combination of arguments once: where the order matters, in the place of the
/// first row that has it. The keys of ORDER BY are among the arguments.
pub fn create_distinct(
    function: &AggregateFunction,
    signature: &AggregateSignature,
    constants: &[Scalar],
    order: &[OrderKey],
) -> Result<Box<dyn Accumulator>> {
    let inner = function.accumulator(signature, constants, order)?;
    let columns = signature.arguments.len().saturating_sub(constants.len());
    if columns == 0 {
        return Err(Error::sql(format!("{}(DISTINCT) needs an argument", function.name)));
    }
    if is_indifferent_to_repeats(function.name) {
        return Ok(inner);
    }
    let positions = inner.needs_positions();
    let set = ValueSet::new(&signature.arguments[..columns], if positions { Note::First } else { Note::Nothing })?;
    let order = order.iter().map(|key| key.argument.filter(|argument| *argument < columns));
    let order = order.collect::<Option<Vec<_>>>();
    let order = order.ok_or_else(|| Error::internal("DISTINCT is ordered by what is no argument"))?;
    let keeps_values = positions || inner.state_types().iter().any(|of| matches!(of, DataType::LargeList(_)));
    Ok(Box::new(Distinct { inner, set, positions, keeps_values, order, group_count: 0 }))
}

struct Distinct {
    inner: Box<dyn Accumulator>,
    set: ValueSet,
    /// Whether the aggregate asks for the position of the first row that has a value.
    positions: bool,
    /// Whether the aggregate keeps the values that it takes.
    keeps_values: bool,
    /// The arguments that are keys of ORDER BY.
    order: Vec<usize>,
    group_count: usize,
}

impl Distinct {
    /// Memory for the set, and for the aggregate that keeps its values too, in the end.
    fn with_kept(&self, set: usize) -> usize {
        if self.keeps_values { 3 * set } else { set }
    }
}

/// The aggregate that takes the values.
struct Taker<'a> {
    inner: &'a mut dyn Accumulator,
    order: &'a [usize],
    set: &'a TakenValues<'a>,
    group_count: usize,
}

impl Taker<'_> {
    fn take<'b>(&mut self, encoded: impl Iterator<Item = &'b [u8]>, groups: &[u32], positions: &[u64]) -> Result<()> {
        let mut columns = self.set.decode(encoded)?;
        columns.extend(self.order.iter().map(|key| columns[*key].clone()).collect::<Vec<_>>());
        let rows = GroupedRows { groups, group_count: self.group_count, filter: None, positions };
        self.inner.update(&columns, &rows)
    }

    /// Gives the values of a group in runs to the aggregate, which holds about so many bytes at most.
    fn take_merged(&mut self, group: u32, mut values: MergedValues, positions: bool, slack: usize) -> Result<()> {
        let (mut bytes, mut ends, mut first_rows, mut value) = (Vec::new(), vec![0], Vec::new(), Vec::new());
        loop {
            let next = values.next(&mut value)?;
            if let Some(first_row) = next {
                bytes.extend_from_slice(&value);
                ends.push(bytes.len());
                if positions {
                    first_rows.push(first_row);
                }
            }
            let count = ends.len() - 1;
            if count == DECODED_ROWS || bytes.len() > slack / SHARE_OF_SLACK || next.is_none() {
                let encoded = ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
                self.take(encoded, &vec![group; count], &first_rows)?;
                bytes.clear();
                ends.truncate(1);
                first_rows.clear();
                if self.inner.memory() > slack {
                    self.inner.shed(slack / SHARE_OF_SLACK)?;
                }
            }
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

impl Accumulator for Distinct {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        self.group_count = rows.group_count;
        self.set.insert_rows(arguments, None, rows)
    }

    fn needs_positions(&self) -> bool {
        self.positions
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.group_count = group_count;
        self.set.merge(states, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.set.state(std::mem::take(&mut self.group_count))
    }

    fn state_types(&self) -> Vec<DataType> {
        self.set.state_types()
    }

    fn use_runs(&mut self, store: &Arc<dyn RunStore>) {
        self.set.use_runs(store);
        self.inner.use_runs(store);
    }

    fn shed(&mut self, least: usize) -> Result<bool> {
        self.set.shed(self.group_count, least)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let Self { inner, set, positions, order, group_count, .. } = self;
        let (slack, group_count) = (set.slack(), std::mem::take(group_count));
        let set = set.take(group_count)?;
        let mut taker = Taker { inner: &mut **inner, order, set: &set, group_count };
        for found in set.of_runs() {
            let (group, values) = found?;
            taker.take_merged(group, values, *positions, slack)?;
        }
        let mut start = 0;
        // Once also without any entry, so that the aggregate learns how many groups there are.
        loop {
            let end = (start + DECODED_ROWS).min(set.groups().len());
            let positions = set.notes().get(start..end).unwrap_or_default();
            taker.take((start..end).map(|entry| set.encoded(entry)), &set.groups()[start..end], positions)?;
            start = end;
            if start == set.groups().len() {
                return taker.inner.finish();
            }
        }
    }

    fn join_runs(&mut self) -> Result<()> {
        self.set.join_runs()
    }

    fn finish_growth(&self) -> FinishGrowth {
        let sizes = self.set.sizes();
        if sizes.is_empty() {
            return FinishGrowth::default();
        }
        let slack = self.set.slack();
        let kept = if self.keeps_values { slack } else { 0 };
        let results = sizes.iter().map(|size| self.inner.result_bytes(size.rows, size.memory)).sum();
        FinishGrowth { meanwhile: self.set.reading() + 2 * (slack / SHARE_OF_SLACK) + kept, results }
    }

    fn result_bytes(&self, values: u64, bytes: u64) -> u64 {
        self.inner.result_bytes(values, bytes)
    }

    fn memory(&self) -> usize {
        self.with_kept(self.set.memory(self.group_count))
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        self.with_kept(self.set.growth(rows, new_groups, bytes))
    }

    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        self.with_kept(self.set.merge_growth(states, new_groups))
    }
}
