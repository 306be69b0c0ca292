//! Places in the text: sqlparser's spans as ours, and the place of an expression.

use sqlparser::ast::{self, ObjectName, SetExpr};
use sqlparser::tokenizer;

use crate::error::{Error, Span};
use crate::expr::Expr;

/// A span of sqlparser's; `None` where it does not know.
pub(super) fn span(span: tokenizer::Span) -> Option<Span> {
    (span.start.line > 0)
        .then_some(Span { start: (span.start.line, span.start.column), end: (span.end.line, span.end.column) })
}

/// From the start of the first to the end of the last.
pub(super) fn join(first: Option<Span>, last: Option<Span>) -> Option<Span> {
    match (first, last) {
        (Some(a), Some(b)) => Some(Span { start: a.start.min(b.start), end: a.end.max(b.end) }),
        (known, None) | (None, known) => known,
    }
}

/// The place of a whole name, all its parts included.
pub(super) fn name_span(name: &ObjectName) -> Option<Span> {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    parts.fold(None, |so_far, part| join(so_far, span(part.span)))
}

/// The expression with its place, where that is known.
pub(super) fn spanned(expr: Expr, span: Option<Span>) -> Expr {
    match span {
        Some(span) => Expr::Spanned(Box::new(expr), span),
        None => expr,
    }
}

/// The place of a converted expression.
pub(super) fn span_of(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::Spanned(_, span) => Some(*span),
        Expr::Alias(inner, _) => span_of(inner),
        _ => None,
    }
}

/// What SQL has and the engine does not (yet): `feature` with its verb, such as `joins are`.
pub(super) fn not_yet(feature: &str, span: Option<Span>) -> Error {
    at(Error::sql(format!("{feature} not there yet")), span)
}

/// An error with its place, where that is known.
pub(super) fn at(error: Error, span: Option<Span>) -> Error {
    match span {
        Some(span) => error.with_span(span),
        None => error,
    }
}

/// The first place within an expression that the parser recorded. Goes down the left side in a loop, since chains of
/// operators nest as deep as they are long.
pub(super) fn anchor(expr: &ast::Expr) -> Option<Span> {
    use ast::Expr as E;
    let mut next = expr;
    loop {
        next = match next {
            E::Identifier(ident) => return span(ident.span),
            E::CompoundIdentifier(parts) => return parts.first().and_then(|part| span(part.span)),
            E::Value(value) => return span(value.span),
            E::TypedString(typed) => return span(typed.value.span),
            E::Function(function) => return name_span(&function.name),
            E::Case { case_token, .. } => return span(case_token.0.span),
            E::Wildcard(token) | E::QualifiedWildcard(_, token) => return span(token.0.span),
            E::Subquery(query) | E::Exists { subquery: query, .. } => return query_anchor(query),
            E::Tuple(items) | E::Array(ast::Array { elem: items, .. }) => items.first()?,
            E::Dictionary(fields) => return fields.first().and_then(|field| span(field.key.span)),
            E::Interval(interval) => &interval.value,
            E::CompoundFieldAccess { root, .. } => root,
            E::BinaryOp { left, .. } | E::AnyOp { left, .. } | E::AllOp { left, .. } => left,
            E::JsonAccess { value, .. } => value,
            E::AtTimeZone { timestamp, .. } => timestamp,
            E::IsDistinctFrom(left, _) | E::IsNotDistinctFrom(left, _) => left,
            E::Nested(inner)
            | E::IsNull(inner)
            | E::IsNotNull(inner)
            | E::IsTrue(inner)
            | E::IsNotTrue(inner)
            | E::IsFalse(inner)
            | E::IsNotFalse(inner)
            | E::IsUnknown(inner)
            | E::IsNotUnknown(inner) => inner,
            E::UnaryOp { expr, .. }
            | E::Cast { expr, .. }
            | E::Convert { expr, .. }
            | E::InList { expr, .. }
            | E::InSubquery { expr, .. }
            | E::InUnnest { expr, .. }
            | E::Between { expr, .. }
            | E::Like { expr, .. }
            | E::ILike { expr, .. }
            | E::SimilarTo { expr, .. }
            | E::RLike { expr, .. }
            | E::IsJson { expr, .. }
            | E::IsNormalized { expr, .. }
            | E::Collate { expr, .. }
            | E::Extract { expr, .. }
            | E::Ceil { expr, .. }
            | E::Floor { expr, .. }
            | E::Position { expr, .. }
            | E::Substring { expr, .. }
            | E::Trim { expr, .. }
            | E::Overlay { expr, .. } => expr,
            _ => return None,
        }
    }
}

/// Where a query begins.
pub(super) fn query_anchor(query: &ast::Query) -> Option<Span> {
    match &query.with {
        Some(with) => span(with.with_token.0.span),
        None => set_anchor(&query.body),
    }
}

/// Where the body of a query begins.
pub(super) fn set_anchor(body: &SetExpr) -> Option<Span> {
    let mut next = body;
    loop {
        next = match next {
            SetExpr::Select(select) => return span(select.select_token.0.span),
            SetExpr::Query(query) => match &query.with {
                Some(with) => return span(with.with_token.0.span),
                None => &query.body,
            },
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Values(values) => {
                return values.rows.first().and_then(|row| span(row.opening_token.0.span));
            }
            _ => return None,
        }
    }
}
