//! Several rows for each one: computes each batch by several projections, one after the other.

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};

use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::expr::BoundExpr;
use crate::operators::{Operator, OperatorFactory, Output};
use crate::types::SchemaRef;

/// Puts out each batch once for each projection. Columns that a projection passes on are not copied.
#[derive(Debug)]
pub struct ExpandFactory {
    projections: Vec<Vec<BoundExpr>>,
    schema: SchemaRef,
}

impl ExpandFactory {
    /// The projections over the input, and the schema of each of them.
    pub fn new(projections: Vec<Vec<BoundExpr>>, schema: SchemaRef) -> Self {
        Self { projections, schema }
    }
}

impl OperatorFactory for ExpandFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let mut nulls: Vec<ArrayRef> = Vec::new();
        let mut cell = |expr: &BoundExpr| match expr {
            BoundExpr::Column { index, .. } => Ok(Cell::Column(*index)),
            BoundExpr::Literal(value) if value.is_null() => {
                let known = nulls.iter().position(|known| known.data_type() == value.data_type());
                Ok(Cell::Null(known.unwrap_or_else(|| {
                    nulls.push(value.as_array().clone());
                    nulls.len() - 1
                })))
            }
            other => Evaluator::new(other, &context.config).map(Cell::Computed),
        };
        let projections = self.projections.iter().map(|exprs| exprs.iter().map(&mut cell).collect());
        let projections = projections.collect::<Result<_>>()?;
        Ok(Box::new(Expand { projections, nulls, schema: self.schema.clone(), context: context.clone() }))
    }
}

/// A column of a projection.
enum Cell {
    /// A column of the input.
    Column(usize),
    /// Null, of one of the types that are null somewhere.
    Null(usize),
    Computed(Evaluator),
}

struct Expand {
    projections: Vec<Vec<Cell>>,
    /// A column of nulls for each type, as long as the longest batch so far.
    nulls: Vec<ArrayRef>,
    schema: SchemaRef,
    context: QueryContext,
}

impl Operator for Expand {
    fn push(&mut self, input: RecordBatch, out: Output<'_>) -> Result<()> {
        let rows = input.num_rows();
        for nulls in &mut self.nulls {
            if nulls.len() < rows {
                *nulls = new_null_array(nulls.data_type(), rows);
            }
        }
        for cells in &self.projections {
            // One batch may become thousands.
            self.context.cancel.check()?;
            let column = |cell: &Cell| match cell {
                Cell::Column(index) => input.columns().get(*index).cloned().ok_or_else(missing),
                Cell::Null(index) => self.nulls.get(*index).map(|nulls| nulls.slice(0, rows)).ok_or_else(missing),
                Cell::Computed(evaluator) => evaluator.evaluate_array(&input),
            };
            let columns = cells.iter().map(column).collect::<Result<_>>()?;
            out(record_batch(&self.schema, columns, rows)?)?;
        }
        Ok(())
    }
}

fn missing() -> Error {
    Error::internal("an expansion of a column that its input has not")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::{Int64Type, Schema};

    use super::*;
    use crate::operators::testing::{context, operate};
    use crate::types::{DataType, Field, Scalar, TEXT};

    #[test]
    fn each_batch_is_put_out_by_each_projection() {
        let batch = |numbers: Vec<i64>, texts: Vec<&str>| {
            let columns: [(&str, ArrayRef); 2] =
                [("n", Arc::new(Int64Array::from(numbers))), ("t", Arc::new(StringViewArray::from(texts)))];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let (n, t) = (BoundExpr::column(0, "n", &DataType::Int64), BoundExpr::column(1, "t", &TEXT));
        let set = |id| BoundExpr::Literal(Scalar::int64(id));
        let no_text = BoundExpr::Literal(Scalar::null(&TEXT));
        let projections = vec![vec![n.clone(), t, set(0)], vec![n, no_text, set(1)]];
        let fields = [("n", DataType::Int64), ("t", TEXT), ("set", DataType::Int64)];
        let schema = Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec());
        let factory = ExpandFactory::new(projections, Arc::new(schema));
        let inputs = [batch(vec![1], vec!["a"]), batch(vec![2, 3], vec!["b", "c"]), batch(vec![4], vec!["d"])];
        let output = operate(&factory, &context(1 << 30, 100), &inputs).unwrap();
        let row = |batch: &RecordBatch, row: usize| {
            let text = batch.column(1).as_string_view();
            let text = text.is_valid(row).then(|| text.value(row).to_string());
            let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
            format!("{} {} {}", number(0), text.unwrap_or("~".into()), number(2))
        };
        let rows: Vec<_> = output.iter().flat_map(|batch| (0..batch.num_rows()).map(|r| row(batch, r))).collect();
        assert_eq!(rows, ["1 a 0", "1 ~ 1", "2 b 0", "3 c 0", "2 ~ 1", "3 ~ 1", "4 d 0", "4 ~ 1"]);
        assert!(Arc::ptr_eq(output[0].column(0), output[1].column(0)), "what is passed on is not copied");
    }
}
