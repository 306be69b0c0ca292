//! Values: rows in memory.

use super::{Chain, Lowering, MemoryUse};
use crate::io::source::MemorySource;
use crate::plan::{LogicalPlan, Values};

impl Lowering<'_> {
    pub(super) fn plan_values(node: &Values) -> Chain {
        let source = MemorySource::new(node.schema.clone(), vec![node.batch.clone()]);
        Self::start(source, LogicalPlan::Values(node.clone()).headline(), MemoryUse::Bounded("the query's text".into()))
    }
}
