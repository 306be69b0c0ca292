//! Aggregates that give one of the values, or fold all of them: `arg_min`, `arg_max`, `mode`, bits and `product`.

use std::collections::BTreeMap;

use arrow::array::{Date32Array, Int8Array, Int32Array, UInt32Array};

use super::*;

fn shown(array: &ArrayRef) -> Vec<Option<String>> {
    (0..array.len()).map(|row| format_value(array, row)).collect()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

fn of_two(name: &str, x: &ArrayRef, order: &ArrayRef) -> Option<String> {
    let run = Run { name, constants: &[], distinct: false, groups: 1, parts: 2, step: 1 };
    format_value(&run.over_all(&[x.clone(), order.clone()]).unwrap(), 0)
}

#[test]
fn the_first_of_the_least_rows_gives_its_value() {
    let x = texts(&[Some("a"), None, Some("a text longer than a view"), Some("d"), Some("e")]);
    let order: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), Some(1), Some(2), None, Some(2)]));
    assert_eq!(of_two("arg_min", &x, &order).unwrap(), "a text longer than a view");
    assert_eq!(of_two("arg_min_null", &x, &order), None);
    assert_eq!(of_two("arg_max", &x, &order).unwrap(), "a");
    assert_eq!(of_two("min_by", &order, &x).unwrap(), "3");
    let strange = floats(&[f64::INFINITY, 1.0, f64::NAN, -0.0, 0.0]);
    assert_eq!(of_two("argmax", &x, &strange).unwrap(), "a text longer than a view");
    assert_eq!(of_two("argmin", &x, &strange).unwrap(), "d");
    let nothing: ArrayRef = Arc::new(Int64Array::from(vec![None; 5]));
    assert_eq!(of_two("arg_min", &x, &nothing), None);
    assert_eq!(of_two("arg_min_null", &x, &nothing), None);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![5, 4, 3, 2, 1]));
    let conditions: ArrayRef =
        Arc::new(BooleanArray::from(vec![None, Some(true), Some(false), Some(true), Some(false)]));
    assert_eq!(of_two("arg_max", &days, &conditions).unwrap(), "1970-01-05");
    assert_eq!(of_two("arg_min", &conditions, &days).unwrap(), "false");
}

#[test]
fn the_mode_is_the_least_of_the_most_frequent() {
    assert_eq!(one("mode", floats(&[3.0, 1.0, 3.0, 1.0, 2.0])).unwrap(), "1.0");
    assert_eq!(one("mode", floats(&[-0.0, 1.0, 0.0, f64::NAN, 1.0, f64::NAN, 0.0])).unwrap(), "0.0");
    assert_eq!(one("mode", floats(&[-f64::NAN, 1.0, f64::NAN, -5.0])).unwrap(), "NaN");
    assert_eq!(one("mode", texts(&[None, None, Some("b"), Some("a")])).unwrap(), "a");
    assert_eq!(one("mode", texts(&[None, None])), None);
    assert_eq!(one("mode", texts(&[])), None);
    let of = IntervalMonthDayNano::new;
    let intervals = vec![of(0, 1, 0), of(0, 30, 0), of(1, 0, 0), of(0, -1, 0)];
    assert_eq!(one("mode", Arc::new(IntervalMonthDayNanoArray::from(intervals))).unwrap(), "1 mon");
    let decimals = Decimal128Array::from(vec![-5, 7, -5]).with_precision_and_scale(6, 2).unwrap();
    assert_eq!(one("mode", Arc::new(decimals)).unwrap(), "-0.05");
}

#[test]
fn bits_are_combined() {
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![Some(3), None, Some(6), Some(-2)]));
    assert_eq!(one("bit_and", integers.clone()).unwrap(), "2");
    assert_eq!(one("bit_or", integers.clone()).unwrap(), "-1");
    assert_eq!(one("bit_xor", integers).unwrap(), (3 ^ 6 ^ -2).to_string());
    let small: ArrayRef = Arc::new(Int8Array::from(vec![Some(-128), None, Some(1)]));
    let run = Run { name: "bit_or", constants: &[], distinct: false, groups: 1, parts: 2, step: 1 };
    assert_eq!(run.over(&small).unwrap().data_type(), &DataType::Int8);
    let nothing: ArrayRef = Arc::new(Int64Array::from(vec![None, None]));
    for name in ["bit_and", "bit_or", "bit_xor"] {
        assert_eq!(one(name, nothing.clone()), None, "{name}");
    }
    assert_eq!(one("product", floats(&[])), None);
    let repeated: ArrayRef = Arc::new(Int64Array::from(vec![5, 5, 1]));
    let distinct = Run { name: "bit_xor", constants: &[], distinct: true, groups: 1, parts: 1, step: 9 };
    assert_eq!(shown(&distinct.over(&repeated).unwrap()), [Some("4".to_string())]);
}

#[test]
fn aggregates_of_two_refuse_one_argument() {
    for name in ["corr", "arg_min", "regr_count"] {
        let error = (lookup(name).unwrap().resolve)(&[DataType::Int64]).unwrap_err();
        assert!(error.kind().hint.as_deref().unwrap_or_default().starts_with(name), "{error}");
    }
    for name in ["bit_and", "product", "approx_quantile"] {
        assert!((lookup(name).unwrap().resolve)(&[TEXT]).is_err(), "{name}");
    }
}

/// Gives all rows to one accumulator group by group in several batches, and tells how far its memory went beyond what
/// was foreseen.
fn excess_memory(name: &str, columns: &[ArrayRef], groups: u32) -> i64 {
    let mut types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
    let constants: &[Scalar] = match name {
        "approx_quantile" => &[Scalar::float64(0.5)],
        "string_agg" => &[Scalar::text(", ")],
        _ => &[],
    };
    types.extend(constants.iter().map(|constant| constant.data_type().clone()));
    let mut accumulator = accumulator(name, &types, constants, false);
    let mut excess = i64::MIN;
    let (length, step) = (columns[0].len(), 1000);
    for start in (0..length).step_by(step) {
        let rows = step.min(length - start);
        let numbers: Vec<u32> = (start..start + rows).map(|row| row as u32 % groups).collect();
        let positions: Vec<u64> = (start..start + rows).map(|row| row as u64).collect();
        let bytes = columns
            .iter()
            .filter_map(|column| column.as_string_view_opt())
            .map(|column| column.slice(start, rows).iter().map(|text| text.map_or(0, str::len)).sum::<usize>());
        let foreseen = accumulator.memory() + accumulator.growth(rows, groups as usize, bytes.sum());
        let cut: Vec<_> = columns.iter().map(|column| column.slice(start, rows)).collect();
        let grouped =
            GroupedRows { groups: &numbers, group_count: groups as usize, filter: None, positions: &positions };
        accumulator.update(&cut, &grouped).unwrap();
        excess = excess.max(accumulator.memory() as i64 - foreseen as i64);
    }
    let held = accumulator.memory();
    let states = accumulator.state().unwrap();
    let state: usize = states.iter().map(|state| state.get_buffer_memory_size()).sum();
    assert!(state <= held + 4096, "{name}: a state of {state} bytes, {held} held");
    let mut merged = self::accumulator(name, &types, constants, false);
    let foreseen = merged.memory() + merged.merge_growth(&states, groups as usize);
    merged.merge(&states, &(0..groups).collect::<Vec<_>>(), groups as usize).unwrap();
    excess.max(merged.memory() as i64 - foreseen as i64)
}

#[test]
fn no_more_memory_is_taken_than_was_foreseen() {
    let count = 60_000i64;
    let numbers: ArrayRef = Arc::new((0..count).map(|n| Some((n * 7919 % 50_021) as f64)).collect::<Float64Array>());
    let integers: ArrayRef = Arc::new((0..count).map(|n| Some(n * 31 % 9973)).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new(
        (0..count).map(|n| Some("ab".repeat((n * n % 23) as usize) + &n.to_string())).collect::<StringViewArray>(),
    );
    for groups in [1, 7, 3000] {
        for name in ["skewness", "product", "mode", "approx_count_distinct", "approx_quantile", "array_agg"] {
            assert!(excess_memory(name, std::slice::from_ref(&numbers), groups) <= 0, "{name}, {groups} groups");
        }
        for name in ["bit_and", "mode", "approx_count_distinct"] {
            assert!(excess_memory(name, std::slice::from_ref(&integers), groups) <= 0, "{name}, {groups} groups");
        }
        for name in ["mode", "approx_count_distinct", "array_agg", "string_agg"] {
            assert!(excess_memory(name, std::slice::from_ref(&texts), groups) <= 0, "{name} of texts, {groups} groups");
        }
        assert!(excess_memory("corr", &[numbers.clone(), numbers.clone()], groups) <= 0, "corr, {groups} groups");
        assert!(excess_memory("arg_min", &[texts.clone(), numbers.clone()], groups) <= 0, "arg_min, {groups} groups");
        assert!(excess_memory("arg_max", &[numbers.clone(), texts.clone()], groups) <= 0, "arg_max, {groups} groups");
    }
}

/// The row that `arg_min` or `arg_max` takes its value from.
fn best_row(rows: &[(Option<i64>, Option<u8>)], group: usize, groups: usize, greatest: bool) -> Option<usize> {
    let counted =
        (0..rows.len()).filter(|row| row % groups == group && rows[*row].0.is_some() && rows[*row].1.is_some());
    counted.min_by_key(|row| rows[*row].1.map(|order| if greatest { 255 - order } else { order }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn they_agree_with_their_twins_however_they_are_cut(
        rows in prop::collection::vec((prop::option::weighted(0.9, -9i64..9), prop::option::weighted(0.9, 0u8..6)), 0..120),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..40,
    ) {
        let run = |name| Run { name, constants: &[], distinct: false, groups, parts, step };
        let of_group = |group: u32| rows.iter().skip(group as usize).step_by(groups as usize).filter_map(|row| row.0);
        let integers: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
        let as_text = |value: Option<i64>| value.map(|value| format!("{value:030}"));
        let x: ArrayRef = Arc::new(rows.iter().map(|row| as_text(row.0)).collect::<StringViewArray>());
        let order: ArrayRef = Arc::new(rows.iter().map(|row| row.1.map(i64::from)).collect::<Int64Array>());
        for (name, greatest) in [("arg_min", false), ("arg_max", true)] {
            let expected: Vec<_> = (0..groups as usize).map(|group| {
                as_text(best_row(&rows, group, groups as usize, greatest).and_then(|row| rows[row].0))
            }).collect();
            prop_assert_eq!(shown(&run(name).over_all(&[x.clone(), order.clone()]).unwrap()), expected);
        }
        let expected: Vec<_> = (0..groups).map(|group| {
            let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
            of_group(group).for_each(|value| *counts.entry(value).or_default() += 1);
            counts.iter().max_by_key(|(value, count)| (**count, -**value)).map(|(value, _)| value.to_string())
        }).collect();
        prop_assert_eq!(shown(&run("mode").over(&integers).unwrap()), expected);
        let fold = |name, f: fn(i64, i64) -> i64| {
            let expected: Vec<_> = (0..groups).map(|group| of_group(group).reduce(f).map(|value| value.to_string())).collect();
            (shown(&run(name).over(&integers).unwrap()), expected)
        };
        for (found, expected) in [fold("bit_and", |a, b| a & b), fold("bit_or", |a, b| a | b), fold("bit_xor", |a, b| a ^ b)] {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_product_does_not_depend_on_the_order(
        values in prop::collection::vec((-2.0f64..2.0, -300i32..300).prop_map(|(m, e)| m * 10f64.powi(e)), 0..60),
        parts in 1usize..4, step in 1usize..20, turned in any::<prop::sample::Index>(),
    ) {
        let run = Run { name: "product", constants: &[], distinct: false, groups: 1, parts, step };
        let whole = run.over(&floats(&values)).unwrap();
        let mut rotated = values.clone();
        rotated.rotate_left(if values.is_empty() { 0 } else { turned.index(values.len()) });
        prop_assert_eq!(all_bits(&whole), all_bits(&run.over(&floats(&rotated)).unwrap()));
    }
}

#[test]
fn states_without_rows_add_nothing() {
    for name in ["arg_min", "corr"] {
        let types = [DataType::Float64, DataType::Float64];
        let mut empty = accumulator(name, &types, &[], false);
        let rows = GroupedRows { groups: &[], group_count: 2, filter: None, positions: &[] };
        empty.update(&[floats(&[]), floats(&[])], &rows).unwrap();
        let states = empty.state().unwrap();
        let mut total = accumulator(name, &types, &[], false);
        total.merge(&states, &[1, 0], 2).unwrap();
        assert_eq!(total.finish().unwrap().null_count(), 2, "{name}");
    }
    // Rows of states are given out in any order.
    let mut part = accumulator("mode", &[DataType::Float64], &[], false);
    let rows = GroupedRows { groups: &[0, 1, 1], group_count: 2, filter: None, positions: &[] };
    part.update(&[floats(&[7.0, 8.0, 8.0])], &rows).unwrap();
    let indices = UInt32Array::from(vec![1, 0]);
    let states: Vec<_> =
        part.state().unwrap().iter().map(|state| arrow::compute::take(state, &indices, None).unwrap()).collect();
    let mut total = accumulator("mode", &[DataType::Float64], &[], false);
    total.merge(&states, &[0, 1], 2).unwrap();
    assert_eq!(shown(&total.finish().unwrap()), [Some("8.0".to_string()), Some("7.0".to_string())]);
}

#[test]
fn states_of_different_values_are_foreseen_by_their_true_number() {
    let count = 50_000i64;
    let integers: ArrayRef = Arc::new((0..count).map(|n| Some(n * 31)).collect::<Int64Array>());
    let groups: Vec<u32> = (0..count as u32).map(|row| row % 10).collect();
    let rows = GroupedRows { groups: &groups, group_count: 10, filter: None, positions: &[] };
    for (name, distinct) in [("mode", false), ("count", true)] {
        let mut part = accumulator(name, &[DataType::Int64], &[], distinct);
        part.update(std::slice::from_ref(&integers), &rows).unwrap();
        let states = part.state().unwrap();
        let mut merged = accumulator(name, &[DataType::Int64], &[], distinct);
        let foreseen = merged.merge_growth(&states, 10);
        merged.merge(&states, &(0..10).collect::<Vec<_>>(), 10).unwrap();
        let held = merged.memory();
        assert!(held <= foreseen && foreseen < 2 * held, "{name}: {foreseen} bytes foreseen, {held} held");
    }
}

#[test]
fn sums_of_values_of_very_different_size_are_foreseen() {
    let count = 40_000u32;
    let value = |n: u32| Some(f64::from(n % 7 + 1) * if n.is_multiple_of(2) { 1e150 } else { 1e-150 });
    let values: ArrayRef = Arc::new((0..count).map(value).collect::<Float64Array>());
    let types = [DataType::Float64, DataType::Float64];
    for (name, arguments) in [("sum", 1), ("var_samp", 1), ("kurtosis", 1), ("corr", 2)] {
        let mut accumulator = accumulator(name, &types[..arguments], &[], false);
        for start in (0..count).step_by(1000) {
            // Two rows a group, one large and one small.
            let groups: Vec<u32> = (start..start + 1000).map(|row| row / 2).collect();
            let group_count = (start + 1000) as usize / 2;
            let columns = vec![values.slice(start as usize, 1000); arguments];
            let foreseen = accumulator.memory() + accumulator.growth(1000, 500, 0);
            let rows = GroupedRows { groups: &groups, group_count, filter: None, positions: &[] };
            accumulator.update(&columns, &rows).unwrap();
            let held = accumulator.memory();
            assert!(held <= foreseen, "{name}: {held} bytes, {foreseen} foreseen at row {start}");
        }
    }
}
