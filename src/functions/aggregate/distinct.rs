//! DISTINCT: the values of each group that were seen, given to the aggregate itself at the end.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeListArray, UInt64Array};
use arrow::datatypes::{DataType, Field, UInt64Type};

use super::order::OrderKey;
use super::rows::{vec_growth, vec_memory};
use super::value_set::ValueSet;
use super::{Accumulator, AggregateFunction, AggregateSignature, GroupedRows};
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
    let set = ValueSet::new(&signature.arguments[..columns])?;
    let positions = inner.needs_positions().then(Vec::new);
    let order = order.iter().map(|key| key.argument.filter(|argument| *argument < columns));
    let order = order.collect::<Option<Vec<_>>>();
    let order = order.ok_or_else(|| Error::internal("DISTINCT is ordered by what is no argument"))?;
    Ok(Box::new(Distinct { inner, set, positions, order, group_count: 0 }))
}

struct Distinct {
    inner: Box<dyn Accumulator>,
    set: ValueSet,
    /// Of each entry of the set, that of its first row; `None` where the aggregate does not ask.
    positions: Option<Vec<u64>>,
    /// The arguments that are keys of ORDER BY.
    order: Vec<usize>,
    group_count: usize,
}

impl Distinct {
    /// The growth of the set by so many entries, and that of their positions.
    fn with_positions(&self, set: usize, entries: usize) -> usize {
        match &self.positions {
            None => set,
            Some(positions) => 3 * set + 2 * vec_growth(positions, entries),
        }
    }
}

fn note(positions: &mut Option<Vec<u64>>, entry: usize, position: impl FnOnce() -> u64) {
    if let Some(positions) = positions {
        match positions.get_mut(entry) {
            Some(known) => *known = (*known).min(position()),
            None => positions.push(position()),
        }
    }
}

impl Accumulator for Distinct {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        self.group_count = rows.group_count;
        let positions = &mut self.positions;
        self.set.insert_rows(arguments, None, rows, |entry, row| note(positions, entry, || rows.positions[row]))
    }

    fn needs_positions(&self) -> bool {
        self.positions.is_some()
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let lists = states.first().ok_or_else(|| Error::internal("the state of DISTINCT has a column"))?;
        self.group_count = group_count;
        let Self { set, positions, .. } = self;
        // Both have the same lists.
        let found = states.get(1).map(|lists| lists.as_list::<i64>().values().as_primitive::<UInt64Type>().values());
        let position = |index: usize| found.map_or(0, |found| found[index]);
        set.insert_lists(lists, groups, |entry, index| note(positions, entry, || position(index)))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let (lists, order) = self.set.take_lists(std::mem::take(&mut self.group_count))?;
        let Some(positions) = self.positions.as_mut().map(std::mem::take) else { return Ok(vec![Arc::new(lists)]) };
        let positions: UInt64Array = order.iter().map(|&entry| positions[entry as usize]).collect();
        let field = Arc::new(Field::new_list_field(DataType::UInt64, true));
        let positions = LargeListArray::try_new(field, lists.offsets().clone(), Arc::new(positions), None)?;
        Ok(vec![Arc::new(lists), Arc::new(positions)])
    }

    fn state_types(&self) -> Vec<DataType> {
        let positions = DataType::LargeList(Arc::new(Field::new_list_field(DataType::UInt64, true)));
        let positions = self.positions.is_some().then_some(positions);
        std::iter::once(ValueSet::list_type()).chain(positions).collect()
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let group_count = std::mem::take(&mut self.group_count);
        let positions = self.positions.as_mut().map(std::mem::take).unwrap_or_default();
        let set = self.set.take();
        let mut start = 0;
        // Once also without any entry, so that the aggregate learns how many groups there are.
        loop {
            let end = (start + DECODED_ROWS).min(set.groups().len());
            let mut columns = set.decode((start..end).map(|entry| set.encoded(entry)))?;
            columns.extend(self.order.iter().map(|key| columns[*key].clone()).collect::<Vec<_>>());
            let positions = positions.get(start..end).unwrap_or_default();
            let rows = GroupedRows { groups: &set.groups()[start..end], group_count, filter: None, positions };
            self.inner.update(&columns, &rows)?;
            start = end;
            if start == set.groups().len() {
                return self.inner.finish();
            }
        }
    }

    /// Where the aggregate asks for positions it keeps the values too, in the end.
    fn memory(&self) -> usize {
        match &self.positions {
            None => self.set.memory(),
            Some(positions) => 3 * self.set.memory() + 2 * vec_memory(positions),
        }
    }

    fn growth(&self, rows: usize, _: usize, bytes: usize) -> usize {
        self.with_positions(self.set.growth(rows, bytes), rows)
    }

    fn merge_growth(&self, states: &[ArrayRef], _: usize) -> usize {
        let (set, values) = self.set.lists_growth(states.first());
        self.with_positions(set, values)
    }
}
