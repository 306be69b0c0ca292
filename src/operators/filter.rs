//! WHERE and HAVING: keeps the rows where a condition is true, in their order.

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;

use crate::batch::{Coalescer, record_batch};
use crate::context::QueryContext;
use crate::error::Result;
use crate::eval::Predicate;
use crate::expr::BoundExpr;
use crate::operators::{Operator, OperatorFactory, Output};

/// Keeps the rows where the predicate is true. What a selective predicate leaves of many batches is put together to
/// batches of `batch_size` rows.
#[derive(Debug)]
pub struct FilterFactory {
    predicate: BoundExpr,
}

impl FilterFactory {
    /// A filter by a boolean expression over the input.
    pub fn new(predicate: BoundExpr) -> Self {
        Self { predicate }
    }
}

impl OperatorFactory for FilterFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let predicate = Predicate::new(&self.predicate, &context.config)?;
        Ok(Box::new(Filter { predicate, rest: Coalescer::new(context.config.batch_size) }))
    }
}

struct Filter {
    predicate: Predicate,
    /// Rows that wait for more.
    rest: Coalescer,
}

impl Operator for Filter {
    fn push(&mut self, input: RecordBatch, out: Output<'_>) -> Result<()> {
        let mask = self.predicate.mask(&input)?;
        let kept = mask.true_count();
        if kept == 0 {
            return Ok(());
        }
        if input.num_columns() == 0 {
            return out(record_batch(&input.schema(), Vec::new(), kept)?);
        }
        self.rest.push(if kept == input.num_rows() { input } else { filter_record_batch(&input, &mask)? })?;
        self.put_out(out)
    }

    fn finish(&mut self, out: Output<'_>) -> Result<()> {
        self.rest.finish()?;
        self.put_out(out)
    }
}

impl Filter {
    fn put_out(&mut self, out: Output<'_>) -> Result<()> {
        while let Some(batch) = self.rest.pop() {
            out(batch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringViewArray};

    use super::*;
    use crate::operators::testing::{context, operate, random};
    use crate::types::{DataType, Scalar};

    fn input(start: usize, keep: &[Option<bool>]) -> RecordBatch {
        let numbers = Int64Array::from_iter_values((start..start + keep.len()).map(|n| n as i64));
        let texts: StringViewArray =
            (start..start + keep.len()).map(|n| Some(format!("a text longer than a view {n}"))).collect();
        let keep = BooleanArray::from(keep.to_vec());
        let columns: [(&str, ArrayRef, bool); 3] =
            [("n", Arc::new(numbers), true), ("t", Arc::new(texts), true), ("keep", Arc::new(keep), true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn run(predicate: BoundExpr, batch_size: usize, batches: &[RecordBatch]) -> Vec<RecordBatch> {
        operate(&FilterFactory::new(predicate), &context(1 << 30, batch_size), batches).unwrap()
    }

    #[test]
    fn rows_keep_their_order_and_small_rests_become_whole_batches() {
        let predicate = BoundExpr::column(2, "keep", &DataType::Boolean);
        for (percent, batch_size) in [(0, 100), (2, 100), (50, 100), (90, 100), (99, 1000), (100, 100), (3, 1)] {
            let mut random = random(percent * 7 + batch_size as u64);
            let mut batches = Vec::new();
            let mut expected = Vec::new();
            let mut start = 0;
            for _ in 0..200 {
                let rows = random(120) as usize;
                let keep: Vec<_> = (0..rows)
                    .map(|_| if random(100) < percent { Some(true) } else { [None, Some(false)][random(2) as usize] })
                    .collect();
                expected.extend((start..).zip(&keep).filter(|(_, keep)| **keep == Some(true)).map(|(n, _)| n as i64));
                batches.push(input(start, &keep));
                start += rows;
            }
            let output = run(predicate.clone(), batch_size, &batches);
            let schema = batches[0].schema();
            let all = arrow::compute::concat_batches(&schema, &output).unwrap();
            let numbers = all.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            assert_eq!(numbers.values(), &expected[..]);
            let texts = all.column(1).as_any().downcast_ref::<StringViewArray>().unwrap();
            assert!(texts.iter().zip(&expected).all(|(text, n)| text.unwrap().ends_with(&format!(" {n}"))));
            if percent == 2 {
                let sizes: Vec<_> = output.iter().map(RecordBatch::num_rows).collect();
                assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == batch_size), "{sizes:?}");
            }
        }
    }

    #[test]
    fn a_batch_that_passes_whole_is_not_copied() {
        let batch = input(0, &[Some(true); 100]);
        let output = run(BoundExpr::Literal(Scalar::boolean(true)), 100, std::slice::from_ref(&batch));
        assert_eq!(output.len(), 1);
        assert!(Arc::ptr_eq(output[0].column(0), batch.column(0)));
    }

    #[test]
    fn batches_without_columns_keep_their_count() {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let batch = record_batch(&schema, Vec::new(), 5).unwrap();
        let pass = run(BoundExpr::Literal(Scalar::boolean(true)), 100, std::slice::from_ref(&batch));
        assert_eq!(pass.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
        assert!(run(BoundExpr::Literal(Scalar::boolean(false)), 100, &[batch]).is_empty());
    }

    #[test]
    fn rows_that_wait_do_not_hold_on_to_the_batches_they_came_from() {
        let mut keep = vec![Some(false); 8192];
        keep[77] = Some(true);
        let batches: Vec<_> = (0..50).map(|_| input(0, &keep)).collect();
        let output = run(BoundExpr::column(2, "keep", &DataType::Boolean), 8192, &batches);
        assert_eq!(output.len(), 1);
        assert!(crate::batch::batch_memory(&output[0]) < 500_000);
    }
}
