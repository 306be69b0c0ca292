//! The types of arithmetic: what the sides are brought to, and what comes out.

use crate::expr::BinaryOp;
use crate::types::coercion::{MAX_PRECISION, common_type, integer_as_decimal};
use crate::types::{DataType, INTERVAL, TIME, TIMESTAMP, is_float, is_integer, is_numeric, is_timestamp};

/// Digits behind the point that a quotient of decimals has at least.
const DIVISION_SCALE: i16 = 6;

/// The types that the sides of an arithmetic operator are cast to, and the type of the result; `None` where the
/// operator is not defined for them.
///
/// Integers give the wider integer, as in PostgreSQL; an integer or decimal with a float gives a double. Decimals:
/// `+ -` keep all digits and add one, `*` adds up digits and scales, `/` follows SQL Server's rule (scale
/// `max(6, s1 + p2 + 1)`, cut back in favour of whole digits, but not below 6, where the precision would exceed 38),
/// `%` is as `+`. Precisions end at 38; a product whose scale would exceed 38 is not defined.
pub fn arithmetic_type(op: BinaryOp, left: &DataType, right: &DataType) -> Option<(DataType, DataType, DataType)> {
    if !op.is_arithmetic() {
        return None;
    }
    let (left, right) = adapt_nulls(op, left, right);
    if is_numeric(&left) && is_numeric(&right) { numeric(op, &left, &right) } else { temporal(op, &left, &right) }
}

/// A bare NULL takes a type that the other side can work with.
fn adapt_nulls(op: BinaryOp, left: &DataType, right: &DataType) -> (DataType, DataType) {
    let partner = |other: &DataType| match other {
        DataType::Null => DataType::Int32,
        DataType::Date32 => DataType::Int32,
        other if is_timestamp(other) || *other == TIME => INTERVAL,
        other if *other == INTERVAL && matches!(op, BinaryOp::Multiply | BinaryOp::Divide) => DataType::Float64,
        other => other.clone(),
    };
    match (left, right) {
        (DataType::Null, right) => {
            let right = if *right == DataType::Null { DataType::Int32 } else { right.clone() };
            (partner(&right), right)
        }
        (left, DataType::Null) => (left.clone(), partner(left)),
        (left, right) => (left.clone(), right.clone()),
    }
}

fn numeric(op: BinaryOp, left: &DataType, right: &DataType) -> Option<(DataType, DataType, DataType)> {
    use DataType::Decimal128;
    if is_float(left) || is_float(right) || (is_integer(left) && is_integer(right)) {
        let common = common_type(left, right)?;
        return Some((common.clone(), common.clone(), common));
    }
    let as_decimal = |data_type: &DataType| match data_type {
        Decimal128(precision, scale) => (*precision, *scale),
        other => integer_as_decimal(other),
    };
    let ((p1, s1), (p2, s2)) = (as_decimal(left), as_decimal(right));
    let (wide_p1, wide_s1, wide_p2, wide_s2) = (i16::from(p1), i16::from(s1), i16::from(p2), i16::from(s2));
    let most = i16::from(MAX_PRECISION);
    let (precision, scale) = match op {
        BinaryOp::Multiply => (wide_p1 + wide_p2, wide_s1 + wide_s2),
        BinaryOp::Divide => {
            let whole = wide_p1 - wide_s1 + wide_s2;
            let scale = DIVISION_SCALE.max(wide_s1 + wide_p2 + 1);
            if whole + scale <= most {
                (whole + scale, scale)
            } else {
                (most, (most - whole).max(DIVISION_SCALE).min(scale))
            }
        }
        _ => {
            let scale = wide_s1.max(wide_s2);
            ((wide_p1 - wide_s1).max(wide_p2 - wide_s2) + scale + 1, scale)
        }
    };
    if scale > most {
        return None;
    }
    let precision = u8::try_from(precision.clamp(scale.max(1), most)).ok()?;
    Some((Decimal128(p1, s1), Decimal128(p2, s2), Decimal128(precision, i8::try_from(scale).ok()?)))
}

fn temporal(op: BinaryOp, left: &DataType, right: &DataType) -> Option<(DataType, DataType, DataType)> {
    use DataType::{Date32, Float64, Int32, Timestamp};
    let same = |data_type: &DataType| (data_type.clone(), data_type.clone());
    Some(match (op, left, right) {
        (BinaryOp::Add | BinaryOp::Subtract, Date32, days) if is_integer(days) => (Date32, Int32, Date32),
        (BinaryOp::Add, days, Date32) if is_integer(days) => (Int32, Date32, Date32),
        (BinaryOp::Subtract, Date32, Date32) => (Date32, Date32, Int32),
        (BinaryOp::Add | BinaryOp::Subtract, Date32, r) if *r == INTERVAL => (TIMESTAMP, INTERVAL, TIMESTAMP),
        (BinaryOp::Add, l, Date32) if *l == INTERVAL => (INTERVAL, TIMESTAMP, TIMESTAMP),
        (BinaryOp::Add, Date32, r) if *r == TIME => (Date32, TIME, TIMESTAMP),
        (BinaryOp::Add, l, Date32) if *l == TIME => (TIME, Date32, TIMESTAMP),
        (BinaryOp::Add | BinaryOp::Subtract, Timestamp(_, _), r) if *r == INTERVAL => {
            (left.clone(), INTERVAL, left.clone())
        }
        (BinaryOp::Add, l, Timestamp(_, _)) if *l == INTERVAL => (INTERVAL, right.clone(), right.clone()),
        (BinaryOp::Subtract, Timestamp(_, _) | Date32, Timestamp(_, _) | Date32) => {
            let (left, right) = same(&common_type(left, right)?);
            (left, right, INTERVAL)
        }
        (BinaryOp::Add | BinaryOp::Subtract, l, r) if *l == INTERVAL && *r == INTERVAL => {
            (INTERVAL, INTERVAL, INTERVAL)
        }
        (BinaryOp::Multiply | BinaryOp::Divide, l, r) if *l == INTERVAL && is_numeric(r) => {
            (INTERVAL, Float64, INTERVAL)
        }
        (BinaryOp::Multiply, l, r) if is_numeric(l) && *r == INTERVAL => (Float64, INTERVAL, INTERVAL),
        (BinaryOp::Add | BinaryOp::Subtract, l, r) if *l == TIME && *r == INTERVAL => (TIME, INTERVAL, TIME),
        (BinaryOp::Add, l, r) if *l == INTERVAL && *r == TIME => (INTERVAL, TIME, TIME),
        (BinaryOp::Subtract, l, r) if *l == TIME && *r == TIME => (TIME, TIME, INTERVAL),
        _ => return None,
    })
}
