//! Accumulators against known answers and slow twins, cut and merged in many ways.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNano};
use proptest::prelude::*;

mod gathering;
mod shedding;
mod sketches;
mod statistics;
mod whole_values;

use super::*;
use crate::types::TEXT;
use crate::types::temporal::format_value;

fn accumulator(name: &str, types: &[DataType], constants: &[Scalar], distinct: bool) -> Box<dyn Accumulator> {
    let function = lookup(name).unwrap();
    let signature = (function.resolve)(types).unwrap();
    match distinct {
        true => create_distinct(function, &signature, constants, &[]).unwrap(),
        false => (function.create)(&signature, constants).unwrap(),
    }
}

/// Aggregates in groups `row % groups`: `parts` accumulators take turns of `step` rows and are merged in reverse order.
struct Run<'a> {
    name: &'a str,
    constants: &'a [Scalar],
    distinct: bool,
    groups: u32,
    parts: usize,
    step: usize,
}

impl Run<'_> {
    fn over(&self, column: &ArrayRef) -> Result<ArrayRef> {
        self.over_all(std::slice::from_ref(column))
    }

    fn over_all(&self, columns: &[ArrayRef]) -> Result<ArrayRef> {
        let mut types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
        types.extend(self.constants.iter().map(|constant| constant.data_type().clone()));
        let new = || accumulator(self.name, &types, self.constants, self.distinct);
        let mut parts: Vec<_> = (0..self.parts).map(|_| new()).collect();
        let group_count = self.groups as usize;
        let length = columns[0].len();
        for (turn, start) in (0..length).step_by(self.step).enumerate() {
            let rows = self.step.min(length - start);
            let groups: Vec<u32> = (start..start + rows).map(|row| row as u32 % self.groups).collect();
            let positions: Vec<u64> = (start..start + rows).map(|row| row as u64).collect();
            let grouped = GroupedRows { groups: &groups, group_count, filter: None, positions: &positions };
            let columns: Vec<_> = columns.iter().map(|column| column.slice(start, rows)).collect();
            parts[turn % self.parts].update(&columns, &grouped)?;
        }
        let mut total = new();
        for part in parts.iter_mut().rev() {
            let states = part.state()?;
            assert_eq!(states.iter().map(|state| state.data_type().clone()).collect::<Vec<_>>(), part.state_types());
            // A part that got no rows has no groups.
            let groups: Vec<u32> = (0..states[0].len() as u32).collect();
            total.merge(&states, &groups, group_count)?;
        }
        let result = total.finish()?;
        assert_eq!(result.len(), group_count, "{}", self.name);
        Ok(result)
    }
}

fn one(name: &str, column: ArrayRef) -> Option<String> {
    let run = Run { name, constants: &[], distinct: false, groups: 1, parts: 2, step: 2 };
    let result = run.over(&column).unwrap();
    format_value(&result, 0)
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn all_bits(array: &ArrayRef) -> Vec<Option<u64>> {
    array.as_primitive::<Float64Type>().iter().map(|value| value.map(f64::to_bits)).collect()
}

#[test]
fn names_and_aliases_are_lower_case_and_unique() {
    let names: Vec<_> = all().iter().flat_map(|function| [&[function.name], function.aliases].concat()).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    assert!(names.iter().all(|name| name.to_lowercase() == *name && lookup(name).is_some()));
    assert!(lookup("no_such").is_none());
}

#[test]
fn known_answers() {
    let integers: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(i64::MAX), Some(-4), Some(1)]));
    assert_eq!(one("sum", integers.clone()).unwrap(), i64::MAX.to_string(), "no overflow on the way");
    assert_eq!(one("count", integers.clone()).unwrap(), "4");
    assert_eq!(one("min", integers.clone()).unwrap(), "-4");
    assert_eq!(one("first", integers.clone()).unwrap(), "3");
    let nulls_at_ends: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(7), Some(8), None]));
    assert_eq!(one("first", nulls_at_ends.clone()), None);
    assert_eq!(one("last", nulls_at_ends.clone()), None);
    assert_eq!(one("any_value", nulls_at_ends).unwrap(), "7");
    assert_eq!(one("max", floats(&[1.0, f64::NAN, f64::INFINITY])).unwrap(), "NaN");
    assert_eq!(one("min", floats(&[f64::NAN, -0.0, 0.0])).unwrap(), "0.0");
    assert_eq!(one("median", floats(&[4.0, 1.0, 3.0, 2.0])).unwrap(), "2.5");
    assert_eq!(one("median", floats(&[f64::INFINITY, f64::INFINITY])).unwrap(), "Infinity");
    assert_eq!(one("var_samp", floats(&[1.0])), None);
    assert_eq!(one("var_pop", floats(&[1.0])).unwrap(), "0.0");
    assert_eq!(one("var_pop", floats(&[1.0, f64::INFINITY])).unwrap(), "NaN");
    assert_eq!(one("stddev_pop", floats(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])).unwrap(), "2.0");
    let texts: ArrayRef =
        Arc::new(StringViewArray::from(vec![Some("pear"), None, Some("a text of some length"), Some("")]));
    assert_eq!(one("min", texts.clone()).unwrap(), "");
    assert_eq!(one("max", texts.clone()).unwrap(), "pear");
    assert_eq!(one("last", texts).unwrap(), "");
    let conditions: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
    assert_eq!(one("bool_and", conditions.clone()).unwrap(), "false");
    assert_eq!(one("bool_or", conditions.clone()).unwrap(), "true");
    assert_eq!(one("count_if", conditions).unwrap(), "2");
    let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![5, 3]).with_timezone("UTC"));
    assert_eq!(one("min", moments).unwrap(), "1970-01-01 00:00:00.000003+00");
}

#[test]
fn decimals_round_half_away_from_zero_and_overflow_is_an_error() {
    let decimals = |values: Vec<i128>, precision, scale| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    assert_eq!(one("sum", decimals(vec![10, -25], 10, 2)).unwrap(), "-0.15");
    assert_eq!(one("avg", decimals(vec![1, 1, 0], 5, 0)).unwrap(), "0.666667");
    assert_eq!(one("avg", decimals(vec![-1, 0], 9, 7)).unwrap(), "-0.0000001");
    let huge = 9 * 10i128.pow(37);
    assert_eq!(one("sum", decimals(vec![huge, huge, -huge, -huge, 1], 38, 0)).unwrap(), "1");
    let run = Run { name: "sum", constants: &[], distinct: false, groups: 1, parts: 1, step: 9 };
    let error = run.over(&decimals(vec![huge, huge], 38, 0)).unwrap_err();
    assert!(error.to_string().contains("out of the range of DECIMAL(38,0)"), "{error}");
    let error = run.over(&(Arc::new(Int64Array::from(vec![i64::MAX, 1])) as ArrayRef)).unwrap_err();
    assert_eq!(error.class(), crate::error::ErrorClass::Data);
}

#[test]
fn intervals_add_by_part_and_compare_by_length() {
    let of = IntervalMonthDayNano::new;
    let column: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![of(1, 0, 0), of(0, 31, 0), of(0, 0, 5)]));
    assert_eq!(one("sum", column.clone()).unwrap(), "1 mon 31 days 00:00:00.000000005");
    assert_eq!(one("max", column).unwrap(), "31 days");
    for days_first in [true, false] {
        let mut pair = vec![of(0, 30, 0), of(1, 0, 0)];
        if days_first {
            pair.reverse();
        }
        assert_eq!(one("max", Arc::new(IntervalMonthDayNanoArray::from(pair))).unwrap(), "1 mon");
    }
}

#[test]
fn variance_survives_a_large_mean() {
    // Deviations from 1e9 in steps of 2^-10 are exact in a double: the variance is known from integers.
    let noise: Vec<i64> = (0..2000i64).map(|n| n * n * 7919 % 1031).collect();
    let column = floats(&noise.iter().map(|&n| 1e9 + n as f64 / 1024.0).collect::<Vec<_>>());
    let (count, sum) = (noise.len() as i128, noise.iter().map(|&n| i128::from(n)).sum::<i128>());
    let squares = noise.iter().map(|&n| i128::from(n) * i128::from(n)).sum::<i128>();
    let exact = (count * squares - sum * sum) as f64 / (count * (count - 1)) as f64 / (1024.0 * 1024.0);
    let run = Run { name: "var_samp", constants: &[], distinct: false, groups: 1, parts: 3, step: 100 };
    let variance = run.over(&column).unwrap().as_primitive::<Float64Type>().value(0);
    assert!((variance / exact - 1.0).abs() < 1e-12, "{variance} {exact}");
}

#[test]
fn wrong_types_and_fractions_are_refused_with_what_is_accepted() {
    for (name, types) in [("sum", vec![TEXT]), ("avg", vec![]), ("count", vec![TEXT, TEXT]), ("bool_or", vec![TEXT])] {
        let error = (lookup(name).unwrap().resolve)(&types).unwrap_err();
        assert!(error.kind().hint.as_deref().unwrap_or_default().starts_with(name), "{error}");
    }
    let quantile = lookup("quantile").unwrap();
    let signature = (quantile.resolve)(&[DataType::Int64, DataType::Float64]).unwrap();
    for wrong in [Scalar::float64(1.5), Scalar::float64(f64::NAN), Scalar::null(&DataType::Float64)] {
        assert!((quantile.create)(&signature, &[wrong]).is_err());
    }
}

#[test]
fn the_filter_lets_only_true_rows_count() {
    let mut count = accumulator("count", &[], &[], false);
    let filter = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
    let rows = GroupedRows { groups: &[0, 0, 0, 1], group_count: 3, filter: Some(&filter), positions: &[0, 1, 2, 3] };
    count.update(&[], &rows).unwrap();
    assert_eq!(count.finish().unwrap().as_primitive::<Int64Type>().values().as_ref(), &[1, 1, 0]);
}

#[test]
fn distinct_counts_each_value_of_a_group_once() {
    let column = floats(&[1.0, -0.0, 1.0, 0.0, f64::NAN, 2.0, -f64::NAN, 2.5]);
    let run = |name| Run { name, constants: &[], distinct: true, groups: 2, parts: 3, step: 1 }.over(&column).unwrap();
    assert_eq!(run("count").as_primitive::<Int64Type>().values().as_ref(), &[2, 3]);
    assert_eq!(run("sum").as_primitive::<Float64Type>().value(1), 4.5);
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("a"), Some("b"), None]));
    let counted = Run { name: "count", constants: &[], distinct: true, groups: 1, parts: 2, step: 2 }.over(&texts);
    assert_eq!(counted.unwrap().as_primitive::<Int64Type>().value(0), 2);
}

#[test]
fn decimals_of_states_keep_their_scale() {
    let column: ArrayRef = Arc::new(Decimal128Array::from(vec![150, 250]).with_precision_and_scale(6, 2).unwrap());
    let run = Run { name: "avg", constants: &[], distinct: false, groups: 1, parts: 2, step: 1 };
    let mean = run.over(&column).unwrap();
    assert_eq!(mean.as_primitive::<Decimal128Type>().value(0), 2_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_cut_into_batches_and_states_does_not_matter(
        values in prop::collection::vec(
            prop_oneof![
                8 => (-1e9f64..1e9).prop_map(Some),
                1 => Just(None),
                1 => (-1e9f64..1e9, -200i32..200).prop_map(|(m, e)| Some(m * 10f64.powi(e))),
                1 => prop::sample::select(vec![Some(f64::NAN), Some(f64::INFINITY), Some(-0.0)]),
            ],
            0..200,
        ),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..50, distinct in any::<bool>(),
    ) {
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        let third = [Scalar::float64(1.0 / 3.0)];
        for name in ["sum", "avg", "min", "max", "var_samp", "stddev_pop", "median", "quantile", "quantile_disc", "first", "last", "any_value"] {
            let constants: &[Scalar] = if name.starts_with("quantile") { &third } else { &[] };
            let whole = Run { name, constants, distinct, groups, parts: 1, step: 1000 }.over(&column).unwrap();
            let cut = Run { name, constants, distinct, groups, parts, step }.over(&column).unwrap();
            prop_assert_eq!(all_bits(&whole), all_bits(&cut), "{}", name);
        }
    }
}
