//! DISTINCT: the values of each group that were seen, given to the aggregate itself at the end.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

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

/// An accumulator that takes each distinct combination of arguments once.
pub fn create_distinct(
    function: &AggregateFunction,
    signature: &AggregateSignature,
    constants: &[Scalar],
) -> Result<Box<dyn Accumulator>> {
    let inner = (function.create)(signature, constants)?;
    let columns = signature.arguments.len().saturating_sub(constants.len());
    if columns == 0 {
        return Err(Error::sql(format!("{}(DISTINCT) needs an argument", function.name)));
    }
    if INDIFFERENT.contains(&function.name) {
        return Ok(inner);
    }
    let set = ValueSet::new(&signature.arguments[..columns])?;
    Ok(Box::new(Distinct { inner, set, group_count: 0 }))
}

struct Distinct {
    inner: Box<dyn Accumulator>,
    set: ValueSet,
    group_count: usize,
}

impl Accumulator for Distinct {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        self.group_count = rows.group_count;
        self.set.insert_rows(arguments, None, rows, |_| ())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let lists = states.first().ok_or_else(|| Error::internal("the state of DISTINCT has a column"))?;
        self.group_count = group_count;
        self.set.insert_lists(lists, groups, |_, _| ())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let (lists, _) = self.set.take_lists(std::mem::take(&mut self.group_count))?;
        Ok(vec![Arc::new(lists)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![ValueSet::list_type()]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let group_count = std::mem::take(&mut self.group_count);
        let set = self.set.take();
        let mut start = 0;
        // Once also without any entry, so that the aggregate learns how many groups there are.
        loop {
            let end = (start + DECODED_ROWS).min(set.groups().len());
            let columns = set.decode((start..end).map(|entry| set.encoded(entry)))?;
            // No aggregate that reads positions is sensitive to DISTINCT.
            let rows = GroupedRows { groups: &set.groups()[start..end], group_count, filter: None, positions: &[] };
            self.inner.update(&columns, &rows)?;
            start = end;
            if start == set.groups().len() {
                return self.inner.finish();
            }
        }
    }

    fn memory(&self) -> usize {
        self.set.memory()
    }

    fn growth(&self, rows: usize, _: usize, bytes: usize) -> usize {
        self.set.growth(rows, bytes)
    }
}
