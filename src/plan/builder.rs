//! Building plans from expressions by name: what SQL and the API share.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use super::coerce::{cast_to, constant};
use super::resolve::resolve_condition;
use super::{
    Aggregate, Filter, Limit, LogicalPlan, NamedExpr, Project, Scan, Scope, ScopeColumn, Sort, Union, resolve,
};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, Expr, SortExpr, SortKey};
use crate::io::source::Table;
use crate::types::coercion::common_type;
use crate::types::sql_name;

/// A plan under construction, with the names that expressions may use.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    pub(super) plan: LogicalPlan,
    pub(super) scope: Scope,
}

impl PlanBuilder {
    /// Starts from a plan whose columns have no table alias.
    pub fn from_plan(plan: LogicalPlan) -> Self {
        let scope = Scope::new(plan.schema(), None);
        Self { plan, scope }
    }

    /// Starts from a table.
    pub fn scan(table: Arc<dyn Table>) -> Self {
        Self::from_plan(Scan::all(table))
    }

    /// Names the table that all columns come from, as `FROM … AS alias (a, b)` does; the first columns are also renamed
    /// where names are given.
    ///
    /// # Errors
    /// Where there are more names than columns.
    pub fn alias(self, table: &str, columns: &[String]) -> Result<Self> {
        let count = self.plan.schema().fields().len();
        if columns.len() > count {
            return Err(Error::sql(format!("'{table}' has {count} columns, but {} names are given", columns.len())));
        }
        let plan = if columns.is_empty() {
            self.plan
        } else {
            let name = |index: usize| columns.get(index).unwrap_or(self.plan.schema().field(index).name()).clone();
            let exprs = (0..count).map(|i| NamedExpr { expr: self.plan.column(i), name: name(i) }).collect();
            Project::plan(self.plan, exprs)
        };
        let scope = Scope::new(plan.schema(), Some(table));
        Ok(Self { plan, scope })
    }

    /// WHERE.
    ///
    /// # Errors
    /// Where the predicate does not bind, or is no condition.
    pub fn filter(self, predicate: &Expr) -> Result<Self> {
        let predicate = resolve_condition(predicate, &self.scope, None, "WHERE")?;
        Ok(Self { plan: Filter::plan(self.plan, predicate), scope: self.scope })
    }

    /// ORDER BY over the columns of the result so far, by name, ordinal or expression.
    ///
    /// # Errors
    /// Where a key does not bind.
    pub fn sort(self, keys: &[SortKey]) -> Result<Self> {
        if keys.is_empty() {
            return Ok(self);
        }
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            let expr = match ordinal(&key.expr, self.plan.schema().fields().len(), "ORDER BY")? {
                Some(index) => self.plan.column(index),
                None => resolve(&key.expr, &self.scope)?,
            };
            bound.push(sort_expr(expr, key.descending, key.nulls_first));
        }
        Ok(Self { plan: Sort::plan(self.plan, bound), scope: self.scope })
    }

    /// LIMIT and OFFSET.
    #[must_use]
    pub fn limit(self, skip: usize, fetch: Option<usize>) -> Self {
        if skip == 0 && fetch.is_none() {
            return self;
        }
        Self { plan: Limit::plan(self.plan, skip, fetch), scope: self.scope }
    }

    /// The distinct rows.
    #[must_use]
    pub fn distinct(self) -> Self {
        Self { plan: Aggregate::distinct(self.plan), scope: self.scope }
    }

    /// UNION ALL: columns by position; their types meet in a common one.
    ///
    /// # Errors
    /// Where the numbers of columns differ, or types have none in common.
    pub fn union_all(self, other: Self) -> Result<Self> {
        let (left, right) = (self.plan.schema().clone(), other.plan.schema().clone());
        if left.fields().len() != right.fields().len() {
            return Err(Error::sql(format!(
                "the sides of UNION have {} and {} columns",
                left.fields().len(),
                right.fields().len()
            )));
        }
        let mut types = Vec::with_capacity(left.fields().len());
        for (a, b) in left.fields().iter().zip(right.fields()) {
            let common = common_type(a.data_type(), b.data_type()).ok_or_else(|| {
                Error::sql(format!(
                    "column '{}' of UNION is {} on one side and {} on the other",
                    a.name(),
                    sql_name(a.data_type()),
                    sql_name(b.data_type())
                ))
                .with_hint("bring both to one type by CAST")
            })?;
            types.push(common);
        }
        let sides = [self.plan, other.plan].map(|plan| with_columns(plan, &left, &types));
        // A chain of unions becomes one node.
        let [first, second] = sides;
        let mut inputs = match first {
            LogicalPlan::Union(union) => union.inputs,
            plan => vec![plan],
        };
        inputs.push(second);
        let plan = Union::plan(inputs);
        let columns = left.fields().iter().zip(types);
        let columns =
            columns.map(|(field, data_type)| ScopeColumn { table: None, name: field.name().clone(), data_type });
        let scope = columns.collect();
        Ok(Self { plan, scope })
    }

    /// The names that expressions may use now.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The plan so far.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// The plan.
    pub fn build(self) -> LogicalPlan {
        self.plan
    }
}

/// The plan with its columns renamed and converted, where they differ.
fn with_columns(plan: LogicalPlan, names: &SchemaRef, types: &[DataType]) -> LogicalPlan {
    let same = plan
        .schema()
        .fields()
        .iter()
        .zip(names.fields().iter().zip(types))
        .all(|(own, (name, data_type))| own.name() == name.name() && own.data_type() == data_type);
    if same {
        return plan;
    }
    let exprs = types
        .iter()
        .enumerate()
        .map(|(index, to)| NamedExpr { expr: cast_to(plan.column(index), to), name: names.field(index).name().clone() })
        .collect();
    Project::plan(plan, exprs)
}

/// A sort key; nulls come last when ascending, first when descending, if nothing was said.
pub(super) fn sort_expr(expr: BoundExpr, descending: bool, nulls_first: Option<bool>) -> SortExpr {
    SortExpr { expr, descending, nulls_first: nulls_first.unwrap_or(descending) }
}

/// The index that an integer constant names as the ordinal of one of `count` columns; `None` for other expressions.
pub(super) fn ordinal(expr: &Expr, count: usize, clause: &str) -> Result<Option<usize>> {
    let (inner, span) = match expr {
        Expr::Spanned(inner, span) => (inner.unspanned(), Some(*span)),
        other => (other, None),
    };
    let Expr::Literal(value) = inner else {
        return Ok(None);
    };
    let value = constant(&BoundExpr::Literal(value.clone())).and_then(|value| value.as_i64());
    let error = match value.map(usize::try_from) {
        Some(Ok(position)) if (1..=count).contains(&position) => return Ok(Some(position - 1)),
        Some(_) => Error::sql(format!("there is no column {inner} in the result, which has {count}")),
        None => Error::sql(format!("the constant {inner} in {clause} is no column's number"))
            .with_hint("name a column, or its number in the result; without any all rows are one group, in no order"),
    };
    Err(match span {
        Some(span) => error.with_span(span),
        None => error,
    })
}
