//! Functions that choose among values. `coalesce` and `if` are lazy where the evaluator runs them: it evaluates an
//! argument only over the rows that need it; the kernels here are for arguments that are there already.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{is_not_null, is_null, or_kleene};

use super::kernel::{argument, boolean, where_true};
use super::ordering::comparable;
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::{DataType, Scalar, TEXT, sql_name};

const CATEGORY: &str = "conditional";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "coalesce" | "ifnull" | "nvl",
        "coalesce(value, …)",
        "The first value that is not null.",
        |call| all_common(call, 1),
        |args, rows, _| {
            let mut chosen = argument(args, 0)?.clone();
            for next in args.iter().skip(1) {
                if chosen.values().null_count() == 0 {
                    break;
                }
                let take_next = is_null(chosen.values())?;
                chosen = select(&take_next, next, &chosen, rows)?;
            }
            Ok(chosen)
        }
    ),
    function!(
        "nullif",
        "nullif(value, other)",
        "Null where the two are equal, otherwise the value.",
        |call| {
            call.arguments(&[Take::Any, Take::Any], &[])?;
            call.refuse_lists()?;
            all_common(call, 2)
        },
        |args, rows, _| {
            let (value, other) = (argument(args, 0)?, argument(args, 1)?);
            let equal = cmp::eq(&comparable(value), &comparable(other))?;
            if value.is_scalar() && other.is_scalar() {
                return Ok(value.like_me(arrow::compute::nullif(value.values(), &equal)?));
            }
            Ok(Value::Array(arrow::compute::nullif(&value.clone().into_array(rows), &equal)?))
        }
    ),
    function!(
        "if" | "iff",
        "if(condition, value, otherwise)",
        "The value where the condition is true, otherwise the other one.",
        |call| {
            let mut arguments = call.arguments(&[Take::Boolean, Take::Any, Take::Any], &[])?;
            let result = call.common(1)?;
            arguments.iter_mut().skip(1).for_each(|argument| *argument = result.clone());
            Ok(Signature { arguments, result })
        },
        |args, rows, _| {
            boolean(args, 0)?;
            let condition = argument(args, 0)?;
            let mask = where_true(condition.values().as_boolean());
            if condition.is_scalar() {
                return Ok(argument(args, if mask.true_count() == 1 { 1 } else { 2 })?.clone());
            }
            select(&mask, argument(args, 1)?, argument(args, 2)?, rows)
        }
    ),
    function!(
        "greatest",
        "greatest(value, …)",
        "The largest of the values that are not null.",
        compared,
        |args, rows, _| extreme(args, rows, cmp::gt)
    ),
    function!(
        "least",
        "least(value, …)",
        "The smallest of the values that are not null.",
        compared,
        |args, rows, _| extreme(args, rows, cmp::lt)
    ),
    function!(
        "typeof" | "pg_typeof",
        "typeof(value)",
        "The name of the value's type.",
        |call| call.returns(&[Take::Any], &[], TEXT),
        |args, _, _| Ok(Value::Scalar(Scalar::text(&sql_name(argument(args, 0)?.data_type()))))
    ),
];

/// At least so many arguments, all brought to the type in which they meet, which is the result's.
fn all_common(call: &Call<'_>, least: usize) -> Result<Signature> {
    if call.types.len() < least {
        return Err(call.error("too few arguments given"));
    }
    let result = call.common(0)?;
    Ok(Signature { arguments: vec![result.clone(); call.types.len()], result })
}

fn compared(call: &Call<'_>) -> Result<Signature> {
    call.refuse_lists()?;
    all_common(call, 1)
}

/// `truthy` where the mask, which has no nulls, is set. The mask has one row where all values are constants.
fn select(mask: &BooleanArray, truthy: &Value, falsy: &Value, rows: usize) -> Result<Value> {
    if mask.len() == 1 && truthy.is_scalar() && falsy.is_scalar() {
        return Ok(if mask.value(0) { truthy.clone() } else { falsy.clone() });
    }
    // A mask of a constant stands for all rows.
    if mask.len() == 1 && rows != 1 {
        return Ok(Value::Array(if mask.value(0) { truthy } else { falsy }.clone().into_array(rows)));
    }
    let (truthy, falsy) = (truthy.clone().into_array(rows), falsy.clone().into_array(rows));
    Ok(Value::Array(arrow::compute::kernels::zip::zip(mask, &truthy, &falsy)?))
}

type Comparison =
    fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<BooleanArray, arrow::error::ArrowError>;

fn extreme(args: &[Value], rows: usize, better: Comparison) -> Result<Value> {
    let (first, rest) = args.split_first().ok_or_else(|| Error::internal("a kernel was given no argument"))?;
    if *first.data_type() == DataType::Null {
        return Ok(first.clone());
    }
    let constant = args.iter().all(Value::is_scalar);
    let rows = if constant { 1 } else { rows };
    let mut chosen: ArrayRef = first.clone().into_array(rows);
    for next in rest {
        let next = next.clone().into_array(rows);
        let chosen_keys = super::ordering::comparable_array(&chosen);
        let next_keys = super::ordering::comparable_array(&next);
        // Better, or the first that is not null.
        let is_better = better(&next_keys, &chosen_keys)?;
        let fills = arrow::compute::and(&is_null(&chosen)?, &is_not_null(&next)?)?;
        let mask = where_true(&or_kleene(&is_better, &fills)?);
        chosen = arrow::compute::kernels::zip::zip(&mask, &next, &chosen)?;
    }
    Ok(if constant { Value::Scalar(Scalar::from_array(&chosen, 0)) } else { Value::Array(chosen) })
}
