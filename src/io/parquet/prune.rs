//! Which row groups cannot hold a row that a condition keeps.
//!
//! A condition is evaluated over all values that a column may take between its bounds, in SQL's three-valued logic: the
//! result is the set of truth values that some row might have. Where true is not among them, the row group is
//! skipped. The set may be too large, never too small; what is not understood may be anything. (The idea is old:
//! "small materialized aggregates", Moerkotte, VLDB 1998; here as abstract interpretation.)

use std::cmp::Ordering;

use arrow::array::{Array, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;

use super::convert::convert;
use crate::batch::normalize_equal;
use crate::expr::{BinaryOp, BoundExpr, UnaryOp};
use crate::types::{Scalar, TIMESTAMP, coercion, is_float, is_numeric};

/// What is known about the values of a column in a row group.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// No value is smaller; `None` where that is not known.
    pub min: Option<Scalar>,
    /// No value, NaN included, is greater; `None` where that is not known.
    pub max: Option<Scalar>,
    pub may_be_null: bool,
    pub may_have_value: bool,
}

impl Bounds {
    /// One of the bounds that a file keeps, in the engine's type; `None` where it says nothing.
    pub fn of(array: &dyn Array, index: usize) -> Option<Scalar> {
        let bound = Scalar::from_array(array, index);
        let nan = is_float(bound.data_type()) && bound.as_f64().is_some_and(f64::is_nan);
        (!bound.is_null() && !nan).then_some(bound)
    }

    /// Every row has this value.
    pub fn constant(value: &Scalar) -> Self {
        let null = value.is_null();
        let bound = (!null).then(|| value.clone());
        Self { min: bound.clone(), max: bound, may_be_null: null, may_have_value: !null }
    }
}

/// The truth values that a condition may have in a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Possible {
    yes: bool,
    no: bool,
    null: bool,
}

impl Possible {
    const ANYTHING: Self = Self { yes: true, no: true, null: true };

    fn only(value: Option<bool>) -> Self {
        Self { yes: value == Some(true), no: value == Some(false), null: value.is_none() }
    }

    fn not(self) -> Self {
        Self { yes: self.no, no: self.yes, null: self.null }
    }

    fn and(self, other: Self) -> Self {
        Self {
            yes: self.yes && other.yes,
            no: self.no || other.no,
            null: (self.null && (other.null || other.yes)) || (self.yes && other.null),
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// Whether some row may satisfy the condition. `bounds` tells what is known about a column, by its index; `None` is nothing.
pub(super) fn may_match(condition: &BoundExpr, bounds: &dyn Fn(usize) -> Option<Bounds>) -> bool {
    possible(condition, bounds).yes
}

fn possible(expr: &BoundExpr, bounds: &dyn Fn(usize) -> Option<Bounds>) -> Possible {
    match expr {
        BoundExpr::Literal(value) if value.is_null() => Possible::only(None),
        BoundExpr::Literal(value) => value.as_bool().map_or(Possible::ANYTHING, |value| Possible::only(Some(value))),
        BoundExpr::Column { data_type: DataType::Boolean, .. } => {
            comparison(expr, BinaryOp::Equal, &Scalar::boolean(true), bounds)
        }
        BoundExpr::Unary { op, expr } => unary(*op, expr, bounds),
        BoundExpr::Binary { left, op: BinaryOp::And, right, .. } => possible(left, bounds).and(possible(right, bounds)),
        BoundExpr::Binary { left, op: BinaryOp::Or, right, .. } => possible(left, bounds).or(possible(right, bounds)),
        BoundExpr::Binary { left, op, right, .. } if op.is_comparison() => match (&**left, &**right) {
            (operand, BoundExpr::Literal(value)) => comparison(operand, *op, value, bounds),
            (BoundExpr::Literal(value), operand) => comparison(operand, op.swapped(), value, bounds),
            _ => Possible::ANYTHING,
        },
        BoundExpr::InList { expr, list, negated } => {
            let any = list.iter().fold(Possible::only(Some(false)), |any, item| match item {
                BoundExpr::Literal(value) => any.or(comparison(expr, BinaryOp::Equal, value, bounds)),
                _ => Possible::ANYTHING.or(any),
            });
            if *negated { any.not() } else { any }
        }
        _ => Possible::ANYTHING,
    }
}

fn unary(op: UnaryOp, expr: &BoundExpr, bounds: &dyn Fn(usize) -> Option<Bounds>) -> Possible {
    // Of a column of any type, bounds tell about nulls; of a condition, its possible values do.
    let inner = match operand(expr, bounds) {
        Some(known) if expr.data_type() != DataType::Boolean => {
            Possible { yes: known.may_have_value, no: known.may_have_value, null: known.may_be_null }
        }
        _ if expr.data_type() == DataType::Boolean => possible(expr, bounds),
        _ => Possible::ANYTHING,
    };
    let answer = |yes: bool, no: bool| Possible { yes, no, null: false };
    match op {
        UnaryOp::Not => inner.not(),
        UnaryOp::Negate => Possible::ANYTHING,
        UnaryOp::IsNull => answer(inner.null, inner.yes || inner.no),
        UnaryOp::IsNotNull => answer(inner.yes || inner.no, inner.null),
        UnaryOp::IsTrue => answer(inner.yes, inner.no || inner.null),
        UnaryOp::IsNotTrue => answer(inner.no || inner.null, inner.yes),
        UnaryOp::IsFalse => answer(inner.no, inner.yes || inner.null),
        UnaryOp::IsNotFalse => answer(inner.yes || inner.null, inner.no),
    }
}

/// The bounds of a column, or of a conversion of one that keeps the order of values.
fn operand(expr: &BoundExpr, bounds: &dyn Fn(usize) -> Option<Bounds>) -> Option<Bounds> {
    match expr {
        BoundExpr::Column { index, .. } => bounds(*index),
        BoundExpr::Cast { expr, to, try_cast: false } => {
            let from = expr.data_type();
            let widens = is_numeric(&from) && is_numeric(to) && coercion::can_widen(&from, to);
            if !widens && (from != DataType::Date32 || *to != TIMESTAMP) {
                return None;
            }
            let known = operand(expr, bounds)?;
            let widened = |bound: Option<Scalar>| {
                let array = convert(bound?.as_array(), &from, to).ok()?;
                Some(Scalar::from_array(&array, 0)).filter(|bound| !bound.is_null())
            };
            Some(Bounds { min: widened(known.min), max: widened(known.max), ..known })
        }
        _ => None,
    }
}

fn comparison(expr: &BoundExpr, op: BinaryOp, value: &Scalar, bounds: &dyn Fn(usize) -> Option<Bounds>) -> Possible {
    let Some(known) = operand(expr, bounds) else { return Possible::ANYTHING };
    match op {
        BinaryOp::DistinctFrom => not_distinct(&known, value).not(),
        BinaryOp::NotDistinctFrom => not_distinct(&known, value),
        _ if value.is_null() => Possible::only(None),
        _ => {
            let (yes, no) = range(&known, op, value);
            Possible { yes: yes && known.may_have_value, no: no && known.may_have_value, null: known.may_be_null }
        }
    }
}

fn not_distinct(known: &Bounds, value: &Scalar) -> Possible {
    if value.is_null() {
        return Possible { yes: known.may_be_null, no: known.may_have_value, null: false };
    }
    let (yes, no) = range(known, BinaryOp::Equal, value);
    Possible { yes: yes && known.may_have_value, no: (no && known.may_have_value) || known.may_be_null, null: false }
}

/// Whether a value between the bounds can compare so, and whether one can compare otherwise.
fn range(known: &Bounds, op: BinaryOp, value: &Scalar) -> (bool, bool) {
    let min = known.min.as_ref().and_then(|min| compare(min, value));
    let max = known.max.as_ref().and_then(|max| compare(max, value));
    // Whether some value may be less than, equal to, or greater than the constant.
    let less = min.is_none_or(Ordering::is_lt);
    let greater = max.is_none_or(Ordering::is_gt);
    let equal = min.is_none_or(Ordering::is_le) && max.is_none_or(Ordering::is_ge);
    match op {
        BinaryOp::Equal => (equal, less || greater),
        BinaryOp::NotEqual => (less || greater, equal),
        BinaryOp::Less => (less, equal || greater),
        BinaryOp::LessEqual => (less || equal, greater),
        BinaryOp::Greater => (greater, less || equal),
        BinaryOp::GreaterEqual => (equal || greater, less),
        _ => (true, true),
    }
}

/// The order of two values of one type, as SQL compares: NaN is the greatest, -0 is 0. `None` where it is not known.
fn compare(left: &Scalar, right: &Scalar) -> Option<Ordering> {
    if left.data_type() != right.data_type() || left.is_null() || right.is_null() {
        return None;
    }
    let (left, right) = (normalize_equal(left.as_array()), normalize_equal(right.as_array()));
    let comparator = make_comparator(&left, &right, SortOptions::default()).ok()?;
    Some(comparator(0, 0))
}
