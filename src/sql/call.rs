//! Calls of functions, with the special syntaxes of SQL's own (EXTRACT, SUBSTRING, TRIM, …) as calls like others.

use sqlparser::ast::{
    self, CeilFloorKind, DateTimeField, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentClause, FunctionArguments, TrimWhereField,
};

use super::expression::Converter;
use super::literal;
use super::span::{anchor, at, join, name_span, not_yet, query_anchor, span_of, spanned};
use crate::error::{Error, Result, Span};
use crate::expr::{Expr, SortKey};
use crate::functions::scalar;
use crate::types::temporal::{MICROS_PER_DAY, parse_zone};
use crate::types::{DataType, Scalar};

/// What stands between the parentheses of a call.
#[derive(Default)]
struct Arguments {
    args: Vec<Expr>,
    distinct: bool,
    order_by: Vec<SortKey>,
}

impl Converter<'_> {
    /// A call of a function in any syntax.
    pub(super) fn call(&mut self, expr: &ast::Expr) -> Result<Expr> {
        use ast::Expr as E;
        match expr {
            E::Function(function) => self.function(function),
            E::Extract { field, expr, .. } => {
                let place = anchor(expr);
                let field = match field {
                    DateTimeField::Week(Some(_)) => return Err(not_yet("weeks that begin on another day are", place)),
                    DateTimeField::Custom(ident) => ident.value.to_ascii_lowercase(),
                    other => other.to_string().to_ascii_lowercase(),
                };
                let args = vec![Expr::Literal(Scalar::text(&field)), self.expr(expr)?];
                Ok(with_place("date_part", args))
            }
            E::Ceil { expr, field } => self.rounding("ceil", expr, field),
            E::Floor { expr, field } => self.rounding("floor", expr, field),
            E::Position { expr, r#in } => Ok(with_place("strpos", self.exprs([r#in.as_ref(), expr])?)),
            E::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.expr(expr)?];
                match (substring_from, substring_for) {
                    (None, Some(_)) => args.push(Expr::Literal(Scalar::int32(1))),
                    (from, _) => args.extend(from.iter().map(|from| self.expr(from)).collect::<Result<Vec<_>>>()?),
                }
                args.extend(substring_for.iter().map(|length| self.expr(length)).collect::<Result<Vec<_>>>()?);
                Ok(with_place("substring", args))
            }
            E::Trim { expr, trim_where, trim_what, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let what = trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten());
                let args = self.exprs(std::iter::once(expr.as_ref()).chain(what))?;
                Ok(with_place(name, args))
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let args = [expr, overlay_what, overlay_from].into_iter().chain(overlay_for);
                Ok(with_place("overlay", self.exprs(args.map(AsRef::as_ref))?))
            }
            E::AtTimeZone { timestamp, time_zone } => {
                Ok(with_place("timezone", self.exprs([time_zone.as_ref(), timestamp])?))
            }
            other => Err(not_yet("this call is", anchor(other))),
        }
    }

    /// CEIL and FLOOR; a second argument goes on to the function, which knows whether it takes one.
    fn rounding(&mut self, name: &str, expr: &ast::Expr, field: &CeilFloorKind) -> Result<Expr> {
        let mut args = vec![self.expr(expr)?];
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
            CeilFloorKind::DateTimeField(_) => {
                return Err(not_yet(&format!("{name} to a unit of time is"), anchor(expr))
                    .with_hint("date_trunc rounds down to a unit of time"));
            }
            CeilFloorKind::Scale(value) => args.push(literal::value(value, false)?),
        }
        Ok(with_place(name, args))
    }

    fn function(&mut self, function: &ast::Function) -> Result<Expr> {
        let ast::Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let place = name_span(name);
        let called = match name.0.as_slice() {
            [part] => part.as_ident().map(|ident| ident.value.to_ascii_lowercase()),
            _ => None,
        };
        let Some(called) = called else {
            return Err(not_yet("functions in schemas are", place));
        };
        let refused = [
            (over.is_some(), "window functions are"),
            (null_treatment.is_some(), "IGNORE NULLS and RESPECT NULLS are"),
            (!matches!(parameters, FunctionArguments::None), "functions with two lists of arguments are"),
            (*uses_odbc_syntax, "calls in the syntax of ODBC are"),
        ];
        if let Some((_, feature)) = refused.iter().find(|(set, _)| *set) {
            return Err(not_yet(feature, place));
        }
        let arguments = match args {
            FunctionArguments::None => Arguments::default(),
            FunctionArguments::Subquery(query) => {
                return Err(not_yet("subqueries in expressions are", query_anchor(query)));
            }
            FunctionArguments::List(list) => self.arguments(&called, list, place)?,
        };
        let filter = filter.as_ref().map(|filter| self.boxed(filter)).transpose()?;
        if let (Some(clock), true) = (self.clock(&called), arguments.args.is_empty() && filter.is_none()) {
            return Ok(spanned(Expr::Literal(clock).alias(called), place));
        }
        let call = match within_group.as_slice() {
            [] => Expr::Call {
                name: called,
                args: arguments.args,
                distinct: arguments.distinct,
                filter,
                order_by: arguments.order_by,
            },
            keys => self.within_group(&called, arguments, filter, keys, place)?,
        };
        Ok(spanned(call, place))
    }

    /// The value of a function that tells when the statement began, in the session's zone.
    fn clock(&self, called: &str) -> Option<Scalar> {
        match called {
            "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" => {
                Some(Scalar::timestamp(self.now, Some(&self.config.time_zone)))
            }
            "current_date" | "today" => {
                let local = parse_zone(&self.config.time_zone).map_or(self.now, |zone| zone.to_local(self.now));
                i32::try_from(local.div_euclid(MICROS_PER_DAY)).ok().map(Scalar::date)
            }
            _ => None,
        }
    }

    fn arguments(&mut self, called: &str, list: &ast::FunctionArgumentList, place: Option<Span>) -> Result<Arguments> {
        let ast::FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        let mut arguments = Arguments {
            distinct: matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct)),
            ..Arguments::default()
        };
        let mut named = NamedArguments::of(called);
        for arg in args {
            match arg {
                FunctionArg::Unnamed(_) if named.as_ref().is_some_and(NamedArguments::are_given) => {
                    let message = format!("{called}: an argument without a name stands behind one with a name");
                    return Err(at(Error::sql(message), place));
                }
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(expr),
                    operator:
                        FunctionArgOperator::Equals | FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
                } if named.is_some() => {
                    let given = (name.value.to_ascii_lowercase(), self.expr(expr)?);
                    if let Some(named) = &mut named {
                        named.take_zone(&mut arguments.args);
                        named.take(given, arguments.args.len())?;
                    }
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.args.push(self.expr(expr)?),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if called == "count" && args.len() == 1 => {
                    if arguments.distinct {
                        return Err(not_yet("count(DISTINCT *) is", place)
                            .with_hint("count the rows of a subquery: SELECT count(*) FROM (SELECT DISTINCT …)"));
                    }
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {
                    arguments.args.push(Expr::Wildcard { table: None, exclude: Vec::new(), replace: Vec::new() });
                }
                FunctionArg::Unnamed(_) => {
                    return Err(at(Error::sql(format!("the function {called} does not take *")), place));
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } if named.is_some() => {
                    let message = format!("{called}: an argument by name is written as name => value");
                    return Err(at(Error::sql(message), place));
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    let message = format!("the function {called} takes no arguments by name");
                    return Err(at(Error::sql(message), place));
                }
            }
        }
        if let Some(mut named) = named {
            named.take_zone(&mut arguments.args);
            named.append_to(&mut arguments.args);
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => {
                    arguments.order_by = keys.iter().map(|key| self.sort_key(key)).collect::<Result<_>>()?;
                }
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {
                    return Err(not_yet("IGNORE NULLS and RESPECT NULLS are", place));
                }
                _ => return Err(not_yet(&format!("this clause within {called} is"), place)),
            }
        }
        Ok(arguments)
    }

    /// `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)` is `quantile(x, 0.5)`, `mode() WITHIN GROUP (ORDER BY x)` is `mode(x)`;
    /// `listagg(x, ',') WITHIN GROUP (ORDER BY y)` is `string_agg(x, ',' ORDER BY y)`.
    fn within_group(
        &mut self,
        called: &str,
        arguments: Arguments,
        filter: Option<Box<Expr>>,
        keys: &[ast::OrderByExpr],
        place: Option<Span>,
    ) -> Result<Expr> {
        if matches!(called, "listagg" | "string_agg" | "group_concat" | "array_agg" | "list") {
            if !arguments.order_by.is_empty() {
                return Err(at(Error::sql(format!("{called} has ORDER BY twice")), place));
            }
            let order_by = keys.iter().map(|key| self.sort_key(key)).collect::<Result<_>>()?;
            let Arguments { args, distinct, .. } = arguments;
            return Ok(Expr::Call { name: called.into(), args, distinct, filter, order_by });
        }
        let name = match called {
            "percentile_cont" => "quantile",
            "percentile_disc" => "quantile_disc",
            "mode" => "mode",
            _ => return Err(not_yet(&format!("{called} with WITHIN GROUP is"), place)),
        };
        let [key] = keys else {
            return Err(at(Error::sql("WITHIN GROUP takes one key"), place));
        };
        let key = self.sort_key(key)?;
        if key.descending {
            return Err(not_yet("WITHIN GROUP with DESC is", place).with_hint("order ascending and take 1 - fraction"));
        }
        let args = std::iter::once(key.expr).chain(arguments.args).collect();
        Ok(Expr::Call { name: name.into(), args, distinct: arguments.distinct, filter, order_by: Vec::new() })
    }
}

/// Arguments of a call that were given by name: behind those by position, in the order of the parameters.
struct NamedArguments<'a> {
    called: &'a str,
    parameters: &'static [&'static str],
    /// For each parameter.
    given: Vec<Option<Expr>>,
}

impl<'a> NamedArguments<'a> {
    /// None for a function that takes no arguments by name.
    fn of(called: &'a str) -> Option<Self> {
        let parameters = scalar::parameters(called)?;
        Some(Self { called, parameters, given: vec![None; parameters.len()] })
    }

    fn take(&mut self, (name, value): (String, Expr), by_position: usize) -> Result<()> {
        let place = span_of(&value);
        let Some(index) = self.parameters.iter().position(|parameter| *parameter == name) else {
            let error = Error::sql(format!("the function {} has no parameter '{name}'", self.called));
            return Err(at(error, place).with_hint(format!("it has {}", self.parameters.join(", "))));
        };
        if index < by_position || self.given[index].is_some() {
            return Err(at(Error::sql(format!("the function {} is given '{name}' twice", self.called)), place)
                .with_hint(format!("without names its arguments are {}", self.parameters.join(", "))));
        }
        self.given[index] = Some(value);
        Ok(())
    }

    /// As in TimescaleDB a time zone may stand before start and finish: it goes to the place that its name has.
    fn take_zone(&mut self, args: &mut Vec<Expr>) {
        let parameter = |name: &str| self.parameters.iter().position(|parameter| *parameter == name);
        let (Some(start), Some(zone)) = (parameter("start"), parameter("timezone")) else { return };
        if self.are_given() || !args.get(start).is_some_and(is_zone) {
            return;
        }
        match args.get_mut(start..=zone) {
            Some(others) => others.rotate_left(1),
            None => self.given[zone] = Some(args.remove(start)),
        }
    }

    fn are_given(&self) -> bool {
        self.given.iter().any(Option::is_some)
    }

    fn append_to(self, args: &mut Vec<Expr>) {
        let Some(last) = self.given.iter().rposition(Option::is_some) else { return };
        let behind = self.given.into_iter().take(last + 1).skip(args.len());
        args.extend(behind.map(|given| given.unwrap_or(Expr::Literal(Scalar::null(&DataType::Null)))));
    }
}

/// Whether a constant names a time zone.
fn is_zone(expr: &Expr) -> bool {
    match expr.unspanned() {
        Expr::Literal(value) => value.as_str().is_some_and(|text| parse_zone(text).is_ok()),
        _ => false,
    }
}

/// A call whose place is that of its arguments, where the parser kept none of its name.
fn with_place(name: &str, args: Vec<Expr>) -> Expr {
    let place = args.iter().fold(None, |place, arg| join(place, span_of(arg)));
    spanned(Expr::call(name, args), place)
}
