//! FillGaps: puts in the buckets of time that are missing.

use super::{LogicalPlan, Sort};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, GapColumn, SortExpr};

/// For each series of buckets, one for each combination of the keys, a row for every bucket from its first to its last, or
/// in the given range; buckets that are outside of the range stay, and nothing is put between them. The result is in the
/// order of the keys, then of the buckets.
#[derive(Clone, Debug)]
pub struct FillGaps {
    /// One row a series and bucket, sorted by the keys, then by the bucket. A bucket that is null is a series of its own.
    pub input: Box<LogicalPlan>,
    /// What each column of the input is; one of them is the bucket.
    pub columns: Vec<GapColumn>,
    /// The call that gave the buckets, over the column that has them: its second argument. The others are constants.
    pub bucket: BoundExpr,
    /// Constants: the first bucket is the one of the latest of them. None for the first bucket of each series.
    pub starts: Vec<BoundExpr>,
    /// Constants: the last bucket is the one that begins before the earliest of them. None for the last one of each series.
    pub finishes: Vec<BoundExpr>,
}

impl FillGaps {
    /// Sorts a plan and fills its gaps.
    ///
    /// # Errors
    /// Where the buckets depend on more than one column.
    pub fn plan(
        input: LogicalPlan,
        columns: Vec<GapColumn>,
        bucket: BoundExpr,
        starts: Vec<BoundExpr>,
        finishes: Vec<BoundExpr>,
    ) -> Result<LogicalPlan> {
        let positions = |role: GapColumn| {
            columns.iter().enumerate().filter(move |(_, column)| **column == role).map(|(position, _)| position)
        };
        let (Some(time), BoundExpr::Call { args, .. }) = (positions(GapColumn::Bucket).next(), &bucket) else {
            return Err(Error::internal("a gap filling without a bucket"));
        };
        let is_constant = |(position, arg): (usize, &BoundExpr)| position == 1 || arg.columns().is_empty();
        if !args.iter().enumerate().all(is_constant) {
            return Err(Error::sql(format!("gaps of {bucket} cannot be filled: its buckets differ from row to row"))
                .with_hint("all arguments but the timestamp must be constants"));
        }
        let keys = positions(GapColumn::Key).chain([time]).map(|position| SortExpr {
            expr: input.column(position),
            descending: false,
            nulls_first: false,
        });
        let keys = keys.collect();
        let input = Box::new(Sort::plan(input, keys));
        Ok(LogicalPlan::FillGaps(Self { input, columns, bucket, starts, finishes }))
    }

    /// The column of the buckets.
    pub fn time(&self) -> Option<usize> {
        self.columns.iter().position(|column| *column == GapColumn::Bucket)
    }

    /// The columns that have to stay.
    pub fn series(&self) -> impl Iterator<Item = usize> {
        let is_series = |column: &GapColumn| matches!(column, GapColumn::Key | GapColumn::Bucket);
        self.columns.iter().enumerate().filter(move |(_, column)| is_series(column)).map(|(position, _)| position)
    }

    /// Whether the input has the order that is needed.
    pub fn has_sorted_input(&self) -> bool {
        match &*self.input {
            LogicalPlan::Sort(sort) => {
                let keys = sort.keys.iter().map(|key| match key.expr {
                    BoundExpr::Column { index, .. } if !key.descending && !key.nulls_first => Some(index),
                    _ => None,
                });
                let keys: Option<Vec<usize>> = keys.collect();
                let is_key = |position: &usize| self.columns.get(*position) == Some(&GapColumn::Key);
                let wanted = self.series().filter(is_key).chain(self.time());
                sort.fetch.is_none() && keys.is_some_and(|keys| wanted.eq(keys))
            }
            LogicalPlan::Values(values) => values.batch.num_rows() <= 1,
            _ => false,
        }
    }
}
