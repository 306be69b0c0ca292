//! Functions of numbers. Arguments outside of a function's domain are errors, as in PostgreSQL; NaN passes through.

use arrow::array::{AsArray, BooleanArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::kernel::{argument, map_boolean, map_double, map_primitive, primitive, try_map_double};
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::{DataType, Scalar};

const CATEGORY: &str = "math";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "pi",
        "pi()",
        "The ratio of a circle's circumference to its diameter.",
        |call| { call.returns(&[], &[], DataType::Float64) },
        |_, _, _| Ok(Value::Scalar(Scalar::float64(std::f64::consts::PI)))
    ),
    function!("sqrt", "sqrt(x)", "The square root.", one, |args, _, _| {
        try_map_double(args, |x| if x < 0.0 { Err("sqrt: the number is negative") } else { Ok(x.sqrt()) })
    }),
    function!("cbrt", "cbrt(x)", "The cube root.", one, |args, _, _| map_double(args, f64::cbrt)),
    function!("exp", "exp(x)", "e raised to the power x.", one, |args, _, _| map_double(args, f64::exp)),
    function!("ln", "ln(x)", "The natural logarithm.", one, |args, _, _| {
        try_map_double(args, |x| positive(x).map(f64::ln))
    }),
    function!("log2", "log2(x)", "The logarithm to base 2.", one, |args, _, _| {
        try_map_double(args, |x| positive(x).map(f64::log2))
    }),
    function!(
        "log" | "log10",
        "log([base,] x)",
        "The logarithm to the base, which is 10 where none is given.",
        |call| if call.types.len() == 1 { one(call) } else { two(call) },
        |args, rows, _| {
            if args.len() == 1 {
                return try_map_double(args, |x| positive(x).map(f64::log10));
            }
            binary(args, rows, |base, x| {
                let (base, x) = (positive(base)?, positive(x)?);
                if base == 1.0 { Err("log: the base is 1") } else { Ok(x.ln() / base.ln()) }
            })
        }
    ),
    function!("power" | "pow", "power(x, y)", "x raised to the power y.", two, |args, rows, _| {
        binary(args, rows, |x, y| {
            if x == 0.0 && y < 0.0 {
                Err("power: zero raised to a negative power")
            } else if x < 0.0 && y.is_finite() && y.fract() != 0.0 {
                Err("power: a negative number raised to a power that is not whole")
            } else {
                Ok(x.powf(y))
            }
        })
    }),
    function!("sin", "sin(x)", "The sine of an angle in radians.", one, |args, _, _| map_double(args, f64::sin)),
    function!("cos", "cos(x)", "The cosine of an angle in radians.", one, |args, _, _| map_double(args, f64::cos)),
    function!("tan", "tan(x)", "The tangent of an angle in radians.", one, |args, _, _| map_double(args, f64::tan)),
    function!("cot", "cot(x)", "The cotangent of an angle in radians.", one, |args, _, _| {
        map_double(args, |x| x.tan().recip())
    }),
    function!("asin", "asin(x)", "The angle in radians whose sine is x.", one, |args, _, _| {
        try_map_double(args, |x| unit(x).map(f64::asin))
    }),
    function!("acos", "acos(x)", "The angle in radians whose cosine is x.", one, |args, _, _| {
        try_map_double(args, |x| unit(x).map(f64::acos))
    }),
    function!("atan", "atan(x)", "The angle in radians whose tangent is x.", one, |args, _, _| {
        map_double(args, f64::atan)
    }),
    function!("atan2", "atan2(y, x)", "The angle in radians of the point (x, y).", two, |args, rows, _| {
        binary(args, rows, |y, x| Ok(y.atan2(x)))
    }),
    function!("sinh", "sinh(x)", "The hyperbolic sine.", one, |args, _, _| map_double(args, f64::sinh)),
    function!("cosh", "cosh(x)", "The hyperbolic cosine.", one, |args, _, _| map_double(args, f64::cosh)),
    function!("tanh", "tanh(x)", "The hyperbolic tangent.", one, |args, _, _| map_double(args, f64::tanh)),
    function!("degrees", "degrees(x)", "Radians as degrees.", one, |args, _, _| map_double(args, f64::to_degrees)),
    function!("radians", "radians(x)", "Degrees as radians.", one, |args, _, _| map_double(args, f64::to_radians)),
    function!(
        "gcd",
        "gcd(a, b)",
        "The greatest common divisor.",
        |call| call.returns(&[Take::Integer, Take::Integer], &[], DataType::Int64),
        |args, rows, _| {
            let (left, right) = (primitive::<Int64Type>(args, 0)?, primitive::<Int64Type>(args, 1)?);
            map_primitive::<Int64Type>(args, rows, |row| {
                let Some((a, b)) = left.get(row).zip(right.get(row)) else { return Ok(None) };
                let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
                while b != 0 {
                    (a, b) = (b, a % b);
                }
                i64::try_from(a).map(Some).map_err(|_| Error::data("gcd: integer overflow"))
            })
        }
    ),
    function!(
        "mod",
        "mod(x, y)",
        "The remainder of x divided by y, with the sign of x.",
        |call| {
            call.arguments(&[Take::Number, Take::Number], &[])?;
            let common = match call.common(0)? {
                DataType::Null => DataType::Int32,
                common => common,
            };
            Ok(Signature { arguments: vec![common.clone(); 2], result: common })
        },
        |args, _, _| {
            let (left, right) = (argument(args, 0)?, argument(args, 1)?);
            if has_zero(right) {
                return Err(Error::data("division by zero"));
            }
            let result = arrow::compute::kernels::numeric::rem(left, right)?;
            Ok(if right.is_scalar() { left.like_me(result) } else { Value::Array(result) })
        }
    ),
    function!("isnan", "isnan(x)", "Whether the number is NaN.", to_boolean, |args, rows, _| {
        let input = primitive::<Float64Type>(args, 0)?;
        map_boolean(args, rows, |row| Ok(input.get(row).map(f64::is_nan)))
    }),
    function!("isinf", "isinf(x)", "Whether the number is infinite.", to_boolean, |args, rows, _| {
        let input = primitive::<Float64Type>(args, 0)?;
        map_boolean(args, rows, |row| Ok(input.get(row).map(f64::is_infinite)))
    }),
    function!(
        "isfinite",
        "isfinite(x)",
        "Whether the number is neither NaN nor infinite.",
        to_boolean,
        |args, rows, _| {
            let input = primitive::<Float64Type>(args, 0)?;
            map_boolean(args, rows, |row| Ok(input.get(row).map(f64::is_finite)))
        }
    ),
];

fn one(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Double], &[], DataType::Float64)
}

fn two(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Double, Take::Double], &[], DataType::Float64)
}

fn to_boolean(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Double], &[], DataType::Boolean)
}

fn positive(x: f64) -> Result<f64, &'static str> {
    if x <= 0.0 { Err("a logarithm needs a positive number") } else { Ok(x) }
}

fn unit(x: f64) -> Result<f64, &'static str> {
    if x.abs() > 1.0 { Err("the number is not between -1 and 1") } else { Ok(x) }
}

fn binary(args: &[Value], rows: usize, f: impl Fn(f64, f64) -> Result<f64, &'static str>) -> Result<Value> {
    let (left, right) = (primitive::<Float64Type>(args, 0)?, primitive::<Float64Type>(args, 1)?);
    map_primitive::<Float64Type>(args, rows, |row| match left.get(row).zip(right.get(row)) {
        None => Ok(None),
        Some((x, y)) => f(x, y).map(Some).map_err(|message| {
            let show = crate::types::temporal::format_float;
            Error::data(format!("{message} ({}, {})", show(x), show(y)))
        }),
    })
}

/// Whether a float divisor is zero somewhere; Arrow's kernels themselves find zeros of the other types.
fn has_zero(value: &Value) -> bool {
    let zeros = |mask: Option<BooleanArray>| mask.is_some_and(|mask| mask.true_count() > 0);
    match value.data_type() {
        DataType::Float64 => zeros(
            value.values().as_primitive_opt::<Float64Type>().map(|array| BooleanArray::from_unary(array, |x| x == 0.0)),
        ),
        DataType::Float32 => zeros(
            value
                .values()
                .as_primitive_opt::<arrow::datatypes::Float32Type>()
                .map(|array| BooleanArray::from_unary(array, |x| x == 0.0)),
        ),
        _ => false,
    }
}
