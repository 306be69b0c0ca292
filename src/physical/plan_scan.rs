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
    /// A source that does not apply the filters itself reads, behind the columns of the result, those that only the
    /// filters need.
    pub(super) fn plan_scan(&self, node: &Scan) -> Result<Chain> {
        let all = || (0..node.table.schema().fields().len()).collect();
        let visible: Vec<usize> = node.projection.clone().unwrap_or_else(all);
        let mut headline = LogicalPlan::Scan(node.clone()).headline();
        let request = |projection: &[usize]| ScanRequest {
            projection: Some(projection.to_vec()),
            filters: node.filters.clone(),
            limit: if node.filters.is_empty() { node.limit } else { None },
        };
        let memory = || MemoryUse::Bounded("one partition per thread".into());
        let source = node.table.scan(&request(&visible), self.context)?;
        if source.files_pruned() > 0 {
            headline.push_str(&format!(" files pruned={}", source.files_pruned()));
        }
        if node.filters.is_empty() || source.applies_filters() {
            return Ok(Self::start(source, headline, memory()));
        }
        let mut read = visible.clone();
        for column in node.filters.iter().flat_map(BoundExpr::columns) {
            if !read.contains(&column) {
                read.push(column);
            }
        }
        let source = if read == visible { source } else { node.table.scan(&request(&read), self.context)? };
        let mut chain = Self::start(source, headline, memory());
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
