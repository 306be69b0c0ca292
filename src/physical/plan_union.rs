//! Union: the pipelines of all inputs side by side, in order.

use super::{Chain, Described, Lowering, MemoryUse};
use crate::error::Result;
use crate::metrics::OperatorMetrics;
use crate::plan::Union;

impl Lowering<'_> {
    pub(super) fn plan_union(&mut self, node: &Union) -> Result<Chain> {
        let mut pipelines = Vec::new();
        let mut children = Vec::new();
        for input in &node.inputs {
            let chain = self.lower(input)?;
            pipelines.extend(chain.pipelines);
            children.push(chain.described);
        }
        let described = Described::new("Union".into(), MemoryUse::Streams, OperatorMetrics::new(), children);
        Ok(Chain { pipelines, described })
    }
}
