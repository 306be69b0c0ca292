//! Nodes that constants make needless: filters that keep all, inputs without rows.

use crate::expr::BoundExpr;
use crate::optimizer::facts::{empty, is_empty, select, truth};
use crate::plan::{LogicalPlan, Scan, Union};

/// A node, its inputs and expressions simplified already, without what is known to do nothing.
pub fn simplify_node(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Filter(node) if truth(&node.predicate) == Some(true) => *node.input,
        LogicalPlan::Filter(node) if is_empty(&node.input) || is_never_true(&node.predicate) => {
            empty(node.input.schema())
        }
        LogicalPlan::Scan(node) if node.filters.iter().any(is_never_true) => empty(&node.schema),
        LogicalPlan::Scan(node) => {
            let filters = node.filters.into_iter().filter(|filter| truth(filter) != Some(true)).collect();
            LogicalPlan::Scan(Scan { filters, ..node })
        }
        LogicalPlan::Project(node) if is_empty(&node.input) => empty(&node.schema),
        LogicalPlan::Expand(node) if is_empty(&node.input) => empty(&node.schema),
        LogicalPlan::Sort(node) if is_empty(&node.input) => *node.input,
        LogicalPlan::Limit(node) if is_empty(&node.input) => *node.input,
        LogicalPlan::Window(node) if is_empty(&node.input) => empty(&node.schema),
        LogicalPlan::Unnest(node) if is_empty(&node.input) => empty(&node.schema),
        // Without keys there is one row, also over no input.
        LogicalPlan::Aggregate(node) if is_empty(&node.input) && !node.keys.is_empty() => empty(&node.schema),
        LogicalPlan::Union(node) => without_empty_inputs(node),
        other => other,
    }
}

/// Whether one of the conditions that AND joins is the constant false or NULL.
fn is_never_true(predicate: &BoundExpr) -> bool {
    predicate.clone().conjuncts().iter().any(|part| matches!(part, BoundExpr::Literal(_)) && truth(part) != Some(true))
}

fn without_empty_inputs(node: Union) -> LogicalPlan {
    let mut inputs: Vec<_> = node.inputs.into_iter().filter(|input| !is_empty(input)).collect();
    match inputs.len() {
        0 => empty(&node.schema),
        1 => {
            let only = inputs.remove(0);
            let names: Vec<_> = node.schema.fields().iter().map(|field| field.name().clone()).collect();
            if only.schema().fields().iter().map(|field| field.name()).eq(&names) {
                return only;
            }
            select(only, names.into_iter().enumerate())
        }
        _ => LogicalPlan::Union(Union { inputs, schema: node.schema }),
    }
}
