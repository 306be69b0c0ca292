//! Scan: the table's source, and behind it the filters that were pushed down to it.

use std::sync::Arc;

use super::{Chain, Lowering, MemoryUse};
use crate::error::Result;
use crate::expr::BoundExpr;
use crate::io::source::ScanRequest;
use crate::operators::filter::FilterFactory;
use crate::operators::project::ProjectFactory;
use crate::plan::{LogicalPlan, Scan};

impl Lowering<'_> {
    /// The source reads the columns of the result and, behind them, those that only the filters need.
    pub(super) fn plan_scan(&self, node: &Scan) -> Result<Chain> {
        let all = || (0..node.table.schema().fields().len()).collect();
        let visible: Vec<usize> = node.projection.clone().unwrap_or_else(all);
        let mut read = visible.clone();
        for column in node.filters.iter().flat_map(BoundExpr::columns) {
            if !read.contains(&column) {
                read.push(column);
            }
        }
        let request = ScanRequest {
            projection: Some(read.clone()),
            filters: node.filters.clone(),
            limit: if node.filters.is_empty() { node.limit } else { None },
        };
        let source = node.table.scan(&request, self.context)?;
        let mut headline = LogicalPlan::Scan(node.clone()).headline();
        if source.files_pruned() > 0 {
            headline.push_str(&format!(" files pruned={}", source.files_pruned()));
        }
        let mut chain = Self::start(source, headline, MemoryUse::Bounded("one partition per thread".into()));
        let position = |column: usize| read.iter().position(|&other| other == column).unwrap_or(column);
        let conjuncts = node.filters.iter().map(|filter| filter.clone().renumber(&position));
        if let Some(predicate) = BoundExpr::conjunction(conjuncts) {
            let headline = format!("Filter {predicate}");
            chain = Self::stream(chain, Arc::new(FilterFactory::new(predicate)), headline);
            if read.len() > visible.len() {
                let columns = (0..visible.len()).map(|index| {
                    let field = node.schema.field(index);
                    BoundExpr::column(index, field.name(), field.data_type())
                });
                let factory = ProjectFactory::new(columns.collect(), node.schema.clone());
                chain = Self::stream(chain, Arc::new(factory), "Project: drop columns of the filter".into());
            }
        }
        Ok(chain)
    }
}
