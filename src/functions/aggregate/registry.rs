//! The list of aggregate functions, and what types they take.

use std::cmp::Ordering;

use super::approx_distinct::ApproxDistinct;
use super::approx_quantile::ApproxQuantile;
use super::arg_extreme::{Search, arg_extreme};
use super::bits::{BitOperation, bit_fold};
use super::boolean::BoolFold;
use super::count::{Count, Counted};
use super::first_last::{Edge, edge_value};
use super::gathered::{Gathered, Output};
use super::histogram::{Bins, Histogram};
use super::joint::{Measure, PairCount, joint};
use super::min_max::extreme;
use super::mode::Mode;
use super::order::OrderKey;
use super::ordered_edge::ordered_edge;
use super::product::product;
use super::shape::{Feature, Shape};
use super::sum::{DecimalSums, FloatSums, IntegerSums, IntervalSums, Sum};
use super::tally::{Counts, Seen, Tally};
use super::variance::{Spread, Variance};
use super::{Accumulator, AggregateFunction, AggregateSignature, quantile};
use crate::error::{Error, Result};
use crate::types::coercion::MAX_PRECISION;
use crate::types::{DataType, Scalar, TEXT, is_float, is_integer, is_list, is_numeric, list_of, sql_name};

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
    create_ordered: None,
    default: None,
};

/// A function of pairs of numbers.
macro_rules! of_pairs {
    ($name:literal, $measure:ident, $meaning:literal) => {
        AggregateFunction {
            name: $name,
            usage: concat!($name, "(y, x)"),
            meaning: $meaning,
            resolve: |types| pairs($name, types, DataType::Float64),
            create: |signature, _| Ok(joint(Measure::$measure, signature)),
            ..PLAIN
        }
    };
}

/// A function of the shape of a distribution.
macro_rules! of_shape {
    ($name:literal, $feature:ident, $meaning:literal) => {
        AggregateFunction {
            name: $name,
            usage: concat!($name, "(x)"),
            meaning: $meaning,
            resolve: |types| floats($name, types),
            create: |_, _| Ok(Box::new(Shape::new(Feature::$feature))),
            ..PLAIN
        }
    };
}

/// A function of the bits of integers.
macro_rules! of_bits {
    ($name:literal, $operation:ident, $meaning:literal) => {
        AggregateFunction {
            name: $name,
            usage: concat!($name, "(x)"),
            meaning: $meaning,
            resolve: |types| integers($name, types),
            create: |signature, _| bit_fold(BitOperation::$operation, &signature.result),
            ..PLAIN
        }
    };
}

/// A function that takes the value from the first row in which another value is least or greatest.
macro_rules! of_extreme_row {
    ($name:literal, $aliases:expr, $replaces:ident, $keeps_nulls:literal, $meaning:literal) => {
        AggregateFunction {
            name: $name,
            aliases: $aliases,
            usage: concat!($name, "(x, ordering)"),
            meaning: $meaning,
            resolve: |types| value_and_ordering($name, types),
            create: |signature, _| {
                let search = Search { replaces: Ordering::$replaces, keeps_nulls: $keeps_nulls };
                match &signature.arguments[..] {
                    [value, order] => arg_extreme(search, value, order),
                    _ => Err(Error::internal(concat!($name, " takes two arguments"))),
                }
            },
            ..PLAIN
        }
    };
}

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
    of_extreme_row!(
        "arg_min",
        &["argmin", "min_by"],
        Less,
        false,
        "x where the ordering is least; rows in which either is null do not count, of equal ones the first in the order \
         of the input does."
    ),
    of_extreme_row!(
        "arg_max",
        &["argmax", "max_by"],
        Greater,
        false,
        "x where the ordering is greatest; rows in which either is null do not count, of equal ones the first in the \
         order of the input does."
    ),
    of_extreme_row!("arg_min_null", &[], Less, true, "As arg_min, but x may be null."),
    of_extreme_row!("arg_max_null", &[], Greater, true, "As arg_max, but x may be null."),
    AggregateFunction {
        name: "mode",
        usage: "mode(x)",
        meaning: "The most frequent of the values that are not null; of several the least.",
        resolve: |types| any_type("mode", types),
        create: |signature, _| Ok(Box::new(Mode::new(&signature.result)?)),
        ..PLAIN
    },
    AggregateFunction {
        name: "product",
        usage: "product(x)",
        meaning: "The product of the values that are not null, as DOUBLE.",
        resolve: |types| floats("product", types),
        create: |_, _| Ok(product()),
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
    of_shape!(
        "skewness",
        Skewness,
        "The sample skewness; null for fewer than three values, or where all are the same."
    ),
    of_shape!(
        "kurtosis",
        KurtosisSample,
        "The sample excess kurtosis; null for fewer than four values, or where all are the same."
    ),
    of_shape!(
        "kurtosis_pop",
        KurtosisPopulation,
        "The excess kurtosis of a population; null for fewer than two values, or where all are the same."
    ),
    of_pairs!(
        "corr",
        Correlation,
        "The correlation of pairs in which neither is null; null where one side is always the same."
    ),
    of_pairs!("covar_pop", CovariancePopulation, "The covariance of a population of pairs."),
    of_pairs!("covar_samp", CovarianceSample, "The sample covariance of pairs; null for fewer than two."),
    of_pairs!("regr_slope", Slope, "The slope of the least-squares line through the pairs; null where x is constant."),
    of_pairs!("regr_intercept", Intercept, "Where that line meets the y axis; null where x is constant."),
    of_pairs!(
        "regr_r2",
        Determination,
        "The square of the correlation; null where x is constant, 1 where y is and x is not."
    ),
    AggregateFunction {
        name: "regr_count",
        usage: "regr_count(y, x)",
        meaning: "How many pairs there are in which neither is null.",
        resolve: |types| pairs("regr_count", types, DataType::Int64),
        create: |_, _| Ok(Box::new(PairCount::default())),
        ..PLAIN
    },
    of_pairs!("regr_avgx", AverageX, "The mean of x over the pairs."),
    of_pairs!("regr_avgy", AverageY, "The mean of y over the pairs."),
    of_pairs!("regr_sxx", SquaresX, "The sum of the squares of x about its mean."),
    of_pairs!("regr_syy", SquaresY, "The sum of the squares of y about its mean."),
    of_pairs!("regr_sxy", Products, "The sum of the products of x and y about their means."),
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
        ..PLAIN
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
        name: "approx_quantile",
        usage: "approx_quantile(x, fraction)",
        meaning: "A value at a fraction (0 to 1) of the sorted values in little memory, off by at most 0.4 % of itself \
                  (DDSketch); dates are exact, timestamps of today off by less than two hours.",
        constants: 1,
        resolve: |types| match types {
            [value, fraction] if is_time(value) && may_be_float(fraction) => {
                Ok(signature(vec![value.clone(), DataType::Float64], value.clone()))
            }
            [value, fraction] if may_be_float(value) && may_be_float(fraction) => {
                Ok(signature(vec![DataType::Float64; 2], DataType::Float64))
            }
            _ => Err(refused(
                "approx_quantile",
                types,
                "approx_quantile takes a number, date or time and a constant fraction from 0 to 1",
            )),
        },
        create: |signature, constants| {
            Ok(Box::new(ApproxQuantile::new(fraction("approx_quantile", constants)?, &signature.result)))
        },
        ..PLAIN
    },
    AggregateFunction {
        name: "approx_count_distinct",
        usage: "approx_count_distinct(x)",
        meaning: "About how many different values there are that are not null: with a standard error of 0.8 % \
                  (HyperLogLog), and as good as exact up to 4096.",
        resolve: |types| {
            Ok(AggregateSignature { result: DataType::Int64, ..any_type("approx_count_distinct", types)? })
        },
        create: |_, _| Ok(Box::new(ApproxDistinct::new())),
        ..PLAIN
    },
    AggregateFunction {
        name: "first",
        aliases: &["first_value", "arbitrary"],
        usage: "first(x)",
        meaning: "The value of the first row in the order of the input, null or not.",
        resolve: |types| any_type("first", types),
        create: |signature, _| edge_value(Edge::First, &signature.result),
        create_ordered: Some(|signature, _, order| ordered_edge(Edge::First, &signature.result, order)),
        ..PLAIN
    },
    AggregateFunction {
        name: "last",
        aliases: &["last_value"],
        usage: "last(x)",
        meaning: "The value of the last row in the order of the input, null or not.",
        resolve: |types| any_type("last", types),
        create: |signature, _| edge_value(Edge::Last, &signature.result),
        create_ordered: Some(|signature, _, order| ordered_edge(Edge::Last, &signature.result, order)),
        ..PLAIN
    },
    AggregateFunction {
        name: "any_value",
        usage: "any_value(x)",
        meaning: "The first value in the order of the input that is not null.",
        resolve: |types| any_type("any_value", types),
        create: |signature, _| edge_value(Edge::FirstValid, &signature.result),
        create_ordered: Some(|signature, _, order| ordered_edge(Edge::FirstValid, &signature.result, order)),
        ..PLAIN
    },
    AggregateFunction {
        name: "array_agg",
        aliases: &["list"],
        usage: "array_agg(x [ORDER BY …])",
        meaning: "The values as a list, nulls among them, in the order of the input or of ORDER BY; null for no rows.",
        resolve: |types| {
            let signature = any_type("array_agg", types)?;
            Ok(AggregateSignature { result: list_of(signature.result), ..signature })
        },
        create: |signature, _| array_agg(signature, &[]),
        create_ordered: Some(|signature, _, order| array_agg(signature, order)),
        ..PLAIN
    },
    AggregateFunction {
        name: "string_agg",
        aliases: &["group_concat", "listagg"],
        usage: "string_agg(x, separator [ORDER BY …])",
        meaning: "The values that are not null as one text, with the separator (a constant, ',' if left out) between \
                  them, in the order of the input or of ORDER BY; null for no values.",
        constants: 1,
        resolve: |types| match types {
            [_, TEXT | DataType::Null] => Ok(signature(vec![TEXT; 2], TEXT)),
            _ => Err(refused("string_agg", types, "string_agg takes a value and a constant text")),
        },
        create: |signature, constants| string_agg(signature, constants, &[]),
        create_ordered: Some(string_agg),
        default: Some(","),
    },
    AggregateFunction {
        name: "histogram",
        usage: "histogram(x, low, high, bins)",
        meaning: "How many values are in each of some bins of equal width from low to high, which the last bin includes, \
                  as BIGINT[]; values outside, NaN and nulls are in none.",
        constants: 3,
        resolve: |types| match types {
            [value, low, high, bins] if [value, low, high].into_iter().all(may_be_float) && is_integer(bins) => {
                let arguments = vec![DataType::Float64, DataType::Float64, DataType::Float64, DataType::Int64];
                Ok(signature(arguments, list_of(DataType::Int64)))
            }
            _ => Err(refused(
                "histogram",
                types,
                "histogram(x, low, high, bins) counts numbers in so many bins of equal width, (high - low) / bins each; \
                 GROUP BY x with count(*) counts each value",
            )),
        },
        create: |_, constants| Ok(Box::new(Histogram::new(Bins::new(constants)?))),
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
    of_bits!("bit_and", And, "The bits that are set in all integers that are not null."),
    of_bits!("bit_or", Or, "The bits that are set in any of the integers."),
    of_bits!("bit_xor", Xor, "The bits that are set in an odd number of the integers."),
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

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(_, _))
}

fn has_order_and_width(data_type: &DataType) -> bool {
    may_be_float(data_type) || is_time(data_type) || matches!(data_type, DataType::Interval(_))
}

/// One number, as a double.
fn floats(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    match types {
        [number] if may_be_float(number) => Ok(signature(vec![DataType::Float64], DataType::Float64)),
        _ => Err(refused(name, types, &format!("{name} takes a number"))),
    }
}

/// Two numbers, as integers where both are, and otherwise as doubles.
fn pairs(name: &str, types: &[DataType], result: DataType) -> Result<AggregateSignature> {
    match types {
        [y, x] if is_integer(y) && is_integer(x) => Ok(signature(vec![DataType::Int64; 2], result)),
        [y, x] if may_be_float(y) && may_be_float(x) => Ok(signature(vec![DataType::Float64; 2], result)),
        _ => Err(refused(name, types, &format!("{name} takes two numbers, y and x"))),
    }
}

fn booleans(name: &str, types: &[DataType], result: DataType) -> Result<AggregateSignature> {
    match types {
        [DataType::Boolean | DataType::Null] => Ok(signature(vec![DataType::Boolean], result)),
        _ => Err(refused(name, types, &format!("{name} takes a condition"))),
    }
}

fn integers(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    match types {
        [DataType::Null] => Ok(signature(vec![DataType::Int64], DataType::Int64)),
        [integer] if is_integer(integer) => Ok(signature(vec![integer.clone()], integer.clone())),
        _ => Err(refused(name, types, &format!("{name} takes an integer"))),
    }
}

/// Two arguments of any types; the first one's is that of the result.
fn value_and_ordering(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    let typed = |of: &DataType| if *of == DataType::Null { TEXT } else { of.clone() };
    match types {
        [value, order] if is_list(value) || is_list(order) => {
            Err(refused(name, types, &format!("{name} does not take lists")))
        }
        [value, order] => Ok(signature(vec![typed(value), typed(order)], typed(value))),
        _ => Err(refused(name, types, &format!("{name} takes a value and what orders the rows"))),
    }
}

/// One argument of any type but a list, which is that of the result; a null without a type counts as text, as in PostgreSQL.
fn any_type(name: &str, types: &[DataType]) -> Result<AggregateSignature> {
    match types {
        [DataType::Null] => Ok(signature(vec![TEXT], TEXT)),
        [list] if is_list(list) => Err(refused(name, types, &format!("{name} does not take lists"))),
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

fn array_agg(signature: &AggregateSignature, order: &[OrderKey]) -> Result<Box<dyn Accumulator>> {
    let value = signature.arguments.first().ok_or_else(|| Error::internal("array_agg takes an argument"))?;
    Ok(Box::new(Gathered::new(Output::List, value, order)?))
}

/// A null between the texts is nothing between them, as in PostgreSQL.
fn string_agg(_: &AggregateSignature, constants: &[Scalar], order: &[OrderKey]) -> Result<Box<dyn Accumulator>> {
    let separator = constants.first().and_then(Scalar::as_str).unwrap_or_default();
    Ok(Box::new(Gathered::new(Output::Text(separator.to_string()), &TEXT, order)?))
}

pub(super) fn fraction(name: &str, constants: &[Scalar]) -> Result<f64> {
    let fraction = constants.first().and_then(Scalar::as_f64).filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| {
        let given = constants.first().map_or_else(|| "nothing".to_string(), ToString::to_string);
        Error::sql(format!("the fraction of {name} must be a constant from 0 to 1, not {given}"))
            .with_hint("0.5 is the median, 0.95 what 95 % of the values do not exceed")
    })
}
