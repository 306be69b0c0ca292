//! Expand: a streaming operator.

use std::sync::Arc;

use super::{Chain, Lowering};
use crate::error::Result;
use crate::operators::expand::ExpandFactory;
use crate::plan::{Expand, LogicalPlan};

impl Lowering<'_> {
    pub(super) fn plan_expand(&mut self, node: &Expand) -> Result<Chain> {
        let headline = LogicalPlan::Expand(node.clone()).headline();
        let chain = self.lower(&node.input)?;
        let factory = ExpandFactory::new(node.projections.clone(), node.schema.clone());
        Ok(Self::stream(chain, Arc::new(factory), headline))
    }
}
