//! Filter: a streaming operator.

use std::sync::Arc;

use super::{Chain, Lowering};
use crate::error::Result;
use crate::operators::filter::FilterFactory;
use crate::plan::Filter;

impl Lowering<'_> {
    pub(super) fn plan_filter(&mut self, node: &Filter) -> Result<Chain> {
        let chain = self.lower(&node.input)?;
        let factory = FilterFactory::new(node.predicate.clone());
        Ok(Self::stream(chain, Arc::new(factory), format!("Filter {}", node.predicate)))
    }
}
