//! `unnest` in FROM: `FROM t, unnest(t.tags) AS u(tag)`, CROSS JOIN, and LEFT JOIN … ON true.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, TableFactor};

use super::bind::Binder;
use super::expression::Converter;
use super::query::{factor_span, refuse};
use super::span::{at, name_span, not_yet, span};
use crate::error::{Error, Result, Span};
use crate::expr::Expr;
use crate::functions::scalar::UNNEST;
use crate::plan::{PlanBuilder, UnnestSpec};

/// An item of FROM that makes rows of lists.
pub(super) struct UnnestItem {
    spec: UnnestSpec,
    place: Option<Span>,
}

impl Binder<'_> {
    /// The call of `unnest` that an item of FROM is; `None` for tables.
    pub(super) fn unnest(&mut self, factor: &TableFactor, keeps_empty: bool) -> Result<Option<UnnestItem>> {
        let (name, args, alias, ordinality) = match factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
                (name, &args.args, alias, *with_ordinality)
            }
            TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
            _ => return Ok(None),
        };
        match name.0.as_slice() {
            [part] if part.as_ident().is_some_and(|ident| ident.value.eq_ignore_ascii_case(UNNEST)) => {}
            _ => return Ok(None),
        }
        let place = name_span(name);
        let mut converter = Converter::new(self.config, self.now);
        let lists = args.iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(list)) => converter.expr(list),
            _ => Err(at(Error::sql("unnest takes lists"), place).with_hint("write FROM t, unnest(t.list) AS u(item)")),
        });
        let lists = lists.collect::<Result<Vec<Expr>>>()?;
        if lists.is_empty() {
            return Err(
                at(Error::sql("unnest takes a list"), place).with_hint("write FROM t, unnest(t.list) AS u(item)")
            );
        }
        let named = |alias: &ast::TableAlias| {
            let typed = alias.columns.iter().any(|column| column.data_type.is_some());
            refuse(
                span(alias.name.span),
                &[(typed, "types in an alias are"), (alias.at.is_some(), "AT in an alias is")],
            )?;
            Ok((alias.name.value.clone(), alias.columns.iter().map(|column| column.name.value.clone()).collect()))
        };
        let alias: Result<Option<_>> = alias.as_ref().map(named).transpose();
        let spec = UnnestSpec { lists, alias: alias?, ordinality, keeps_empty };
        Ok(Some(UnnestItem { spec, place }))
    }

    /// The rows with the items beside them.
    pub(super) fn unnested(&self, rows: PlanBuilder, item: &UnnestItem) -> Result<PlanBuilder> {
        rows.unnest(&item.spec).map_err(|error| at(error, item.place))
    }

    /// The rows with what they are joined with, which can only be `unnest` of theirs.
    pub(super) fn joined(&mut self, mut rows: PlanBuilder, joins: &[ast::Join]) -> Result<PlanBuilder> {
        for join in joins {
            let place = factor_span(&join.relation);
            let (constraint, keeps_empty) = match &join.join_operator {
                JoinOperator::CrossJoin(constraint)
                | JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint) => (constraint, false),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, true),
                _ => return Err(not_yet("joins are", place)),
            };
            let Some(item) = self.unnest(&join.relation, keeps_empty)? else {
                return Err(not_yet("joins are", place));
            };
            if !is_always(constraint) {
                return Err(not_yet("conditions of a join with unnest are", place)
                    .with_hint("write ON true, and the condition into WHERE"));
            }
            rows = self.unnested(rows, &item)?;
        }
        Ok(rows)
    }
}

/// Whether each row is joined with all of its items.
fn is_always(constraint: &JoinConstraint) -> bool {
    match constraint {
        JoinConstraint::None => true,
        JoinConstraint::On(ast::Expr::Value(value)) => value.value == ast::Value::Boolean(true),
        _ => false,
    }
}
