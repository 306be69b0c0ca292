//! Project: a streaming operator.

use std::sync::Arc;

use super::{Chain, Lowering};
use crate::error::Result;
use crate::operators::project::ProjectFactory;
use crate::plan::{LogicalPlan, Project};

impl Lowering<'_> {
    pub(super) fn plan_project(&mut self, node: &Project) -> Result<Chain> {
        let headline = LogicalPlan::Project(node.clone()).headline();
        let chain = self.lower(&node.input)?;
        let exprs = node.exprs.iter().map(|named| named.expr.clone()).collect();
        Ok(Self::stream(chain, Arc::new(ProjectFactory::new(exprs, node.schema.clone())), headline))
    }
}
