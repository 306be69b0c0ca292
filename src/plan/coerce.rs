//! Bound expressions as other types, and constants as values.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::eval::cast::can_cast;
use crate::expr::BoundExpr;
use crate::types::{DataType, Scalar, TEXT, sql_name};

/// Converts to a type, where it is not of that type already.
pub(super) fn cast_to(expr: BoundExpr, to: &DataType) -> BoundExpr {
    match expr {
        expr if expr.data_type() == *to => expr,
        BoundExpr::Literal(value) if value.is_null() => BoundExpr::Literal(Scalar::null(to)),
        expr => BoundExpr::Cast { expr: Box::new(expr), to: to.clone(), try_cast: false },
    }
}

/// The value of an expression without columns; `None` where it has columns or cannot be evaluated.
pub(super) fn constant(expr: &BoundExpr) -> Option<Scalar> {
    if let BoundExpr::Literal(value) = expr {
        return Some(value.clone());
    }
    expr.columns().is_empty().then(|| evaluate_constant(expr).ok()).flatten()
}

fn evaluate_constant(expr: &BoundExpr) -> Result<Scalar> {
    let row = crate::batch::record_batch(&Arc::new(arrow::datatypes::Schema::empty()), Vec::new(), 1)?;
    let array = Evaluator::new(expr, &Arc::new(Config::default()))?.evaluate_array(&row)?;
    Ok(Scalar::from_array(&array, 0))
}

/// The type of a decimal rounded to a constant number of digits, which has no more digits than that: 1.26, not 1.260.
pub(super) fn rounded_scale(function: &str, args: &[BoundExpr], result: &DataType) -> Option<DataType> {
    let (DataType::Decimal128(precision, scale), "round" | "trunc") = (result, function) else {
        return None;
    };
    let digits = match args {
        [_] => 0,
        [_, digits] => i8::try_from(constant(digits)?.as_i64()?.max(0)).ok()?,
        _ => return None,
    };
    (digits < *scale).then_some(DataType::Decimal128(*precision, digits))
}

/// Whether it is a text constant, whose type may follow others.
pub(super) fn is_text_literal(expr: &BoundExpr) -> bool {
    matches!(expr, BoundExpr::Literal(value) if *value.data_type() == TEXT && !value.is_null())
}

/// A text constant where another type is expected, as PostgreSQL's untyped literals; it is checked at once, so that a
/// wrong one is found before anything is read.
pub(super) fn literal_as(expr: BoundExpr, to: &DataType) -> Result<BoundExpr> {
    if *to == TEXT || *to == DataType::Null {
        return Ok(expr);
    }
    if !can_cast(&TEXT, to) {
        return Err(Error::sql(format!("{expr} cannot be read as {}", sql_name(to))));
    }
    let cast = cast_to(expr.clone(), to);
    match evaluate_constant(&cast) {
        Ok(_) => Ok(cast),
        Err(error) => Err(Error::sql(format!("{expr} cannot be read as {}: {}", sql_name(to), error.kind().message))),
    }
}

/// Both sides of a comparison, a text constant as the other side's type.
pub(super) fn adapt_literals(left: BoundExpr, right: BoundExpr) -> Result<(BoundExpr, BoundExpr)> {
    match (is_text_literal(&left), is_text_literal(&right)) {
        (true, false) => Ok((literal_as(left, &right.data_type())?, right)),
        (false, true) => {
            let wanted = left.data_type();
            Ok((left, literal_as(right, &wanted)?))
        }
        _ => Ok((left, right)),
    }
}

/// Arguments as the types of a signature.
pub(super) fn coerce_arguments(args: Vec<BoundExpr>, types: &[DataType]) -> Result<Vec<BoundExpr>> {
    args.into_iter()
        .zip(types)
        .map(|(arg, to)| if is_text_literal(&arg) { literal_as(arg, to) } else { Ok(cast_to(arg, to)) })
        .collect()
}
