//! Boolean algebra under three-valued logic, and the normal forms of conditions.

use super::Attempt::{self, Changed, Same};
use crate::expr::BinaryOp::{And, DistinctFrom, Equal, NotDistinctFrom, NotEqual, Or};
use crate::expr::{BinaryOp, BoundExpr, UnaryOp};
use crate::optimizer::facts::{boolean, is_null_literal, truth};
use crate::types::{DataType, Scalar};

/// CASE: branches that are never taken go, one that is always reached ends it.
pub fn case(expr: BoundExpr) -> Attempt {
    let BoundExpr::Case { branches, otherwise, data_type } = expr else { return Same(expr) };
    if !branches.iter().any(|(condition, _)| matches!(condition, BoundExpr::Literal(_))) {
        return Same(BoundExpr::Case { branches, otherwise, data_type });
    }
    let mut kept = Vec::new();
    let mut otherwise = otherwise;
    for (condition, result) in branches {
        match condition {
            BoundExpr::Literal(value) if value.as_bool() == Some(true) => {
                otherwise = Some(Box::new(result));
                break;
            }
            BoundExpr::Literal(_) => {}
            condition => kept.push((condition, result)),
        }
    }
    Changed(match otherwise {
        otherwise if !kept.is_empty() => BoundExpr::Case { branches: kept, otherwise, data_type },
        Some(only) => *only,
        None => BoundExpr::Literal(Scalar::null(&data_type)),
    })
}

/// AND, OR and NOT.
pub fn connectives(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::Binary { left, op: op @ (And | Or), right, data_type } => {
            // True leaves the other side of AND as it is and decides OR; false the other way round.
            let neutral = op == And;
            match (truth(&left), truth(&right)) {
                (Some(value), _) if value == neutral => Changed(*right),
                (_, Some(value)) if value == neutral => Changed(*left),
                (Some(_), _) | (_, Some(_)) => Changed(boolean(!neutral)),
                _ if left == right => Changed(*left),
                _ => Same(BoundExpr::Binary { left, op, right, data_type }),
            }
        }
        BoundExpr::Unary { op: UnaryOp::Not, expr } => match negate(*expr) {
            Ok(negated) => Changed(negated),
            Err(expr) => Same(BoundExpr::Unary { op: UnaryOp::Not, expr: Box::new(expr) }),
        },
        other => Same(other),
    }
}

/// The negation without NOT around it; where there is none, the expression itself as the error.
fn negate(expr: BoundExpr) -> Result<BoundExpr, BoundExpr> {
    let or_not = |expr: Box<BoundExpr>| {
        let negated = negate(*expr).unwrap_or_else(|expr| BoundExpr::Unary { op: UnaryOp::Not, expr: Box::new(expr) });
        Box::new(negated)
    };
    Ok(match expr {
        BoundExpr::Literal(value) => BoundExpr::Literal(value.as_bool().map_or(value, |truth| Scalar::boolean(!truth))),
        BoundExpr::Unary { op: UnaryOp::Not, expr } => *expr,
        BoundExpr::Unary { op, expr } => match opposite_test(op) {
            Some(op) => BoundExpr::Unary { op, expr },
            None => return Err(BoundExpr::Unary { op, expr }),
        },
        BoundExpr::Binary { left, op: op @ (And | Or), right, data_type } => {
            let op = if op == And { Or } else { And };
            BoundExpr::Binary { left: or_not(left), op, right: or_not(right), data_type }
        }
        BoundExpr::Binary { left, op, right, data_type } => match opposite_comparison(op) {
            Some(op) => BoundExpr::Binary { left, op, right, data_type },
            None => return Err(BoundExpr::Binary { left, op, right, data_type }),
        },
        BoundExpr::InList { expr, list, negated } => BoundExpr::InList { expr, list, negated: !negated },
        BoundExpr::Like { expr, pattern, escape, case_insensitive, negated } => {
            BoundExpr::Like { expr, pattern, escape, case_insensitive, negated: !negated }
        }
        other => return Err(other),
    })
}

fn opposite_test(op: UnaryOp) -> Option<UnaryOp> {
    Some(match op {
        UnaryOp::IsNull => UnaryOp::IsNotNull,
        UnaryOp::IsNotNull => UnaryOp::IsNull,
        UnaryOp::IsTrue => UnaryOp::IsNotTrue,
        UnaryOp::IsNotTrue => UnaryOp::IsTrue,
        UnaryOp::IsFalse => UnaryOp::IsNotFalse,
        UnaryOp::IsNotFalse => UnaryOp::IsFalse,
        UnaryOp::Not | UnaryOp::Negate => return None,
    })
}

/// The comparison that is false where this is true, and null where it is null. The order is total (NaN is greatest), so
/// that every comparison has one.
fn opposite_comparison(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Equal => BinaryOp::NotEqual,
        BinaryOp::NotEqual => BinaryOp::Equal,
        BinaryOp::Less => BinaryOp::GreaterEqual,
        BinaryOp::LessEqual => BinaryOp::Greater,
        BinaryOp::Greater => BinaryOp::LessEqual,
        BinaryOp::GreaterEqual => BinaryOp::Less,
        BinaryOp::DistinctFrom => BinaryOp::NotDistinctFrom,
        BinaryOp::NotDistinctFrom => BinaryOp::DistinctFrom,
        _ => return None,
    })
}

/// An operation with the constant NULL on one side, and tests of constants.
pub fn null_operands(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::Binary { op: And | Or, .. } => Same(expr),
        BoundExpr::Binary { left, op, right, data_type } if is_null_literal(&left) || is_null_literal(&right) => {
            let other = if is_null_literal(&left) { right } else { left };
            Changed(match op {
                NotDistinctFrom => BoundExpr::Unary { op: UnaryOp::IsNull, expr: other },
                DistinctFrom => BoundExpr::Unary { op: UnaryOp::IsNotNull, expr: other },
                _ => BoundExpr::Literal(Scalar::null(&data_type)),
            })
        }
        BoundExpr::Unary { op, expr: operand } => match &*operand {
            BoundExpr::Literal(value) => match constant_test(op, value) {
                Some(truth) => Changed(boolean(truth)),
                None => Same(BoundExpr::Unary { op, expr: operand }),
            },
            _ => Same(BoundExpr::Unary { op, expr: operand }),
        },
        other => Same(other),
    }
}

fn constant_test(op: UnaryOp, value: &Scalar) -> Option<bool> {
    Some(match op {
        UnaryOp::IsNull => value.is_null(),
        UnaryOp::IsNotNull => !value.is_null(),
        UnaryOp::IsTrue => value.as_bool() == Some(true),
        UnaryOp::IsNotTrue => value.as_bool() != Some(true),
        UnaryOp::IsFalse => value.as_bool() == Some(false),
        UnaryOp::IsNotFalse => value.as_bool() != Some(false),
        UnaryOp::Not | UnaryOp::Negate => return None,
    })
}

/// `5 < a` is written `a > 5`: what readers of conditions look for.
pub fn literal_on_the_right(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::Binary { left, op, right, data_type }
            if op.is_comparison()
                && matches!(*left, BoundExpr::Literal(_))
                && !matches!(*right, BoundExpr::Literal(_)) =>
        {
            Changed(BoundExpr::Binary { left: right, op: op.swapped(), right: left, data_type })
        }
        other => Same(other),
    }
}

/// `x IN (1)` is `x = 1`.
pub fn single_item(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::InList { expr, mut list, negated } if list.len() == 1 => match list.pop() {
            Some(item) => Changed(comparison(*expr, if negated { NotEqual } else { Equal }, item)),
            None => Same(BoundExpr::InList { expr, list, negated }),
        },
        other => Same(other),
    }
}

/// `x LIKE 'abc'` is `x = 'abc'`.
pub fn plain_pattern(expr: BoundExpr) -> Attempt {
    match expr {
        BoundExpr::Like { expr, pattern, escape, case_insensitive: false, negated } if is_plain(&pattern, escape) => {
            Changed(comparison(*expr, if negated { NotEqual } else { Equal }, *pattern))
        }
        other => Same(other),
    }
}

fn is_plain(pattern: &BoundExpr, escape: Option<char>) -> bool {
    let BoundExpr::Literal(pattern) = pattern else { return false };
    let special = ['%', '_', '\\', escape.unwrap_or('\\')];
    pattern.as_str().is_some_and(|text| !text.contains(special))
}

fn comparison(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type: DataType::Boolean }
}
