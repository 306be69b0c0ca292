//! Building plans from expressions by name: what SQL and the API share.

use std::sync::Arc;

use super::{LogicalPlan, Scan, Scope};
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey};
use crate::io::source::Table;

/// A plan under construction, with the names that expressions may use.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    plan: LogicalPlan,
    scope: Scope,
}

/// What a SELECT asks for over its FROM and WHERE.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// The columns of the result; wildcards are expanded.
    pub projection: Vec<Expr>,
    /// SELECT DISTINCT.
    pub distinct: bool,
    /// The keys of GROUP BY: expressions, names of input columns or of aliases in the projection, or ordinals
    /// (integer literals, from 1).
    pub group_by: Vec<Expr>,
    /// GROUP BY ALL: every item of the projection that has no aggregate in it.
    pub group_by_all: bool,
    /// HAVING.
    pub having: Option<Expr>,
    /// ORDER BY: names or ordinals of result columns, or expressions over the input.
    pub order_by: Vec<SortKey>,
    /// ORDER BY ALL: every column of the result, left to right; with the direction and place of nulls that was given.
    pub order_by_all: Option<(bool, Option<bool>)>,
}

impl PlanBuilder {
    /// Starts from a plan whose columns have no table alias.
    pub fn from_plan(plan: LogicalPlan) -> Self {
        Self { plan, scope: Scope::default() }
    }

    /// Starts from a table.
    pub fn scan(table: Arc<dyn Table>) -> Self {
        Self::from_plan(Scan::all(table))
    }

    /// Names the table that all columns come from, as `FROM … AS alias` does; the columns are also renamed where names
    /// are given.
    pub fn alias(self, table: &str, columns: &[String]) -> Result<Self> {
        let _ = (table, columns);
        Ok(self)
    }

    /// WHERE.
    pub fn filter(self, predicate: &Expr) -> Result<Self> {
        let _ = predicate;
        Err(Error::internal("not built yet"))
    }

    /// SELECT … GROUP BY … HAVING … ORDER BY, without LIMIT.
    pub fn select(self, select: &Select) -> Result<Self> {
        let _ = select;
        Err(Error::internal("not built yet"))
    }

    /// ORDER BY over the columns of the result so far, by name, ordinal or expression.
    pub fn sort(self, keys: &[SortKey]) -> Result<Self> {
        let _ = keys;
        Err(Error::internal("not built yet"))
    }

    /// LIMIT and OFFSET.
    #[must_use]
    pub fn limit(self, skip: usize, fetch: Option<usize>) -> Self {
        let _ = (skip, fetch);
        self
    }

    /// The distinct rows.
    #[must_use]
    pub fn distinct(self) -> Self {
        self
    }

    /// UNION ALL: columns by position; their types meet in a common one.
    pub fn union_all(self, other: Self) -> Result<Self> {
        let _ = other;
        Ok(self)
    }

    /// The names that expressions may use now.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The plan.
    pub fn build(self) -> LogicalPlan {
        self.plan
    }
}
