//! Aggregate functions: their registry, and accumulators that hold the states of many groups in columns.
//!
//! | file | what |
//! | --- | --- |
//! | `registry` | the list of functions, and what types they take |
//! | `count`, `sum`, `variance`, `joint`, `shape`, `min_max`, `arg_extreme`, `first_last`, `boolean`, `bits`, `quantile`, `product`, `mode` | the accumulators |
//! | `approx_distinct`, `approx_quantile` | those that sketch |
//! | `tally` | what sums and means know of the rows of a group besides the sum |
//! | `gathered`, `histogram` | those whose results are lists, or texts made of many |
//! | `distinct` | the wrapper for DISTINCT |
//! | `order`, `ordered_edge` | ORDER BY inside of a call, and `first` and `last` with it |
//! | `exact_sum`, `joint_sums`, `integer_pairs`, `wide_sum`, `double_double` | sums of floats that do not depend on the order of the rows |
//! | `moments`, `exact_number` | sums of powers about the mean, without rounding where that counts |
//! | `values` | one value a group, of any type |
//! | `value_set` | the different values of each group, of any types |
//! | `sliding` | aggregates over windows, which rows enter and leave |
//! | `rows` | the loops over the rows that count |
//! | `runs` | parts of large groups that went to disk, sorted, and merging them |

mod approx_distinct;
mod approx_quantile;
mod arg_extreme;
mod bits;
mod boolean;
mod count;
mod distinct;
mod double_double;
mod exact_number;
mod exact_sum;
mod first_last;
mod gathered;
mod histogram;
mod integer_pairs;
mod joint;
mod joint_sums;
mod min_max;
mod mode;
mod moments;
mod order;
mod ordered_edge;
mod product;
mod quantile;
mod registry;
mod rows;
mod runs;
mod shape;
pub mod sliding;
mod sum;
mod tally;
#[cfg(test)]
mod tests;
mod value_set;
mod values;
mod variance;
mod wide_sum;

pub use distinct::{create_distinct, is_indifferent_to_repeats};
pub use order::OrderKey;
pub use registry::{all, lookup};
pub(crate) use rows::{table_growth, vec_growth, vec_memory};
pub use runs::{Blocks, RunBlock, RunSize, RunStore};

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};

use crate::batch::variable_bytes;
use crate::error::Result;
use crate::types::{DataType, Scalar};

/// What an aggregate takes and gives, for arguments of certain types.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateSignature {
    /// The types that the arguments are brought to, one each. Constant arguments (quantile's fraction) are among them.
    pub arguments: Vec<DataType>,
    /// The type of the result.
    pub result: DataType,
}

/// The states of all groups of one aggregate.
///
/// Groups are numbered from 0 without gaps. `positions` tells where a row stands in the order of the input (a larger
/// number is later, no two rows share one), for aggregates that depend on it. The result must not depend on how rows
/// were cut into batches, or on the order in which states were merged.
pub trait Accumulator: Send {
    /// Takes rows: `arguments` has one column an argument that is not constant, `groups[i]` is the group of row i, all
    /// below `group_count`.
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()>;

    /// Whether [`GroupedRows::positions`] must be given.
    fn needs_positions(&self) -> bool {
        false
    }

    /// Takes states as [`Accumulator::state`] gave them, one a row.
    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()>;

    /// The states of all groups as columns of the types of [`Accumulator::state_types`], one row a group; leaves no
    /// group behind.
    fn state(&mut self) -> Result<Vec<ArrayRef>>;

    /// The types of the state's columns.
    fn state_types(&self) -> Vec<DataType>;

    /// The results of all groups, one row a group; leaves no group behind.
    fn finish(&mut self) -> Result<ArrayRef>;

    /// Tells where parts of large groups may go.
    fn use_runs(&mut self, _: &Arc<dyn RunStore>) {}

    /// Writes what is in memory of each group with values of at least so many bytes there, as sorted runs; the rest of its
    /// state stays. Whether there was any such group: not where the states of groups do not grow with their rows.
    fn shed(&mut self, _least: usize) -> Result<bool> {
        Ok(false)
    }

    /// Bytes of memory held, and those that `state` or `finish` needs on top.
    fn memory(&self) -> usize;

    /// Makes the runs of each group few, so that reading them takes little memory.
    fn join_runs(&mut self) -> Result<()> {
        Ok(())
    }

    /// What `finish` needs beyond that for what is in runs.
    fn finish_growth(&self) -> FinishGrowth {
        FinishGrowth::default()
    }

    /// Bytes of the results of groups with so many values in all, which have so many bytes, where results grow with them.
    fn result_bytes(&self, _values: u64, _bytes: u64) -> u64 {
        0
    }

    /// Bytes by which [`memory`](Self::memory) can rise at most while the next `rows` rows or states in up to `new_groups` new
    /// groups are taken; what is allocated anew counts in full, since the old lives until it is copied. `bytes` is the
    /// size of the texts or states among them.
    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize;

    /// The same for those states, where they tell more than their size.
    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        let rows = states.first().map_or(0, |column| column.len());
        self.growth(rows, new_groups, states.iter().map(variable_bytes).sum())
    }
}

/// Bytes that finishing groups in runs needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct FinishGrowth {
    /// While the results are made.
    pub meanwhile: usize,
    /// For the results themselves.
    pub results: u64,
}

/// The rows of a batch, and what groups they are in.
#[derive(Clone, Copy, Debug)]
pub struct GroupedRows<'a> {
    /// The group of each row.
    pub groups: &'a [u32],
    /// How many groups there are now; new ones start empty.
    pub group_count: usize,
    /// Rows where this is not true do not count (FILTER).
    pub filter: Option<&'a BooleanArray>,
    /// Where each row stands in the order of the input; empty where [`Accumulator::needs_positions`] is false.
    pub positions: &'a [u64],
}

/// Makes an accumulator for arguments of the signature's types, and the values of the constant ones.
pub type CreateAccumulator = fn(&AggregateSignature, &[Scalar]) -> Result<Box<dyn Accumulator>>;

/// The same with keys of ORDER BY, whose columns come behind the arguments.
pub type CreateOrdered = fn(&AggregateSignature, &[Scalar], &[OrderKey]) -> Result<Box<dyn Accumulator>>;

/// An aggregate function.
pub struct AggregateFunction {
    /// The name, in lower case.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// How it is called.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// How many of the last arguments must be constants.
    pub constants: usize,
    /// Finds the signature for the types of the arguments; an SQL error that says what is accepted, where none fits.
    pub resolve: fn(&[DataType]) -> Result<AggregateSignature>,
    /// An accumulator for arguments of the signature's types; `constants` are the values of the constant ones.
    pub create: CreateAccumulator,
    /// The same where the rows are taken in an order; `None` where the order does not matter.
    pub create_ordered: Option<CreateOrdered>,
    /// The text that stands for the second argument where it is left out.
    pub default: Option<&'static str>,
}

impl AggregateFunction {
    /// An accumulator of rows in that order: of the input, where there are no keys.
    ///
    /// # Errors
    /// Where a constant is not what the function takes.
    pub fn accumulator(
        &self,
        signature: &AggregateSignature,
        constants: &[Scalar],
        order: &[OrderKey],
    ) -> Result<Box<dyn Accumulator>> {
        match self.create_ordered.filter(|_| !order.is_empty()) {
            Some(create) => create(signature, constants, order),
            None => (self.create)(signature, constants),
        }
    }
}
