//! Casts that change nothing, and comparisons that need none.

use super::Attempt::{self, Changed, Same};
use crate::expr::BoundExpr;
use crate::optimizer::facts::is_lossless;
use crate::types::{DataType, Scalar, TEXT, TIMESTAMP, is_integer, is_numeric};

/// A cast to the type that the value has, and a cast by way of a wider type.
pub fn needless_cast(expr: BoundExpr) -> Attempt {
    let BoundExpr::Cast { expr, to, try_cast } = expr else { return Same(expr) };
    if expr.data_type() == to {
        return Changed(*expr);
    }
    match *expr {
        BoundExpr::Cast { expr: inner, to: between, .. } if passes_through(&inner.data_type(), &between, &to) => {
            Changed(BoundExpr::Cast { expr: inner, to, try_cast })
        }
        other => Same(BoundExpr::Cast { expr: Box::new(other), to, try_cast }),
    }
}

/// Whether a cast by way of `between` does what the direct one does. Text shows what type it was made from (1 or 1.0),
/// so that only integers may pass other integers on the way to it.
fn passes_through(from: &DataType, between: &DataType, to: &DataType) -> bool {
    let integers = is_integer(from) && is_integer(between) && (is_numeric(to) || *to == TEXT);
    is_lossless(from, between) && *from != DataType::Null && (from == to || integers)
}

/// `CAST(c AS BIGINT) < 5` is `c < 5`, where the literal has an exact equal in the type of `c` and the cast keeps the
/// order: statistics and readers speak of the column as it is stored.
pub fn compare_uncast(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::Binary { left, op, right, data_type } if op.is_comparison() => match (*left, *right) {
            (BoundExpr::Cast { expr, to, try_cast }, BoundExpr::Literal(value)) => {
                match keeps_order(&expr, &to).and_then(|stored| exact(&value, &stored)) {
                    Some(value) => {
                        let right = Box::new(BoundExpr::Literal(value));
                        Changed(BoundExpr::Binary { left: expr, op, right, data_type })
                    }
                    None => {
                        let left = Box::new(BoundExpr::Cast { expr, to, try_cast });
                        let right = Box::new(BoundExpr::Literal(value));
                        Same(BoundExpr::Binary { left, op, right, data_type })
                    }
                }
            }
            (left, right) => Same(BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type }),
        },
        BoundExpr::InList { expr: item, list, negated } => match *item {
            BoundExpr::Cast { expr, to, try_cast } => {
                match keeps_order(&expr, &to).and_then(|s| all_exact(&list, &s)) {
                    Some(list) => Changed(BoundExpr::InList { expr, list, negated }),
                    None => {
                        let expr = Box::new(BoundExpr::Cast { expr, to, try_cast });
                        Same(BoundExpr::InList { expr, list, negated })
                    }
                }
            }
            other => Same(BoundExpr::InList { expr: Box::new(other), list, negated }),
        },
        other => Same(other),
    }
}

/// The type of `expr`, where a cast of it to `to` keeps values apart and in order.
fn keeps_order(expr: &BoundExpr, to: &DataType) -> Option<DataType> {
    let from = expr.data_type();
    let midnight = from == DataType::Date32 && *to == TIMESTAMP;
    (from != DataType::Null && (is_lossless(&from, to) || midnight)).then_some(from)
}

/// The value in another type, if it is there and back again the same.
fn exact(value: &Scalar, data_type: &DataType) -> Option<Scalar> {
    let there = arrow::compute::cast(value.as_array(), data_type).ok()?;
    let back = arrow::compute::cast(&there, value.data_type()).ok()?;
    let back = Scalar::from_array(&back, 0);
    (!back.is_null() && back == *value).then(|| Scalar::from_array(&there, 0))
}

fn all_exact(list: &[BoundExpr], data_type: &DataType) -> Option<Vec<BoundExpr>> {
    let exact_item = |item: &BoundExpr| match item {
        BoundExpr::Literal(value) if value.is_null() => Some(BoundExpr::Literal(Scalar::null(data_type))),
        BoundExpr::Literal(value) => exact(value, data_type).map(BoundExpr::Literal),
        _ => None,
    };
    list.iter().map(exact_item).collect()
}
