//! Conditions of filters: which rows of a batch they keep.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::and;

use super::node::{Node, can_fail};
use super::rows::Rows;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::functions::scalar::kernel::where_true;

/// A condition ready to be checked over batches of one schema. The parts that AND joins are checked in their order; one
/// that can fail is checked only at rows where all before it are true. Shared by threads.
#[derive(Clone, Debug)]
pub struct Predicate {
    conjuncts: Arc<Vec<Conjunct>>,
    config: Arc<Config>,
}

#[derive(Debug)]
struct Conjunct {
    node: Node,
    can_fail: bool,
}

impl Predicate {
    /// Prepares a condition.
    ///
    /// # Errors
    /// An internal error, where a function is not registered.
    pub fn new(condition: &BoundExpr, config: &Arc<Config>) -> Result<Self> {
        let conjuncts = condition
            .clone()
            .conjuncts()
            .into_iter()
            .map(|part| Ok(Conjunct { can_fail: can_fail(&part), node: Node::compile(&part, config)? }));
        Ok(Self { conjuncts: Arc::new(conjuncts.collect::<Result<_>>()?), config: config.clone() })
    }

    /// Whether the condition may end with an error at some row.
    pub fn can_fail(&self) -> bool {
        self.conjuncts.iter().any(|conjunct| conjunct.can_fail)
    }

    /// The rows where the condition is true: null counts as false, and the result has no nulls.
    ///
    /// # Errors
    /// A data error, where a value overflows, does not fit a cast, or is outside of a function's domain.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let all = Rows::all(batch);
        let mut mask: Option<BooleanArray> = None;
        for conjunct in self.conjuncts.iter() {
            mask = Some(match mask {
                None => self.check(conjunct, &all)?,
                Some(mask) if mask.true_count() == 0 => return Ok(mask),
                Some(mask) if conjunct.can_fail && mask.true_count() < mask.len() => {
                    narrow(&mask, &self.check(conjunct, &all.select(&mask)?)?)
                }
                Some(mask) => and(&mask, &self.check(conjunct, &all)?)?,
            });
        }
        mask.ok_or_else(|| Error::internal("a condition without parts"))
    }

    fn check(&self, conjunct: &Conjunct, rows: &Rows<'_>) -> Result<BooleanArray> {
        let array = conjunct.node.evaluate(rows, &self.config)?.into_array(rows.len());
        let truth = array.as_boolean_opt();
        let truth = truth.ok_or_else(|| Error::internal(format!("a condition of type {}", array.data_type())))?;
        Ok(where_true(truth))
    }
}

/// The mask with those of its rows cleared where `kept`, which has one value for each of them, is false.
fn narrow(mask: &BooleanArray, kept: &BooleanArray) -> BooleanArray {
    let mut narrowed = BooleanBufferBuilder::new(mask.len());
    narrowed.append_n(mask.len(), false);
    for (index, row) in mask.values().set_indices().enumerate() {
        narrowed.set_bit(row, kept.value(index));
    }
    BooleanArray::new(narrowed.finish(), None)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::expr::BinaryOp;
    use crate::types::{DataType, Scalar};

    fn binary(left: BoundExpr, op: BinaryOp, right: BoundExpr, data_type: DataType) -> BoundExpr {
        BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type }
    }

    #[test]
    fn a_part_that_can_fail_sees_no_rows_that_a_null_excluded() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(5), Some(0)]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![None, Some(true), Some(true), Some(false)]));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("f", flags)]).unwrap();
        let n = BoundExpr::column(0, "n", &DataType::Int64);
        let number = |value| BoundExpr::Literal(Scalar::int64(value));
        let quotient = binary(number(10), BinaryOp::Divide, n, DataType::Int64);
        let condition = binary(
            BoundExpr::column(1, "f", &DataType::Boolean),
            BinaryOp::And,
            binary(quotient, BinaryOp::Greater, number(3), DataType::Boolean),
            DataType::Boolean,
        );
        let predicate = Predicate::new(&condition, &Arc::new(Config::default())).unwrap();
        assert_eq!(predicate.mask(&batch).unwrap(), BooleanArray::from(vec![false, true, false, false]));
    }
}
