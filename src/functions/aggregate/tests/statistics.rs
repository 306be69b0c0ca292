//! Correlation, regression, skewness and kurtosis against known answers and twins in two passes.

use super::*;

/// (y, x): rows of Anscombe's first set, and what PostgreSQL says of them.
const PAIRS: [(f64, f64); 11] = [
    (8.04, 10.0),
    (6.95, 8.0),
    (7.58, 13.0),
    (8.81, 9.0),
    (8.33, 11.0),
    (9.96, 14.0),
    (7.24, 6.0),
    (4.26, 4.0),
    (10.84, 12.0),
    (4.82, 7.0),
    (5.68, 5.0),
];

const OF_PAIRS: [&str; 11] = [
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
];

fn columns(pairs: &[(f64, f64)]) -> [ArrayRef; 2] {
    [
        floats(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()),
        floats(&pairs.iter().map(|p| p.1).collect::<Vec<_>>()),
    ]
}

fn run<'a>(name: &'a str, parts: usize, step: usize) -> Run<'a> {
    Run { name, constants: &[], distinct: false, groups: 1, parts, step }
}

fn of_pairs(name: &str, pairs: &[(f64, f64)]) -> Option<f64> {
    let result = run(name, 2, 3).over_all(&columns(pairs)).unwrap();
    result.as_primitive::<Float64Type>().iter().next().flatten()
}

fn of_values(name: &str, values: &[f64]) -> Option<f64> {
    run(name, 2, 3).over(&floats(values)).unwrap().as_primitive::<Float64Type>().iter().next().flatten()
}

fn near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= 1e-12 * expected.abs().max(1e-300))
}

/// In two passes, of values whose sums are no challenge.
fn twin(name: &str, pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (y_mean, x_mean) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(y, x)| of(y - y_mean, x - x_mean)).sum::<f64>();
    let (yy, xx, xy) = (sum(&|y, _| y * y), sum(&|_, x| x * x), sum(&|y, x| x * y));
    match name {
        "corr" => xy / (xx * yy).sqrt(),
        "covar_pop" => xy / n,
        "covar_samp" => xy / (n - 1.0),
        "regr_slope" => xy / xx,
        "regr_intercept" => y_mean - x_mean * xy / xx,
        "regr_r2" => xy * xy / (xx * yy),
        "regr_avgx" => x_mean,
        "regr_avgy" => y_mean,
        "regr_sxx" => xx,
        "regr_syy" => yy,
        _ => xy,
    }
}

#[test]
fn pairs_are_measured_as_in_two_passes() {
    for name in OF_PAIRS {
        assert!(near(of_pairs(name, &PAIRS), twin(name, &PAIRS)), "{name}: {:?}", of_pairs(name, &PAIRS));
    }
    assert!((of_pairs("corr", &PAIRS).unwrap() - 0.816_420_516_344_84).abs() < 1e-13);
    assert!((of_pairs("regr_intercept", &PAIRS).unwrap() - 3.000_090_909_090_91).abs() < 1e-13);
}

#[test]
fn a_large_mean_takes_no_digits_from_a_correlation() {
    // Adding 2^20 to these is exact, and changes nothing about the means.
    let noise = |n: i64, seed: i64| (n * n * seed % 1031) as f64 / 1024.0;
    let pairs: Vec<_> = (0..500).map(|n| (noise(n, 7919), noise(n, 104_729) + noise(n, 7919))).collect();
    let far: Vec<_> = pairs.iter().map(|(y, x)| (y + 2f64.powi(20), x - 2f64.powi(20))).collect();
    for name in ["corr", "covar_samp", "regr_slope", "regr_r2", "regr_sxx", "regr_sxy"] {
        assert!(near(of_pairs(name, &far), of_pairs(name, &pairs).unwrap()), "{name}: {:?}", of_pairs(name, &far));
    }
}

#[test]
fn constant_sides_are_noticed_whatever_they_are() {
    for constant in [0.1, 1e300, -1.0 / 3.0, 5e-324, 0.0, 1e-170] {
        let pairs: Vec<_> = (0..7).map(|n| (f64::from(n) * 0.3, constant)).collect();
        let turned: Vec<_> = pairs.iter().map(|(y, x)| (*x, *y)).collect();
        if constant < 1e150 {
            assert_eq!(of_pairs("corr", &pairs), None, "{constant}");
            assert_eq!(of_pairs("regr_slope", &pairs), None, "{constant}");
            assert_eq!(of_pairs("regr_r2", &pairs), None, "{constant}");
            assert_eq!(of_pairs("regr_r2", &turned), Some(1.0), "{constant}");
            assert_eq!(of_pairs("regr_slope", &turned), Some(0.0), "{constant}");
            assert_eq!(of_pairs("covar_pop", &pairs), Some(0.0), "{constant}");
            assert_eq!(of_values("var_pop", &[constant; 7]), Some(0.0), "{constant}");
            assert_eq!(of_values("skewness", &[constant; 7]), None, "{constant}");
        } else {
            assert!(of_pairs("regr_sxx", &pairs).is_some_and(|squares| !squares.is_finite()));
        }
    }
    // The neighbours of a double are not the same as it.
    assert!(of_values("var_pop", &[1.0, 1.0 + f64::EPSILON]).is_some_and(|variance| variance > 0.0));
}

#[test]
fn few_pairs_nulls_and_infinities() {
    for name in OF_PAIRS {
        assert_eq!(of_pairs(name, &[]), None, "{name}");
    }
    let one = [(2.0, 3.0)];
    assert_eq!(of_pairs("covar_samp", &one), None);
    assert_eq!(of_pairs("corr", &one), None);
    assert_eq!(of_pairs("covar_pop", &one), Some(0.0));
    assert_eq!(of_pairs("regr_avgx", &one), Some(3.0));
    assert_eq!(of_pairs("regr_avgy", &one), Some(2.0));
    let y: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(3.0), Some(5.0)]));
    let x: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), Some(9.0), None, Some(3.0)]));
    let both = [y, x];
    let slope = run("regr_slope", 2, 1).over_all(&both).unwrap();
    assert_eq!(slope.as_primitive::<Float64Type>().value(0), 2.0);
    let count = run("regr_count", 2, 1).over_all(&both).unwrap();
    assert_eq!(count.as_primitive::<Int64Type>().value(0), 2);
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let pairs = [(1.0, 1.0), (2.0, strange), (3.0, 4.0)];
        assert!(of_pairs("corr", &pairs).unwrap().is_nan());
        assert!(of_pairs("regr_sxx", &pairs).unwrap().is_nan());
        assert!(near(of_pairs("regr_syy", &pairs), 2.0));
        assert_eq!(
            of_pairs("regr_avgx", &pairs).unwrap().to_bits(),
            if strange.is_nan() { f64::NAN } else { strange }.to_bits()
        );
        assert!(of_values("skewness", &[1.0, 2.0, strange, 4.0]).unwrap().is_nan());
        assert!(of_values("kurtosis", &[1.0, 2.0, strange, 4.0]).unwrap().is_nan());
    }
    for far in [1e200, 1e-120] {
        assert!(of_values("kurtosis", &[far, 2.0 * far, 4.0 * far, -far]).unwrap().is_nan());
        assert!(of_values("skewness", &[far, 2.0 * far, 4.0 * far, -far]).unwrap().is_nan());
    }
    assert!(near(of_values("skewness", &[1e-60, 2e-60, 4e-60]), 0.935_219_529_582_824_3));
    assert!(near(of_pairs("corr", &[(1e-100, 2e-100), (2e-100, 4e-100), (3e-100, 6e-100)]), 1.0));
    assert!(near(
        of_pairs("corr", &[(1e120, 2e120), (2e120, 4e120), (3e120, 7e120)]),
        of_pairs("corr", &[(1.0, 2.0), (2.0, 4.0), (3.0, 7.0)]).unwrap()
    ));
}

#[test]
fn shapes_are_those_of_duckdb() {
    let values = [1.0, 2.0, 4.0, 9.5, -3.0];
    assert!(near(of_values("skewness", &values), 0.548_281_055_799_413_8));
    assert!(near(of_values("kurtosis", &values), 1.128_411_207_500_526_8));
    assert!(near(of_values("kurtosis_pop", &values), -0.717_897_198_124_868_3));
    assert!(near(of_values("skewness", &values[..3]), 0.935_219_529_582_824_3));
    assert_eq!(of_values("kurtosis", &values[..3]), None);
    assert!(near(of_values("kurtosis_pop", &values[..3]), -1.5));
    assert_eq!(of_values("skewness", &values[..2]), None);
    assert_eq!(of_values("kurtosis_pop", &values[..2]), Some(-2.0));
    assert_eq!(of_values("kurtosis_pop", &values[..1]), None);
}

#[test]
fn shapes_survive_a_large_mean() {
    let values: Vec<f64> = (0..300i64).map(|n| (n * n * 7919 % 1031) as f64 / 1024.0).collect();
    let far: Vec<f64> = values.iter().map(|value| value + 4096.0).collect();
    for name in ["skewness", "kurtosis", "kurtosis_pop"] {
        let (near_zero, far) = (of_values(name, &values).unwrap(), of_values(name, &far).unwrap());
        assert!((near_zero - far).abs() < 1e-11, "{name}: {near_zero} {far}");
    }
}

#[test]
fn the_shape_of_values_far_from_zero_was_noise() {
    let reals = [1_700_000_000.1, 1_700_000_000.2, 1_700_000_000.4, 1_700_000_000.9];
    // By fractions 1.4999985.
    assert!((of_values("kurtosis", &reals).unwrap() - 1.499_9).abs() < 1e-3);
    let day = 86_400_000_000.0;
    let epochs: Vec<f64> = [0.0, 0.25, 0.5, 3.0, 1.0].iter().map(|days| 1.7e15 + days * day).collect();
    // Neighbours: nearly no digit of them differs.
    let neighbours: Vec<f64> = [0.0, 1.0, 5.0, 2.0, 7.0].iter().map(|n| 1.0 / 3.0 + n * 2f64.powi(-54)).collect();
    for values in [&reals[..], &epochs, &neighbours] {
        let near_zero: Vec<f64> = values.iter().map(|value| value - values[0]).collect();
        for name in ["skewness", "kurtosis", "kurtosis_pop"] {
            let expected = of_values(name, &near_zero).unwrap();
            assert!(near(of_values(name, values), expected), "{name}: {:?} {expected}", of_values(name, values));
        }
    }
    assert!(near(
        of_values("kurtosis_pop", &[1e50, 2e50, 1.0, 1e-50]),
        of_values("kurtosis_pop", &[1.0, 2.0, 0.0, 0.0]).unwrap()
    ));
}

#[test]
fn a_regression_whose_squares_overflow_was_zero() {
    let pairs = [(1.0, 1e155), (2.0, 2e155), (3.0, 4e155)];
    for name in ["corr", "regr_slope", "regr_intercept", "regr_r2"] {
        assert!(of_pairs(name, &pairs).unwrap().is_nan(), "{name}: {:?}", of_pairs(name, &pairs));
    }
    for name in ["corr", "regr_r2"] {
        assert!(of_pairs(name, &pairs.map(|(y, x)| (x, y))).unwrap().is_nan(), "{name}");
    }
}

#[test]
fn a_covariance_was_zero_where_squares_underflow_or_cancel() {
    assert!(near(of_pairs("covar_pop", &[(1.0, 1e-200), (2.0, 2e-200), (3.0, 3e-200)]), 2e-200 / 3.0));
    let close = [(1.0, 1e15), (2.0, 1e15 + 0.125), (3.0, 1e15 + 0.25)];
    assert_eq!(of_values("var_samp", &close.map(|(_, x)| x)), Some(0.015625));
    assert_eq!(of_pairs("covar_samp", &close), Some(0.125));
    assert_eq!(of_pairs("corr", &close), Some(1.0));
    assert_eq!(of_pairs("regr_slope", &close), Some(8.0));
}

#[test]
fn one_large_value_had_an_infinite_variance() {
    assert_eq!(of_values("var_pop", &[1e200]), Some(0.0));
    assert_eq!(of_values("stddev_pop", &[-1e200]), Some(0.0));
    assert!(of_values("var_pop", &[f64::INFINITY]).unwrap().is_nan());
}

#[test]
fn a_constant_whose_square_has_a_subnormal_error_had_a_variance() {
    let constant = 2.3590877840547403e-151;
    assert_eq!(of_values("var_pop", &[constant; 3]), Some(0.0));
    assert_eq!(of_pairs("corr", &[(1.0, constant), (2.0, constant), (4.0, constant)]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_cut_of_pairs_into_batches_and_states_does_not_matter(
        pairs in prop::collection::vec(
            [0; 2].map(|_| prop_oneof![
                8 => (-1e9f64..1e9).prop_map(Some),
                1 => Just(None),
                1 => (-1e9f64..1e9, -200i32..200).prop_map(|(m, e)| Some(m * 10f64.powi(e))),
                1 => prop::sample::select(vec![Some(f64::NAN), Some(f64::INFINITY), Some(-0.0), Some(7.0)]),
            ]),
            0..200,
        ),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..50, distinct in any::<bool>(),
    ) {
        let column = |at: usize| Arc::new(pairs.iter().map(|pair| pair[at]).collect::<Float64Array>()) as ArrayRef;
        let columns = [column(0), column(1)];
        for name in OF_PAIRS.iter().copied().chain(["skewness", "kurtosis", "kurtosis_pop"]) {
            let columns = if OF_PAIRS.contains(&name) { &columns[..] } else { &columns[..1] };
            let whole = Run { name, constants: &[], distinct, groups, parts: 1, step: 1000 }.over_all(columns).unwrap();
            let cut = Run { name, constants: &[], distinct, groups, parts, step }.over_all(columns).unwrap();
            prop_assert_eq!(all_bits(&whole), all_bits(&cut), "{}", name);
        }
    }

    #[test]
    fn pairs_agree_with_their_twin(pairs in prop::collection::vec((-100i32..100, -100i32..100), 3..60)) {
        let pairs: Vec<_> = pairs.into_iter().map(|(y, x)| (f64::from(y), f64::from(x))).collect();
        let varies = |of: fn(&(f64, f64)) -> f64| pairs.iter().any(|pair| of(pair) != of(&pairs[0]));
        prop_assume!(varies(|pair| pair.0) && varies(|pair| pair.1));
        for name in OF_PAIRS {
            let (found, expected) = (of_pairs(name, &pairs).unwrap(), twin(name, &pairs));
            prop_assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{name}: {found} {expected}");
        }
    }
}
