//! SELECT: projection, grouping, HAVING, DISTINCT and ORDER BY over one input, for SQL and the API alike.

use super::builder::{ordinal, sort_expr};
use super::distinct_on::first_of_each;
use super::gaps::{FIRST_FILL, GapKey};
use super::grouping::GroupingSets;
use super::items::{Item, expand_wildcards, spanned};
use super::resolve::{Aggregates, contains_aggregate, resolve, resolve_condition, resolve_item};
use super::unnest::{FIRST_UNNEST, Unnests, renumbered, unnested};
use super::{Aggregate, Filter, LogicalPlan, NamedExpr, PlanBuilder, Project, Scope, ScopeColumn, Sort};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, Expr, SortExpr, SortKey};
use crate::types::Scalar;

/// What a SELECT asks for over its FROM and WHERE.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// The columns of the result; wildcards are expanded.
    pub projection: Vec<Expr>,
    /// SELECT DISTINCT.
    pub distinct: bool,
    /// SELECT DISTINCT ON: names or ordinals of result columns, or expressions over the input.
    pub distinct_on: Vec<Expr>,
    /// The keys of GROUP BY: expressions, names of input columns or of aliases in the projection, or ordinals
    /// (integer literals, from 1).
    pub group_by: Vec<Expr>,
    /// The sets of GROUPING SETS, ROLLUP and CUBE as positions in `group_by`, as [`Grouping`](super::Grouping) makes
    /// them; `None` for the one set of all keys.
    pub grouping_sets: Option<Vec<Vec<usize>>>,
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
    /// SELECT … GROUP BY … HAVING … ORDER BY, without LIMIT.
    ///
    /// # Errors
    /// SQL errors with their places.
    pub fn select(self, select: &Select) -> Result<Self> {
        let items = expand_wildcards(&select.projection, &self.scope)?;
        let grouped = !select.group_by.is_empty()
            || select.grouping_sets.is_some()
            || select.group_by_all
            || select.having.is_some()
            || items.iter().any(|item| contains_aggregate(&item.expr))
            || select.order_by.iter().any(|key| contains_aggregate(&key.expr));
        let mut over = if grouped { Over::groups(self, select, &items)? } else { Over::rows(self) };

        let mut columns = Vec::with_capacity(items.len());
        for item in &items {
            columns.push(NamedExpr { expr: over.bind(&item.expr)?, name: item.name.clone() });
        }
        let having = select.having.as_ref().map(|having| over.condition(having)).transpose()?;
        let visible = columns.len();
        let keys = order_keys(select, &mut over, &mut columns)?;
        let on = distinct_on(select, &mut over, &mut columns, visible, &keys)?;

        let plan = over.plan(having, &mut columns)?;
        let mut plan = Project::plan(plan, columns);
        if select.distinct {
            if plan.schema().fields().len() > visible {
                return Err(Error::sql("with SELECT DISTINCT, ORDER BY can name only columns of the result")
                    .with_hint("add the expression to SELECT"));
            }
            plan = Aggregate::distinct(plan);
        }
        plan = sorted(plan, &keys);
        if !on.is_empty() {
            plan = sorted(first_of_each(plan, &on)?, &keys);
        }
        if plan.schema().fields().len() > visible {
            let columns = (0..visible)
                .map(|index| NamedExpr { expr: plan.column(index), name: plan.schema().field(index).name().clone() })
                .collect();
            plan = Project::plan(plan, columns);
        }
        Ok(Self::from_plan(plan))
    }
}

fn sorted(plan: LogicalPlan, keys: &[OrderKey]) -> LogicalPlan {
    if keys.is_empty() {
        return plan;
    }
    let key = |&(column, descending, nulls_first): &OrderKey| sort_expr(plan.column(column), descending, nulls_first);
    let keys = keys.iter().map(key).collect::<Vec<SortExpr>>();
    Sort::plan(plan, keys)
}

/// A key of ORDER BY as the index of a projected column, with its direction and place of nulls.
type OrderKey = (usize, bool, Option<bool>);

/// Binds ORDER BY. What is no column of the result is appended to `columns`, to be dropped after sorting.
fn order_keys(select: &Select, over: &mut Over, columns: &mut Vec<NamedExpr>) -> Result<Vec<OrderKey>> {
    let visible = columns.len();
    if let Some((descending, nulls_first)) = select.order_by_all {
        return Ok((0..visible).map(|index| (index, descending, nulls_first)).collect());
    }
    let mut keys = Vec::with_capacity(select.order_by.len());
    for key in &select.order_by {
        let index = column_of(&key.expr, "ORDER BY", over, columns, visible)?;
        keys.push((index, key.descending, key.nulls_first));
    }
    Ok(keys)
}

/// The column that a key of ORDER BY or DISTINCT ON stands for, one of the result or one that is appended.
fn column_of(key: &Expr, clause: &str, over: &mut Over, columns: &mut Vec<NamedExpr>, visible: usize) -> Result<usize> {
    if let Some(index) = ordinal(key, visible, clause)? {
        return Ok(index);
    }
    if let Some(index) = result_column(key, &columns[..visible])? {
        return Ok(index);
    }
    let bound = bind_order_key(key, over, &columns[..visible])?;
    Ok(columns.iter().position(|column| column.expr == bound).unwrap_or_else(|| {
        columns.push(NamedExpr { name: bound.to_string(), expr: bound });
        columns.len() - 1
    }))
}

/// Binds DISTINCT ON, each column once. ORDER BY begins with the same columns, since it says which row comes first.
fn distinct_on(
    select: &Select,
    over: &mut Over,
    columns: &mut Vec<NamedExpr>,
    visible: usize,
    keys: &[OrderKey],
) -> Result<Vec<usize>> {
    let mut on = Vec::with_capacity(select.distinct_on.len());
    for key in &select.distinct_on {
        let column = column_of(key, "DISTINCT ON", over, columns, visible)?;
        if !on.contains(&column) {
            on.push(column);
        }
    }
    let mut ordered = Vec::with_capacity(keys.len());
    for (column, ..) in keys {
        if !ordered.contains(column) {
            ordered.push(*column);
        }
    }
    if ordered.iter().take(on.len()).any(|column| !on.contains(column)) && !on.is_empty() {
        return Err(Error::sql("ORDER BY must begin with the columns of DISTINCT ON")
            .with_hint("what follows them decides which of the rows is kept"));
    }
    Ok(on)
}

/// The result column that a plain name means: names of the result go before those of the input.
fn result_column(expr: &Expr, columns: &[NamedExpr]) -> Result<Option<usize>> {
    let Expr::Column { table: None, name } = expr.unspanned() else {
        return Ok(None);
    };
    let mut found = columns.iter().enumerate().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((first, column)), Some((_, second))) if column.expr != second.expr => {
            let error =
                Error::sql(format!("ORDER BY {name} is ambiguous: column {} and another are called so", first + 1));
            Err(error.with_hint("order by the column's number"))
        }
        (found, _) => Ok(found.map(|(index, _)| index)),
    }
}

/// An ORDER BY expression reads the input's columns, and aliases of the result where the input has no such name.
fn bind_order_key(expr: &Expr, over: &mut Over, columns: &[NamedExpr]) -> Result<BoundExpr> {
    let first_error = match over.bind(expr) {
        Ok(bound) => return Ok(bound),
        Err(error) => error,
    };
    let aliases = columns.iter().map(|column| ScopeColumn {
        table: None,
        name: column.name.clone(),
        data_type: column.expr.data_type(),
    });
    let aliases = aliases.collect();
    let Ok(bound) = resolve(expr, &aliases) else {
        return Err(first_error);
    };
    Ok(bound.transform(&mut |expr| match expr {
        BoundExpr::Column { index, .. } => columns[index].expr.clone(),
        other => other,
    }))
}

/// What the projection is bound over: plain rows, or groups.
struct Over {
    input: PlanBuilder,
    groups: Option<Groups>,
    unnests: Unnests,
}

struct Groups {
    keys: Vec<NamedExpr>,
    /// Where there is more than one.
    sets: Option<GroupingSets>,
    /// The key whose gaps are filled, and which one it is.
    gaps: Option<(usize, GapKey)>,
    aggregates: Aggregates,
}

impl Over {
    fn rows(input: PlanBuilder) -> Self {
        Self { input, groups: None, unnests: Unnests::default() }
    }

    fn groups(mut input: PlanBuilder, select: &Select, items: &[Item]) -> Result<Self> {
        let mut keys: Vec<NamedExpr> = Vec::new();
        let mut unnests = Unnests::default();
        let mut gaps: Option<(usize, GapKey)> = None;
        let mut add = |key: &Expr, name: String| {
            let filled = GapKey::of(key, &input)?;
            let expr = match &filled {
                Some(filled) => filled.bucket.clone(),
                None => resolve_item(key, &input.scope, None, &mut unnests)?,
            };
            let index = keys.iter().position(|key| key.expr == expr).unwrap_or(keys.len());
            if index == keys.len() {
                keys.push(NamedExpr { expr, name });
            }
            match (filled, &gaps) {
                (Some(_), _) if select.grouping_sets.is_some() => {
                    return Err(spanned(Error::sql("gaps cannot be filled in several grouping sets at once"), key)
                        .with_hint("group by one set, or put time_bucket() in the place of time_bucket_gapfill()"));
                }
                (Some(_), Some((other, _))) if *other != index => {
                    return Err(spanned(Error::sql("GROUP BY has two calls of time_bucket_gapfill()"), key)
                        .with_hint("make one of them time_bucket()"));
                }
                (Some(filled), None) => gaps = Some((index, filled)),
                _ => {}
            }
            Ok(index)
        };
        // A key that is written twice is one.
        let mut written = Vec::with_capacity(select.group_by.len());
        let scope = &input.scope;
        for key in &select.group_by {
            let item = match ordinal(key, items.len(), "GROUP BY")? {
                Some(index) => Some(&items[index]),
                None => aliased_item(key, items, scope)?,
            };
            match item {
                Some(item) if contains_aggregate(&item.expr) => {
                    return Err(Error::sql(format!("{} has an aggregate in it and cannot be grouped by", item.name)));
                }
                Some(item) => written.push(add(&item.expr, item.name.clone())?),
                None => written.push(add(key, key.output_name())?),
            }
        }
        if select.group_by_all {
            for item in items.iter().filter(|item| !contains_aggregate(&item.expr)) {
                let is_gap_key = GapKey::of(&item.expr, &input)?.is_some();
                let is_constant = || {
                    let bound = resolve_item(&item.expr, scope, None, &mut Unnests::default())?;
                    Ok::<_, Error>(bound.columns().is_empty())
                };
                if is_gap_key || !is_constant()? {
                    add(&item.expr, item.name.clone())?;
                }
            }
        }
        let sets = match &select.grouping_sets {
            None => None,
            Some(sets) if sets.len() == 1 => None,
            Some(sets) => {
                let key = |position: &usize| written.get(*position).copied();
                let sets: Vec<Vec<usize>> = sets.iter().map(|set| set.iter().filter_map(key).collect()).collect();
                Some(GroupingSets::new(&sets, keys.len())?)
            }
        };
        if !unnests.lists.is_empty() {
            let first = input.plan.schema().fields().len();
            input.plan = unnests.plan_below(input.plan);
            keys.iter_mut().for_each(|key| key.expr = renumbered(key.expr.clone(), first));
        }
        let first_column = input.plan.schema().fields().len();
        let fills = gaps.as_ref().map(|_| Vec::new());
        let aggregates = Aggregates { first_column, fills, ..Aggregates::default() };
        Ok(Self { input, groups: Some(Groups { keys, sets, gaps, aggregates }), unnests })
    }

    fn bind(&mut self, expr: &Expr) -> Result<BoundExpr> {
        match &mut self.groups {
            None => resolve_item(expr, &self.input.scope, None, &mut self.unnests),
            Some(groups) => {
                let aggregates = Some(&mut groups.aggregates);
                let bound = resolve_item(expr, &self.input.scope, aggregates, &mut self.unnests)?;
                groups.over_groups(bound).map_err(|error| spanned(error, expr))
            }
        }
    }

    fn condition(&mut self, having: &Expr) -> Result<BoundExpr> {
        let Some(groups) = &mut self.groups else {
            return resolve_condition(having, &self.input.scope, None, "HAVING");
        };
        let bound = resolve_condition(having, &self.input.scope, Some(&mut groups.aggregates), "HAVING")?;
        groups.over_groups(bound).map_err(|error| spanned(error, having))
    }

    /// The plan below the columns, which are renumbered where gaps are filled and lists unnested.
    fn plan(mut self, having: Option<BoundExpr>, columns: &mut [NamedExpr]) -> Result<LogicalPlan> {
        let mut lists = std::mem::take(&mut self.unnests.lists);
        let plan = match self.groups {
            None => filtered(self.input.plan, having),
            Some(groups) => {
                for list in &mut lists {
                    *list = groups.over_groups(list.clone())?;
                }
                let exprs = columns.iter_mut().map(|column| &mut column.expr).chain(&mut lists);
                groups.plan(self.input.plan, having, exprs)?
            }
        };
        if !lists.is_empty() {
            let first = plan.schema().fields().len();
            columns.iter_mut().for_each(|column| column.expr = renumbered(column.expr.clone(), first));
        }
        Ok(unnested(plan, &lists))
    }
}

impl Groups {
    /// The groups with their aggregates, and the gaps between them filled; expressions over them are renumbered then.
    fn plan<'a>(
        mut self,
        input: LogicalPlan,
        having: Option<BoundExpr>,
        exprs: impl Iterator<Item = &'a mut BoundExpr>,
    ) -> Result<LogicalPlan> {
        let fills = self.aggregates.fills.take().unwrap_or_default().into_iter();
        let fills = fills.map(|fill| {
            let (value, how) = fill.into_parts();
            Ok((self.over_groups(value)?, how))
        });
        let fills = fills.collect::<Result<Vec<_>>>()?;
        let Self { keys, sets, gaps, aggregates } = self;
        let calls = aggregates.calls.into_iter().map(|call| {
            let name = call.to_string();
            (call, name)
        });
        let count = keys.len();
        let plan = match sets {
            None => Aggregate::plan(input, keys, calls.collect()),
            Some(sets) => sets.plan(input, keys, calls.collect())?,
        };
        let plan = filtered(plan, having);
        let Some((key, gaps)) = gaps else { return Ok(plan) };
        let first_fill = plan.schema().fields().len();
        for expr in exprs {
            let renumbered = |index: usize| index.checked_sub(FIRST_FILL).map_or(index, |fill| first_fill + fill);
            *expr = expr.clone().renumber(&renumbered);
        }
        gaps.plan(plan, key, count, fills)
    }

    /// An expression over the input and the aggregates as one over the aggregation's result: keys, then aggregates.
    fn over_groups(&self, expr: BoundExpr) -> Result<BoundExpr> {
        // A constant is one in every set, also where it is a key.
        if let BoundExpr::Literal(_) = expr {
            return Ok(expr);
        }
        if let BoundExpr::Call { name: "grouping", args, .. } = &expr {
            return self.grouping(args);
        }
        if let Some(index) = self.keys.iter().position(|key| key.expr == expr) {
            let key = &self.keys[index];
            return Ok(BoundExpr::column(index, &key.name, &key.expr.data_type()));
        }
        if matches!(expr, BoundExpr::Column { index, .. } if index >= FIRST_UNNEST) {
            return Ok(expr);
        }
        if let BoundExpr::Column { index, name, data_type } = &expr {
            return match index.checked_sub(self.aggregates.first_column) {
                Some(call) => Ok(BoundExpr::column(self.first_aggregate() + call, name, data_type)),
                None => Err(Error::sql(format!("the column '{name}' must be in GROUP BY or inside of an aggregate"))
                    .with_hint(format!("add it to GROUP BY, or write first({name})"))),
            };
        }
        let mut failed = None;
        let mapped = expr.map_children(|child| {
            let fallback = child.clone();
            self.over_groups(child).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                fallback
            })
        });
        failed.map_or(Ok(mapped), Err)
    }

    /// The keys come first, then the grouping id where there are several sets.
    fn first_aggregate(&self) -> usize {
        self.keys.len() + usize::from(self.sets.is_some())
    }

    fn grouping(&self, args: &[BoundExpr]) -> Result<BoundExpr> {
        let key = |arg: &BoundExpr| {
            self.keys.iter().position(|key| key.expr == *arg).ok_or_else(|| {
                Error::sql(format!("GROUPING takes keys of GROUP BY, and {arg} is none"))
                    .with_hint("write the key as it stands in GROUP BY")
            })
        };
        let keys = args.iter().map(key).collect::<Result<Vec<_>>>()?;
        Ok(match &self.sets {
            None => BoundExpr::Literal(Scalar::int32(0)),
            Some(sets) => sets.grouping(&keys, self.keys.len()),
        })
    }
}

fn filtered(plan: LogicalPlan, having: Option<BoundExpr>) -> LogicalPlan {
    match having {
        Some(having) => Filter::plan(plan, having),
        None => plan,
    }
}

/// The item whose alias a GROUP BY key names; columns of the input go first, as in PostgreSQL.
fn aliased_item<'a>(key: &Expr, items: &'a [Item], scope: &Scope) -> Result<Option<&'a Item>> {
    let Expr::Column { table: None, name } = key.unspanned() else {
        return Ok(None);
    };
    if scope.find(None, name)?.is_some() {
        return Ok(None);
    }
    Ok(items.iter().find(|item| item.name.eq_ignore_ascii_case(name)))
}
