//! The sketches: within their errors, and the same however rows are cut.

use super::*;

fn run<'a>(name: &'a str, constants: &'a [Scalar], groups: u32, parts: usize, step: usize) -> Run<'a> {
    Run { name, constants, distinct: false, groups, parts, step }
}

fn scattered(n: i64) -> i64 {
    n.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f) >> 3
}

#[test]
fn few_different_values_are_counted_exactly() {
    let integers: ArrayRef =
        Arc::new((0..20_000i64).map(|n| (n % 11 > 0).then_some(scattered(n % 4001))).collect::<Int64Array>());
    let counts = run("approx_count_distinct", &[], 1, 3, 700).over(&integers).unwrap();
    assert_eq!(counts.as_primitive::<Int64Type>().value(0), 4001);
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("a"), Some("b"), Some("")]));
    assert_eq!(one("approx_count_distinct", texts).unwrap(), "3");
    assert_eq!(one("approx_count_distinct", floats(&[0.0, -0.0, f64::NAN, -f64::NAN])).unwrap(), "2");
    assert_eq!(one("approx_count_distinct", floats(&[])).unwrap(), "0");
    let conditions: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
    assert_eq!(one("approx_count_distinct", conditions).unwrap(), "2");
    let of = IntervalMonthDayNano::new;
    let equal: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![of(1, 0, 0), of(0, 30, 0), of(0, 0, 1)]));
    assert_eq!(one("approx_count_distinct", equal).unwrap(), "2");
}

#[test]
fn many_different_values_are_counted_about_right_and_always_alike() {
    // Of three groups one is large, and one just below what has registers.
    let column: ArrayRef = Arc::new(
        (0..120_000i64)
            .map(|n| match n % 3 {
                0 => Some(scattered(n)),
                1 => Some(scattered(n % 12_288)),
                _ => Some(scattered(n % 30_000)),
            })
            .collect::<Int64Array>(),
    );
    let counts = |parts, step| {
        let counts = run("approx_count_distinct", &[], 3, parts, step).over(&column).unwrap();
        counts.as_primitive::<Int64Type>().values().to_vec()
    };
    let whole = counts(1, 120_000);
    for (found, exact) in whole.iter().zip([40_000.0, 4096.0, 10_000.0]) {
        assert!((*found as f64 / exact - 1.0).abs() < 0.03, "{whole:?}");
    }
    assert_eq!(whole[1], 4096);
    for (parts, step) in [(2, 999), (3, 8192), (4, 30_000), (7, 100)] {
        assert_eq!(counts(parts, step), whole, "{parts} parts of {step} rows in turn");
    }
}

#[test]
fn approximate_quantiles_of_strange_values() {
    let of = |fraction: f64, values: &[f64]| {
        let constants = [Scalar::float64(fraction)];
        let result = run("approx_quantile", &constants, 1, 2, 2).over(&floats(values)).unwrap();
        format_value(&result, 0)
    };
    assert_eq!(of(0.5, &[]), None);
    assert_eq!(of(0.5, &[7.0]).unwrap(), "7.0");
    assert_eq!(of(0.5, &[1.0, 2.0, 3.0]).unwrap(), "2.0");
    assert_eq!(of(0.0, &[3.0, f64::NEG_INFINITY, 1.0]).unwrap(), "-Infinity");
    assert_eq!(of(1.0, &[3.0, f64::NAN, f64::INFINITY]).unwrap(), "NaN");
    assert_eq!(of(0.5, &[-0.0, 0.0, -1.0]).unwrap(), "0.0");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn approximate_quantiles_are_within_their_error(
        values in prop::collection::vec(
            prop_oneof![
                4 => (-1e9f64..1e9).prop_map(Some),
                1 => Just(None),
                2 => (-1e9f64..1e9, -200i32..200).prop_map(|(m, e)| Some(m * 10f64.powi(e))),
            ],
            0..200,
        ),
        fraction in 0.0f64..=1.0, groups in 1u32..5, parts in 1usize..4, step in 1usize..50,
    ) {
        let column: ArrayRef = Arc::new(Float64Array::from(values.clone()));
        let constants = [Scalar::float64(fraction)];
        let found = run("approx_quantile", &constants, groups, parts, step).over(&column).unwrap();
        let whole = run("approx_quantile", &constants, groups, 1, 1000).over(&column).unwrap();
        prop_assert_eq!(all_bits(&found), all_bits(&whole));
        for group in 0..groups as usize {
            let mut sorted: Vec<f64> = values.iter().skip(group).step_by(groups as usize).filter_map(|value| *value).collect();
            sorted.sort_by(f64::total_cmp);
            let found = found.as_primitive::<Float64Type>();
            prop_assert_eq!(found.is_null(group), sorted.is_empty());
            if !sorted.is_empty() {
                let exact = sorted[(fraction * (sorted.len() - 1) as f64).floor() as usize];
                prop_assert!((found.value(group) - exact).abs() <= exact.abs() / 256.0, "{exact} {}", found.value(group));
            }
        }
    }

    #[test]
    fn counts_do_not_depend_on_the_cut(
        values in prop::collection::vec(prop::option::weighted(0.9, 0i64..300), 0..400),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..80,
    ) {
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let found = run("approx_count_distinct", &[], groups, parts, step).over(&column).unwrap();
        for group in 0..groups as usize {
            let mut distinct: Vec<_> = values.iter().skip(group).step_by(groups as usize).flatten().collect();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(found.as_primitive::<Int64Type>().value(group), distinct.len() as i64);
        }
    }
}
