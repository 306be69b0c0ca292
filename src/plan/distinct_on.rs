//! SELECT DISTINCT ON: of the rows that are the same in some columns the first in the order of ORDER BY.

use super::resolve::{Aggregates, resolve_with_aggregates};
use super::{Aggregate, LogicalPlan, NamedExpr, Project, Scope, ScopeColumn};
use crate::error::Result;
use crate::expr::{Expr, col};

/// One row for each combination of the values of `on`, which are columns of the plan: the first of them.
pub(super) fn first_of_each(plan: LogicalPlan, on: &[usize]) -> Result<LogicalPlan> {
    let fields = plan.schema().fields().clone();
    let others: Vec<usize> = (0..fields.len()).filter(|column| !on.contains(column)).collect();
    // Names may be there twice.
    let unique = |column: usize| format!("column{column}");
    let scope: Scope = fields
        .iter()
        .enumerate()
        .map(|(column, field)| ScopeColumn { table: None, name: unique(column), data_type: field.data_type().clone() })
        .collect();
    let mut firsts = Aggregates { first_column: fields.len(), ..Aggregates::default() };
    for &column in &others {
        resolve_with_aggregates(&Expr::call("first", vec![col(unique(column))]), &scope, &mut firsts)?;
    }
    let named = |column: usize| fields[column].name().clone();
    let keys = on.iter().map(|&column| NamedExpr { expr: plan.column(column), name: named(column) }).collect();
    let firsts = firsts.calls.into_iter().zip(&others).map(|(call, &column)| (call, named(column))).collect();
    let grouped = Aggregate::plan(plan, keys, firsts);
    // As they stood before.
    let place = |column: usize| on.iter().chain(&others).position(|&other| other == column).unwrap_or(column);
    let columns =
        (0..fields.len()).map(|column| NamedExpr { expr: grouped.column(place(column)), name: named(column) });
    let columns = columns.collect();
    Ok(Project::plan(grouped, columns))
}
