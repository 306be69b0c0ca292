//! Queries: WITH, set operations, SELECT, ORDER BY and LIMIT drive a [`PlanBuilder`].

use sqlparser::ast::{
    self, GroupByExpr, LimitClause, OrderByKind, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier,
};

use super::bind::Binder;
use super::expression::{Converter, direction};
use super::span::{anchor, at, name_span, not_yet, query_anchor, set_anchor, span, spanned};
use crate::error::{Error, Result, Span};
use crate::expr::{Expr, SortKey};
use crate::plan::{GroupItem, Grouping, PlanBuilder, Select, Values};
use crate::types::Scalar;

/// ORDER BY as written.
enum Order {
    Keys(Vec<SortKey>),
    /// ORDER BY ALL: whether descending, and where nulls go.
    All(bool, Option<bool>),
}

impl Binder<'_> {
    /// A query with all its clauses. What its WITH defines is seen only inside of it.
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<PlanBuilder> {
        let visible = self.ctes.len();
        let built = self.query_inside(query);
        self.ctes.truncate(visible);
        built
    }

    fn query_inside(&mut self, query: &ast::Query) -> Result<PlanBuilder> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        refuse(
            query_anchor(query),
            &[
                (!locks.is_empty(), "FOR UPDATE and FOR SHARE are"),
                (for_clause.is_some(), "FOR JSON, FOR XML and FOR BROWSE are"),
                (settings.is_some(), "SETTINGS is"),
                (format_clause.is_some(), "FORMAT is"),
                (!pipe_operators.is_empty(), "pipe operators are"),
            ],
        )?;
        if let Some(with) = with {
            self.with(with)?;
        }
        let (skip, take) = limits(limit_clause.as_ref(), fetch.as_ref())?;
        let order = order_by.as_ref().map(|order| self.order(order)).transpose()?;
        let built = match (body.as_ref(), order) {
            (SetExpr::Select(select), order) => self.select(select, order)?,
            (body, None) => self.set_expr(body)?,
            (body, Some(Order::Keys(keys))) => self.set_expr(body)?.sort(&keys)?,
            (body, Some(Order::All(descending, nulls_first))) => {
                let rows = self.set_expr(body)?;
                let ordinals = 1..=i64::try_from(rows.scope().columns().len()).unwrap_or(i64::MAX);
                let key = |ordinal| {
                    let expr = Expr::Literal(Scalar::int64(ordinal));
                    SortKey { expr, descending, nulls_first }
                };
                rows.sort(&ordinals.map(key).collect::<Vec<_>>())?
            }
        };
        Ok(if skip == 0 && take.is_none() { built } else { built.limit(skip, take) })
    }

    fn with(&mut self, with: &ast::With) -> Result<()> {
        let place = span(with.with_token.0.span);
        if with.recursive {
            return Err(not_yet("recursive queries are", place));
        }
        for cte in &with.cte_tables {
            let ast::Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
            if from.is_some() {
                return Err(not_yet("WITH … FROM is", place));
            }
            let name = alias.name.value.clone();
            let built = self.query(query)?;
            let built = self.named(built, alias)?;
            self.ctes.push((name, built.build()));
        }
        Ok(())
    }

    fn order(&mut self, order: &ast::OrderBy) -> Result<Order> {
        let ast::OrderBy { kind, interpolate } = order;
        if interpolate.is_some() {
            return Err(not_yet("INTERPOLATE is", None));
        }
        match kind {
            OrderByKind::All(options) => {
                let (descending, nulls_first) = direction(options)?;
                Ok(Order::All(descending, nulls_first))
            }
            OrderByKind::Expressions(keys) => {
                let mut converter = Converter::new(self.config, self.now);
                Ok(Order::Keys(keys.iter().map(|key| converter.sort_key(key)).collect::<Result<_>>()?))
            }
        }
    }

    /// What stands on either side of UNION, and UNION itself.
    pub(super) fn set_expr(&mut self, body: &SetExpr) -> Result<PlanBuilder> {
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values, None),
            SetExpr::Table(table) => match (&table.schema_name, &table.table_name) {
                (None, Some(name)) => self.table_by_name(&ast::Ident::new(name)),
                _ => Err(not_yet("schemas are", None)),
            },
            SetExpr::SetOperation { .. } => self.set_operation(body),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(not_yet("changing tables within a query is", None))
            }
        }
    }

    /// A chain of set operations, from left to right. UNION without ALL keeps the distinct rows of UNION ALL.
    fn set_operation(&mut self, body: &SetExpr) -> Result<PlanBuilder> {
        let mut steps = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            let distinct = match (op, set_quantifier) {
                (SetOperator::Union, SetQuantifier::All) => false,
                (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => true,
                (SetOperator::Union, _) => return Err(not_yet("UNION BY NAME is", set_anchor(right))),
                (SetOperator::Intersect, _) => return Err(not_yet("INTERSECT is", set_anchor(right))),
                (SetOperator::Except | SetOperator::Minus, _) => return Err(not_yet("EXCEPT is", set_anchor(right))),
            };
            steps.push((distinct, right));
            first = left;
        }
        let mut built = self.set_expr(first)?;
        for (distinct, right) in steps.into_iter().rev() {
            let place = set_anchor(right);
            built = built.union_all(self.set_expr(right)?).map_err(|error| at(error, place))?;
            if distinct {
                built = built.distinct();
            }
        }
        Ok(built)
    }

    fn select(&mut self, select: &ast::Select, order: Option<Order>) -> Result<PlanBuilder> {
        let ast::Select {
            select_token,
            // Hints are comments, and this dialect does not read them.
            optimizer_hints: _,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let place = span(select_token.0.span);
        refuse(
            place,
            &[
                (select_modifiers.as_ref().is_some_and(ast::SelectModifiers::is_any_set), "modifiers of SELECT are"),
                (top.is_some(), "SELECT TOP is"),
                (exclude.is_some(), "EXCLUDE behind the columns is"),
                (into.is_some(), "SELECT INTO is"),
                (!lateral_views.is_empty(), "LATERAL VIEW is"),
                (prewhere.is_some(), "PREWHERE is"),
                (!connect_by.is_empty(), "CONNECT BY is"),
                (!cluster_by.is_empty(), "CLUSTER BY is"),
                (!distribute_by.is_empty(), "DISTRIBUTE BY is"),
                (!sort_by.is_empty(), "SORT BY is"),
                (!named_window.is_empty(), "window functions are"),
                (qualify.is_some(), "QUALIFY is"),
                (value_table_mode.is_some(), "SELECT AS STRUCT and SELECT AS VALUE are"),
            ],
        )?;
        let mut rows = self.from(from)?;
        let mut converter = Converter::new(self.config, self.now);
        let mut items = projection.iter().map(|item| select_item(&mut converter, item)).collect::<Result<Vec<_>>>()?;
        if *flavor == ast::SelectFlavor::FromFirstNoSelect {
            items = vec![Expr::Wildcard { table: None, exclude: Vec::new(), replace: Vec::new() }];
        }
        if from.is_empty()
            && let Some(star) = items.iter().find(|item| matches!(item.unspanned(), Expr::Wildcard { .. }))
        {
            return Err(at(Error::sql("SELECT * has no table to take columns from"), super::span::span_of(star))
                .with_hint("add FROM and a table or a file"));
        }
        if let Some(selection) = selection {
            rows = rows.filter(&converter.expr(selection)?)?;
        }
        let (grouping, group_by_all) = group_keys(&mut converter, group_by, place)?;
        let distinct_on = match distinct {
            Some(ast::Distinct::On(keys)) => converter.exprs(keys)?,
            _ => Vec::new(),
        };
        let having = having.as_ref().map(|having| converter.expr(having)).transpose()?;
        let (order_by, order_by_all) = match order {
            None => (Vec::new(), None),
            Some(Order::Keys(keys)) => (keys, None),
            Some(Order::All(descending, nulls_first)) => (Vec::new(), Some((descending, nulls_first))),
        };
        rows.select(&Select {
            projection: items,
            distinct: matches!(distinct, Some(ast::Distinct::Distinct)),
            distinct_on,
            group_by: grouping.keys,
            grouping_sets: grouping.sets,
            group_by_all,
            having,
            order_by,
            order_by_all,
        })
    }

    fn from(&mut self, from: &[ast::TableWithJoins]) -> Result<PlanBuilder> {
        let Some((first, others)) = from.split_first() else {
            return Ok(PlanBuilder::from_plan(Values::one_row()));
        };
        let mut rows = match self.unnest(&first.relation, false)? {
            Some(unnest) => self.unnested(PlanBuilder::from_plan(Values::one_row()), &unnest)?,
            None => self.table_factor(&first.relation)?,
        };
        rows = self.joined(rows, &first.joins)?;
        for item in others {
            let Some(unnest) = self.unnest(&item.relation, false)? else {
                return Err(not_yet("joins (several tables in FROM) are", factor_span(&item.relation)));
            };
            rows = self.unnested(rows, &unnest)?;
            rows = self.joined(rows, &item.joins)?;
        }
        Ok(rows)
    }
}

pub(super) fn factor_span(factor: &ast::TableFactor) -> Option<Span> {
    match factor {
        ast::TableFactor::Table { name, .. } | ast::TableFactor::Function { name, .. } => name_span(name),
        ast::TableFactor::Derived { subquery, .. } => query_anchor(subquery),
        _ => None,
    }
}

/// Refuses the first feature that is set.
pub(super) fn refuse(place: Option<Span>, features: &[(bool, &str)]) -> Result<()> {
    match features.iter().find(|(set, _)| *set) {
        Some((_, feature)) => Err(not_yet(feature, place)),
        None => Ok(()),
    }
}

pub(super) fn select_item(converter: &mut Converter, item: &SelectItem) -> Result<Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) if field_name(expr).is_some() => {
            Ok(converter.expr(expr)?.alias(field_name(expr).unwrap_or_default()))
        }
        SelectItem::UnnamedExpr(expr) => converter.expr(expr),
        SelectItem::ExprWithAlias { expr, alias } => Ok(converter.expr(expr)?.alias(&alias.value)),
        SelectItem::ExprWithAliases { expr, .. } => Err(not_yet("several aliases of one column are", anchor(expr))),
        SelectItem::Wildcard(options) => wildcard(converter, None, options, None),
        // Of a table, or the fields of a column.
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let parts: Vec<&str> = name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
            wildcard(converter, Some(parts.join(".")), options, name_span(name))
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
            Err(not_yet("fields of values are", anchor(expr)))
        }
    }
}

/// The name of a field of a field, or of items of a list: its own, as that of a field of a column is anyway.
fn field_name(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::CompoundIdentifier(parts) if parts.len() > 2 => Some(parts.last()?.value.as_str()),
        ast::Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => Some(field.value.as_str()),
            _ => None,
        },
        _ => None,
    }
}

fn wildcard(
    converter: &mut Converter,
    table: Option<String>,
    options: &ast::WildcardAdditionalOptions,
    place: Option<Span>,
) -> Result<Expr> {
    let ast::WildcardAdditionalOptions {
        wildcard_token,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let place = place.or(span(wildcard_token.0.span));
    refuse(
        place,
        &[
            (opt_ilike.is_some(), "* ILIKE is"),
            (opt_except.is_some(), "* EXCEPT is (write * EXCLUDE); EXCEPT is"),
            (opt_rename.is_some(), "* RENAME is"),
            (opt_alias.is_some(), "an alias of * is"),
        ],
    )?;
    let excluded = match opt_exclude {
        None => &[],
        Some(ast::ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ast::ExcludeSelectItem::Multiple(names)) => names.as_slice(),
    };
    // A column, or a part of one.
    let exclude = excluded.iter().map(|name| {
        let parts: Vec<&str> = name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
        parts.join(".")
    });
    let replaced = opt_replace.iter().flat_map(|replace| &replace.items);
    let replace = replaced.map(|item| Ok((converter.expr(&item.expr)?, item.column_name.value.clone())));
    Ok(spanned(Expr::Wildcard { table, exclude: exclude.collect(), replace: replace.collect::<Result<_>>()? }, place))
}

/// The keys of GROUP BY with its grouping sets, and whether it is GROUP BY ALL.
fn group_keys(converter: &mut Converter, group_by: &GroupByExpr, place: Option<Span>) -> Result<(Grouping, bool)> {
    let (exprs, modifiers) = match group_by {
        GroupByExpr::All(modifiers) => (None, modifiers),
        GroupByExpr::Expressions(exprs, modifiers) => (Some(exprs), modifiers),
    };
    refuse(place, &[(!modifiers.is_empty(), "GROUPING SETS behind the keys are")])?;
    let Some(exprs) = exprs.filter(|exprs| !exprs.is_empty()) else {
        return Ok((Grouping::default(), exprs.is_none()));
    };
    let items = exprs.iter().map(|expr| group_item(converter, expr)).collect::<Result<_>>()?;
    let grouping = Grouping::of(items).map_err(|error| at(error, exprs.first().and_then(anchor)))?;
    Ok((grouping, false))
}

fn group_item(converter: &mut Converter, item: &ast::Expr) -> Result<GroupItem> {
    Ok(match item {
        ast::Expr::Rollup(items) => {
            GroupItem::Rollup(items.iter().flatten().map(|item| keys(converter, item)).collect::<Result<_>>()?)
        }
        ast::Expr::Cube(items) => {
            GroupItem::Cube(items.iter().flatten().map(|item| keys(converter, item)).collect::<Result<_>>()?)
        }
        ast::Expr::GroupingSets(items) => {
            let items = items.iter().flatten().map(|item| group_item(converter, item));
            GroupItem::Sets(items.collect::<Result<_>>()?)
        }
        other => GroupItem::Keys(keys(converter, other)?),
    })
}

/// One key, or several in parentheses: `GROUP BY (a, b)` has the same groups as `GROUP BY a, b`.
fn keys(converter: &mut Converter, item: &ast::Expr) -> Result<Vec<Expr>> {
    match item {
        ast::Expr::Tuple(items) => converter.exprs(items),
        other => Ok(vec![converter.expr(other)?]),
    }
}

/// How many rows are skipped, and how many of the rest are kept.
fn limits(clause: Option<&LimitClause>, fetch: Option<&ast::Fetch>) -> Result<(usize, Option<usize>)> {
    let (limit, offset) = match clause {
        None => (None, None),
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            refuse(limit_by.first().and_then(anchor), &[(!limit_by.is_empty(), "LIMIT BY is")])?;
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
    };
    let skip = offset.map(|offset| row_count("OFFSET", offset)).transpose()?.flatten().unwrap_or(0);
    let limit = limit.map(|limit| row_count("LIMIT", limit)).transpose()?.flatten();
    let Some(ast::Fetch { with_ties, percent, quantity }) = fetch else {
        return Ok((skip, limit));
    };
    let place = quantity.as_ref().and_then(anchor);
    refuse(place, &[(*with_ties, "FETCH … WITH TIES is"), (*percent, "FETCH … PERCENT is")])?;
    if limit.is_some() {
        return Err(at(Error::sql("LIMIT and FETCH say the same: write one of them"), place));
    }
    let fetched = match quantity {
        None => Some(1),
        Some(quantity) => row_count("FETCH", quantity)?,
    };
    Ok((skip, fetched))
}

/// A number of rows; `None` of NULL, which is no limit.
fn row_count(clause: &str, expr: &ast::Expr) -> Result<Option<usize>> {
    let wrong = || at(Error::sql(format!("{clause} takes a whole number that is not negative")), anchor(expr));
    match expr {
        ast::Expr::Nested(inner) => row_count(clause, inner),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Null => Ok(None),
            ast::Value::Number(digits, _) => digits.replace('_', "").parse().map(Some).map_err(|_| wrong()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}
