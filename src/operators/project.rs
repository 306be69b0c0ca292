//! SELECT: computes the columns of the output.

use arrow::array::RecordBatch;

use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::Result;
use crate::eval::Evaluator;
use crate::expr::BoundExpr;
use crate::operators::{Operator, OperatorFactory, Output};
use crate::types::SchemaRef;

/// Computes one column per expression.
#[derive(Debug)]
pub struct ProjectFactory {
    exprs: Vec<BoundExpr>,
    schema: SchemaRef,
}

impl ProjectFactory {
    /// The expressions over the input, and the schema of their results.
    pub fn new(exprs: Vec<BoundExpr>, schema: SchemaRef) -> Self {
        Self { exprs, schema }
    }
}

impl OperatorFactory for ProjectFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let exprs = self.exprs.iter().map(|expr| Evaluator::new(expr, &context.config)).collect::<Result<_>>()?;
        Ok(Box::new(Project { exprs, schema: self.schema.clone() }))
    }
}

struct Project {
    exprs: Vec<Evaluator>,
    schema: SchemaRef,
}

impl Operator for Project {
    fn push(&mut self, input: RecordBatch, out: Output<'_>) -> Result<()> {
        let columns = self.exprs.iter().map(|expr| expr.evaluate_array(&input)).collect::<Result<_>>()?;
        out(record_batch(&self.schema, columns, input.num_rows())?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::{Int64Type, Schema};

    use super::*;
    use crate::operators::testing::{context, operate};
    use crate::types::{DataType, Field, Scalar};

    fn project(exprs: Vec<BoundExpr>, fields: Vec<Field>) -> RecordBatch {
        let input = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
            ("b", Arc::new(Int64Array::from(vec![4, 5, 6])) as ArrayRef),
        ])
        .unwrap();
        let factory = ProjectFactory::new(exprs, Arc::new(Schema::new(fields)));
        let mut output = operate(&factory, &context(1 << 30, 100), &[input]).unwrap();
        assert_eq!(output.len(), 1);
        output.remove(0)
    }

    #[test]
    fn columns_are_reordered_and_constants_repeated() {
        let exprs = vec![BoundExpr::column(1, "b", &DataType::Int64), BoundExpr::Literal(Scalar::int64(7))];
        let fields = ["b", "seven"].map(|name| Field::new(name, DataType::Int64, true)).to_vec();
        let output = project(exprs, fields);
        assert_eq!(output.schema().field(1).name(), "seven");
        assert_eq!(output.column(0).as_primitive::<Int64Type>().values(), &[4, 5, 6]);
        assert_eq!(output.column(1).as_primitive::<Int64Type>().values(), &[7, 7, 7]);
    }

    #[test]
    fn a_projection_to_no_columns_keeps_the_number_of_rows() {
        assert_eq!(project(Vec::new(), Vec::new()).num_rows(), 3);
    }
}
