//! The list of aggregate functions, and what types they take.

use std::cmp::Ordering;

use super::boolean::BoolFold;
use super::count::{Count, Counted};
use super::first_last::{Edge, edge_value};
use super::min_max::extreme;
use super::sum::{DecimalSums, FloatSums, IntegerSums, IntervalSums, Sum};
use super::tally::{Counts, Seen, Tally};
use super::variance::{Spread, Variance};
use super::{Accumulator, AggregateFunction, AggregateSignature, quantile};
use crate::error::{Error, Result};
use crate::types::coercion::MAX_PRECISION;
use crate::types::{DataType, Scalar, TEXT, is_float, is_integer, is_numeric, sql_name};

/// All aggregate functions.
pub fn all() -> &'static [AggregateFunction] {
    FUNCTIONS
}

/// The function of that name or alias, in lower case.
pub fn lookup(name: &str) -> Option<&'static AggregateFunction> {
    FUNCTIONS.iter().find(|function| function.name == name || function.aliases.contains(&name))
}

/// What is the same for most functions.
const PLAIN: AggregateFunction = AggregateFunction {
    name: "",
    aliases: &[],
    usage: "",
    meaning: "",
    constants: 0,
    resolve: |_| Err(Error::internal("an aggregate without a signature")),
    create: |_, _| Err(Error::internal("an aggregate without an implementation")),
};

static FUNCTIONS: &[AggregateFunction] = &[
    AggregateFunction {
        name: "count",
        usage: "count(*), count(x)",
        meaning: "How many rows there are, or how many values that are not null.",
        resolve: |types| match types {
            [] | [_] => Ok(signature(types.to_vec(), DataType::Int64)),
            _ => Err(refused("count", types, "count takes * or one argument")),
        },
        create: |_, _| Ok(Box::new(Count::new(Counted::Rows))),
        ..PLAIN
    },
    AggregateFunction {
        name: "count_if",
        aliases: &["countif"],
        usage: "count_if(condition)",
        meaning: "How many rows there are where the condition is true.",
        resolve: |types| booleans("count_if", types, DataType::Int64),
        create: |_, _| Ok(Box::new(Count::new(Counted::True))),
        ..PLAIN
    },
    AggregateFunction {
        name: "sum",
        usage: "sum(x)",
        meaning: "The sum of the values that are not null; BIGINT for integers, DOUBLE for floats, \
                  DECIMAL(38,s) for decimals. A sum out of that range is an error.",
        resolve: |types| {
            let result = match types {
                [DataType::Null] => DataType::Int64,
                [integer] if is_integer(integer) => DataType::Int64,
                [float] if is_float(float) => DataType::Float64,
                [DataType::Decimal128(_, scale)] => DataType::Decimal128(MAX_PRECISION, *scale),
                [interval @ DataType::Interval(_)] => interval.clone(),
                _ => return Err(refused("sum", types, "sum takes a number or an interval")),
            };
            Ok(signature(vec![added_as(types, &result)], result))
        },
        create: |signature, _| sum::<Seen>(signature),
        ..PLAIN
    },
    AggregateFunction {
        name: "avg",
        aliases: &["mean"],
        usage: "avg(x)",
        meaning: "The arithmetic mean of the values that are not null; DOUBLE, for decimals DECIMAL with at least six \
                  digits behind the point, rounded half away from zero.",
        resolve: |types| {
            let result = match types {
                [DataType::Decimal128(_, scale)] => DataType::Decimal128(MAX_PRECISION, (*scale).max(6)),
                [DataType::Null] => DataType::Float64,
                [number] if is_numeric(number) => DataType::Float64,
                _ => return Err(refused("avg", types, "avg takes a number")),
            };
            Ok(signature(vec![added_as(types, &result)], result))
        },
        create: |signature, _| sum::<Counts>(signature),
        ..PLAIN
    },
    AggregateFunction {
        name: "min",
        usage: "min(x)",
        meaning: "The least of the values that are not null.",
        resolve: |types| any_type("min", types),
        create: |signature, _| extreme(Ordering::Less, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "max",
        usage: "max(x)",
        meaning: "The greatest of the values that are not null; NaN is greater than all other floats.",
        resolve: |types| any_type("max", types),
        create: |signature, _| extreme(Ordering::Greater, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "stddev_samp",
        aliases: &["stddev", "std"],
        usage: "stddev_samp(x)",
        meaning: "The sample standard deviation; null for fewer than two values.",
        resolve: |types| floats("stddev_samp", types),
        create: |_, _| Ok(Box::new(Variance::new(Spread { sample: true, deviation: true }))),
        ..PLAIN
    },
    AggregateFunction {
        name: "stddev_pop",
        usage: "stddev_pop(x)",
        meaning: "The standard deviation of a population.",
        resolve: |types| floats("stddev_pop", types),
        create: |_, _| Ok(Box::new(Variance::new(Spread { sample: false, deviation: true }))),
        ..PLAIN
    },
    AggregateFunction {
        name: "var_samp",
        aliases: &["variance", "var"],
        usage: "var_samp(x)",
        meaning: "The sample variance; null for fewer than two values.",
        resolve: |types| floats("var_samp", types),
        create: |_, _| Ok(Box::new(Variance::new(Spread { sample: true, deviation: false }))),
        ..PLAIN
    },
    AggregateFunction {
        name: "var_pop",
        usage: "var_pop(x)",
        meaning: "The variance of a population.",
        resolve: |types| floats("var_pop", types),
        create: |_, _| Ok(Box::new(Variance::new(Spread { sample: false, deviation: false }))),
        ..PLAIN
    },
    AggregateFunction {
        name: "median",
        usage: "median(x)",
        meaning: "The median, interpolated between the two middle values where there are two.",
        resolve: |types| floats("median", types),
        create: |_, _| Ok(quantile::continuous(0.5)),
        ..PLAIN
    },
    AggregateFunction {
        name: "quantile",
        aliases: &["quantile_cont"],
        usage: "quantile(x, fraction)",
        meaning: "The value at a fraction (0 to 1) of the sorted values, interpolated linearly.",
        constants: 1,
        resolve: |types| match types {
            [value, fraction] if may_be_float(value) && may_be_float(fraction) => {
                Ok(signature(vec![DataType::Float64; 2], DataType::Float64))
            }
            _ => Err(refused("quantile", types, "quantile takes a number and a constant fraction from 0 to 1")),
        },
        create: |_, constants| Ok(quantile::continuous(fraction("quantile", constants)?)),
    },
    AggregateFunction {
        name: "quantile_disc",
        usage: "quantile_disc(x, fraction)",
        meaning: "The first of the sorted values at or behind a fraction (0 to 1) of them.",
        constants: 1,
        resolve: |types| match types {
            [value, fraction] if has_order_and_width(value) && may_be_float(fraction) => {
                let value = if *value == DataType::Null { DataType::Float64 } else { value.clone() };
                Ok(signature(vec![value.clone(), DataType::Float64], value))
            }
            _ => Err(refused(
                "quantile_disc",
                types,
                "quantile_disc takes a number, date, time, timestamp or interval, and a constant fraction from 0 to 1",
            )),
        },
        create: |signature, constants| quantile::discrete(fraction("quantile_disc", constants)?, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "first",
        aliases: &["first_value", "arbitrary"],
        usage: "first(x)",
        meaning: "The value of the first row in the order of the input, null or not.",
        resolve: |types| any_type("first", types),
        create: |signature, _| edge_value(Edge::First, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "last",
        aliases: &["last_value"],
        usage: "last(x)",
        meaning: "The value of the last row in the order of the input, null or not.",
        resolve: |types| any_type("last", types),
        create: |signature, _| edge_value(Edge::Last, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "any_value",
        usage: "any_value(x)",
        meaning: "The first value in the order of the input that is not null.",
        resolve: |types| any_type("any_value", types),
        create: |signature, _| edge_value(Edge::FirstValid, &signature.result),
        ..PLAIN
    },
    AggregateFunction {
        name: "bool_and",
        aliases: &["every"],
        usage: "bool_and(condition)",
        meaning: "Whether all values that are not null are true.",
        resolve: |types| booleans("bool_and", types, DataType::Boolean),
        create: |_, _| Ok(Box::new(BoolFold::all())),
        ..PLAIN
    },
    AggregateFunction {
        name: "bool_or",
        usage: "bool_or(condition)",
        meaning: "Whether any value is true.",
        resolve: |types| booleans("bool_or", types, DataType::Boolean),
        create: |_, _| Ok(Box::new(BoolFold::any())),
        ..PLAIN
    },
];

fn signature(arguments: Vec<DataType>, result: DataType) -> AggregateSignature {
    AggregateSignature { arguments, result }
}

fn refused(name: &str, types: &[DataType], accepted: &str) -> Error {
    let types: Vec<_> = types.iter().map(sql_name).collect();
    Error::sql(format!("there is no {name}({})", types.join(", "))).with_hint(accepted)
}

/// The type in which values are added for a result.
fn added_as(types: &[DataType], result: &DataType) -> DataType {
    match types {
        [decimal @ DataType::Decimal128(_, _)] => decimal.clone(),
        [integer] if is_integer(integer) => DataType::Int64,
        _ => result.clone(),
    }
}

fn may_be_float(data_type: &DataType) -> bool {
    is_numeric(data_type) || *data_type == DataType::Null
}

fn has_order_and_width(data_type: &DataType) -> bool {
    may_be_float(data_type)
        || matches!(
            data_type,
            DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(_, _) | DataType::Interval(_)
        )
}

/// One number, as a double.
fn floats(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    match types {
        [number] if may_be_float(number) => Ok(signature(vec![DataType::Float64], DataType::Float64)),
        _ => Err(refused(name, types, &format!("{name} takes a number"))),
    }
}

fn booleans(name: &str, types: &[DataType], result: DataType) -> Result<AggregateSignature> {
    match types {
        [DataType::Boolean | DataType::Null] => Ok(signature(vec![DataType::Boolean], result)),
        _ => Err(refused(name, types, &format!("{name} takes a condition"))),
    }
}

/// One argument of any type, which is that of the result; a null without a type counts as text, as in PostgreSQL.
fn any_type(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    match types {
        [DataType::Null] => Ok(signature(vec![TEXT], TEXT)),
        [value] => Ok(signature(vec![value.clone()], value.clone())),
        _ => Err(refused(name, types, &format!("{name} takes one argument"))),
    }
}

/// A sum that knows of each group whether it has values, or a mean, which knows how many.
fn sum<T: Tally + 'static>(signature: &AggregateSignature) -> Result<Box<dyn Accumulator>> {
    let result = &signature.result;
    Ok(match signature.arguments.as_slice() {
        [DataType::Int64] => Box::new(Sum::<_, T>::new(result, IntegerSums::default())),
        [DataType::Float64] => Box::new(Sum::<_, T>::new(result, FloatSums::default())),
        [DataType::Decimal128(_, scale)] => Box::new(Sum::<_, T>::new(result, DecimalSums::new(*scale))),
        [DataType::Interval(_)] => Box::new(Sum::<_, T>::new(result, IntervalSums::default())),
        other => return Err(Error::internal(format!("no sum over {other:?}"))),
    })
}

fn fraction(name: &str, constants: &[Scalar]) -> Result<f64> {
    let fraction = constants.first().and_then(Scalar::as_f64).filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| {
        let given = constants.first().map_or_else(|| "nothing".to_string(), ToString::to_string);
        Error::sql(format!("the fraction of {name} must be a constant from 0 to 1, not {given}"))
    })
}
