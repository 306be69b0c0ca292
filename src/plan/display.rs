//! How a plan prints: one line a node, inputs indented below.

use std::fmt;

use super::{Expand, LogicalPlan};
use crate::expr::BoundExpr;
use crate::expr::GapColumn;

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Projections that a headline shows; a cube has thousands.
const SHOWN_PROJECTIONS: usize = 8;

/// What the projections differ in; the rest is passed on.
fn expand(node: &Expand) -> String {
    let own: Vec<usize> = (0..node.schema.fields().len()).filter(|&column| node.passed_on(column).is_none()).collect();
    let names = list(own.iter().map(|&column| node.schema.field(column).name()));
    let projection = |exprs: &Vec<BoundExpr>| format!("({})", list(own.iter().filter_map(|&column| exprs.get(column))));
    let shown = list(node.projections.iter().take(SHOWN_PROJECTIONS).map(projection));
    let all = node.projections.len();
    let more = if all > SHOWN_PROJECTIONS { format!(", … ({all} in all)") } else { String::new() };
    format!("Expand [{names}] = {shown}{more}")
}

impl LogicalPlan {
    /// The node's own line.
    pub fn headline(&self) -> String {
        match self {
            Self::Scan(node) => {
                let mut line = format!("Scan {}", node.table.describe());
                if node.projection.is_some() {
                    line.push_str(&format!(" columns=[{}]", list(node.schema.fields().iter().map(|f| f.name()))));
                }
                if !node.filters.is_empty() {
                    line.push_str(&format!(" filters=[{}]", list(&node.filters)));
                }
                if let Some(limit) = node.limit {
                    line.push_str(&format!(" limit={limit}"));
                }
                line
            }
            Self::Values(node) => format!("Values {} rows", node.batch.num_rows()),
            Self::Filter(node) => format!("Filter {}", node.predicate),
            Self::Project(node) => format!("Project {}", list(&node.exprs)),
            Self::Aggregate(node) if node.aggregates.is_empty() => format!("Distinct {}", list(&node.keys)),
            Self::Aggregate(node) => {
                let aggregates = list(node.aggregates.iter().map(|(aggregate, _)| aggregate));
                format!("Aggregate keys=[{}] aggregates=[{aggregates}]", list(&node.keys))
            }
            Self::Sort(node) => match node.fetch {
                Some(fetch) => format!("TopN {fetch} by {}", list(&node.keys)),
                None => format!("Sort {}", list(&node.keys)),
            },
            Self::Limit(node) => {
                let fetch = node.fetch.map_or_else(|| "all".into(), |fetch| fetch.to_string());
                format!("Limit {fetch} skip={}", node.skip)
            }
            Self::FillGaps(node) => {
                let mut line = format!("FillGaps of {}", node.bucket);
                if !node.starts.is_empty() {
                    line.push_str(&format!(" from [{}]", list(&node.starts)));
                }
                if !node.finishes.is_empty() {
                    line.push_str(&format!(" until [{}]", list(&node.finishes)));
                }
                let fills = node.columns.iter().zip(node.input.schema().fields());
                let fills = fills.filter_map(|(column, field)| match column {
                    GapColumn::Value(fill) => Some(format!("{}: {fill}", field.name())),
                    GapColumn::Key | GapColumn::Bucket => None,
                });
                let fills = list(fills);
                if !fills.is_empty() {
                    line.push_str(&format!(" by [{fills}]"));
                }
                line
            }
            Self::Union(_) => "Union".into(),
            Self::Expand(node) => expand(node),
            Self::Unnest(node) => {
                let mut line = format!("Unnest {}", list(node.lists.iter().map(|list| &list.expr)));
                if node.passed.len() < node.input.schema().fields().len() {
                    let passed = node.schema.fields().iter().take(node.passed.len());
                    line.push_str(&format!(" columns=[{}]", list(passed.map(|field| field.name()))));
                }
                if node.ordinality.is_some() {
                    line.push_str(" with ordinality");
                }
                if node.keeps_empty {
                    line.push_str(" keeping rows without items");
                }
                line
            }
            Self::Window(node) => {
                let mut line = format!("Window frame={}", node.frame);
                if !node.partition_by.is_empty() {
                    line.push_str(&format!(" partition=[{}]", list(&node.partition_by)));
                }
                if !node.order_by.is_empty() {
                    line.push_str(&format!(" order=[{}]", list(&node.order_by)));
                }
                if node.min_periods > 1 {
                    line.push_str(&format!(" min_periods={}", node.min_periods));
                }
                line.push_str(&format!(" aggregates=[{}]", list(node.aggregates.iter().map(|(call, _)| call))));
                line
            }
        }
    }

    fn write_tree(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        writeln!(f, "{:indent$}{}", "", self.headline(), indent = depth * 2)?;
        for input in self.inputs() {
            input.write_tree(f, depth + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for super::NamedExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.expr.to_string();
        if text == self.name { write!(f, "{text}") } else { write!(f, "{text} AS {}", self.name) }
    }
}

/// The plan as a tree.
impl fmt::Display for LogicalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_tree(f, 0)
    }
}
