//! Limit: LIMIT and OFFSET.

use super::LogicalPlan;

/// Skips rows, then keeps at most `fetch` of those that follow, in the order of the input.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What is limited.
    pub input: Box<LogicalPlan>,
    /// Rows to skip.
    pub skip: usize,
    /// Rows to keep; `None` is all.
    pub fetch: Option<usize>,
}

impl Limit {
    /// A limit on a plan.
    pub fn plan(input: LogicalPlan, skip: usize, fetch: Option<usize>) -> LogicalPlan {
        LogicalPlan::Limit(Self { input: Box::new(input), skip, fetch })
    }
}
