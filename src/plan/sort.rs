//! Sort: orders rows.

use super::LogicalPlan;
use crate::expr::SortExpr;

/// Orders rows by keys; rows with equal keys keep the input's order. With `fetch` only so many of the first are kept.
#[derive(Clone, Debug)]
pub struct Sort {
    /// What is sorted.
    pub input: Box<LogicalPlan>,
    /// The keys, most significant first.
    pub keys: Vec<SortExpr>,
    /// How many of the first rows are needed (top-N).
    pub fetch: Option<usize>,
}

impl Sort {
    /// A sort of a plan.
    pub fn plan(input: LogicalPlan, keys: Vec<SortExpr>) -> LogicalPlan {
        LogicalPlan::Sort(Self { input: Box::new(input), keys, fetch: None })
    }
}
