//! Filter: keeps rows where a condition is true.

use super::LogicalPlan;
use crate::expr::BoundExpr;

/// Keeps the rows where the predicate is true, not those where it is false or null.
///
/// The conditions that AND joins at its top are checked in their order, each only over rows where those before it are
/// true: a later one may rely on an earlier one (`n <> 0 AND 10 / n > 2`), and an earlier null ends it as false does.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What is filtered.
    pub input: Box<LogicalPlan>,
    /// A boolean over the input's columns.
    pub predicate: BoundExpr,
}

impl Filter {
    /// A filter over a plan.
    pub fn plan(input: LogicalPlan, predicate: BoundExpr) -> LogicalPlan {
        LogicalPlan::Filter(Self { input: Box::new(input), predicate })
    }
}
