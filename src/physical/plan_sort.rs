//! Sort: a pipeline breaker; with few rows to fetch a bounded top-N, otherwise an external sort.

use std::sync::Arc;

use super::{Chain, Lowering, MemoryUse};
use crate::error::Result;
use crate::operators::Sink;
use crate::operators::sort::SortSink;
use crate::operators::top_n::TopN;
use crate::plan::{LogicalPlan, Sort};

impl Lowering<'_> {
    pub(super) fn plan_sort(&mut self, node: &Sort) -> Result<Chain> {
        let headline = LogicalPlan::Sort(node.clone()).headline();
        let memory = match node.fetch {
            Some(fetch) => MemoryUse::Bounded(format!("{fetch} rows per thread")),
            None => MemoryUse::MaySpill,
        };
        let chain = self.lower(&node.input)?;
        let (keys, fetch, schema) = (node.keys.clone(), node.fetch, node.input.schema().clone());
        self.end_stage(chain, headline, memory, |metrics| {
            let sink: Arc<dyn Sink> = match fetch {
                Some(fetch) => Arc::new(TopN::new(schema, keys, fetch, metrics)),
                None => Arc::new(SortSink::new(schema, keys, metrics)),
            };
            Ok(sink)
        })
    }
}
