//! Sums of powers about the mean, from the exact sums of powers.
//!
//! `Σ(x−μ)²` is worked out of `Σx` and `Σx²` with 106 bits, which are 31 digits. Where cancellation takes more than 12 of
//! them, it is worked out again without rounding, as moments of third and fourth order always are.

use super::double_double::{DoubleDouble, square, two_product};
use super::exact_number::{ExactNumber, Scaled};
use super::variance::LARGE;
use super::wide_sum::WideSum;

const NAN: DoubleDouble = DoubleDouble { high: f64::NAN, low: 0.0 };
const ZERO: DoubleDouble = DoubleDouble { high: 0.0, low: 0.0 };

const LEAST: DoubleDouble = DoubleDouble { high: f64::from_bits(1), low: 0.0 };

/// What has to be left of a difference so that 106 bits do for it: 2^-40.
const SAFE: f64 = 1.0 / (1u64 << 40) as f64;

/// `Σ(x−μ)²` of `count` values: from their sum, that of their squares as they are rounded, and that of what was rounded
/// away. Exactly zero where all values are the same, and NaN where not all are finite; infinite where the squares are.
pub(super) fn squares_about_mean(
    count: f64,
    sum: DoubleDouble,
    squares: DoubleDouble,
    errors: DoubleDouble,
) -> DoubleDouble {
    if !sum.is_finite() || squares.high.is_nan() {
        return NAN;
    }
    // One value is its mean, also where its square is no double.
    if count == 1.0 {
        return ZERO;
    }
    if !squares.is_finite() {
        return squares;
    }
    if are_all_the_same(count, sum, squares, errors) {
        return ZERO;
    }
    let about_mean = products_about_means(count, (sum, sum), squares, errors);
    // Squares that are no doubles leave nothing, or less, of values that do differ.
    if about_mean.high <= 0.0 { LEAST } else { about_mean }
}

/// Exactly where `Σx = nc` and `Σx² = nc²` for a double `c`, as `Σ(x−c)² = Σx² − 2cΣx + nc²` is zero then and only then.
/// Squares as they are added: below 1e-146, their errors are rounded.
fn are_all_the_same(count: f64, sum: DoubleDouble, squares: DoubleDouble, errors: DoubleDouble) -> bool {
    let value = sum.over(count).high;
    let (squared, error) = if value.abs() < LARGE { square(value) } else { two_product(value, value) };
    let of_each = |each: f64, total: DoubleDouble| DoubleDouble::of_product(count, each) == total;
    of_each(value, sum) && of_each(squared, squares) && of_each(error, errors)
}

/// `Σ(x−μ)(y−ν)` of `count` pairs: from the sums of x, of y and of their products, those as in [`squares_about_mean`].
/// NaN where not all values are finite; infinite where the products are.
pub(super) fn products_about_means(
    count: f64,
    sums: (DoubleDouble, DoubleDouble),
    products: DoubleDouble,
    errors: DoubleDouble,
) -> DoubleDouble {
    if !sums.0.is_finite() || !sums.1.is_finite() {
        return NAN;
    }
    if !products.is_finite() {
        return products;
    }
    let about_means = products.plus(errors).minus(sums.0.times(sums.1.over(count)));
    if about_means.high.abs() >= SAFE * products.high.abs() {
        return about_means;
    }
    let exact = |sums: &[DoubleDouble]| {
        let mut total = WideSum::default();
        sums.iter().for_each(|sum| [sum.high, sum.low].into_iter().for_each(|part| total.add(part)));
        total.to_exact()
    };
    let products = exact(&[products, errors]).times(&ExactNumber::of_integer(count as u64));
    let Scaled { value, exponent } = products.minus(&exact(&[sums.0]).times(&exact(&[sums.1]))).rounded();
    Scaled { value: value.over(count), exponent }.unscaled()
}

/// The moments about the mean of some values, times powers of how many they are: `n^k m_k`.
pub(super) struct CentralMoments {
    second: Scaled,
    third: Scaled,
    fourth: Scaled,
    /// Whether the square of the variance is in the range of doubles, as the powers have to be.
    in_range: bool,
}

impl CentralMoments {
    /// From how many values there are, and the sums of their powers from the first to the fourth; `None` where all are
    /// the same.
    pub(super) fn new(count: u64, [x, xx, xxx, xxxx]: [ExactNumber; 4]) -> Option<Self> {
        let n = ExactNumber::of_integer(count);
        let times = |factor: u64, number: &ExactNumber| ExactNumber::of_integer(factor).times(number);
        // n Σx² − (Σx)².
        let (nxx, squared) = (n.times(&xx), x.times(&x));
        let second = nxx.minus(&squared);
        // Below zero are squares that are no doubles.
        if second.is_zero() || second.is_negative() {
            return None;
        }
        // n² Σx³ − Σx (3n Σx² − 2(Σx)²), and n³ Σx⁴ − Σx (4n² Σx³ − Σx (6n Σx² − 3(Σx)²)).
        let nnxxx = n.times(&n.times(&xxx));
        let third = nnxxx.minus(&x.times(&times(3, &nxx).minus(&times(2, &squared))));
        let inner = times(4, &nnxxx).minus(&x.times(&times(6, &nxx).minus(&times(3, &squared))));
        let fourth = n.times(&n.times(&n.times(&xxxx))).minus(&x.times(&inner));
        let [second, third, fourth] = [second, third, fourth].map(|moment| moment.rounded());
        let count = count as f64;
        let variance = Scaled { value: second.value.over(count).over(count), ..second }.unscaled().high;
        Some(Self { second, third, fourth, in_range: (variance * variance).is_normal() })
    }

    /// `m₃ / m₂^(3/2)`.
    pub(super) fn skewness(&self) -> f64 {
        let second = self.second.value.high;
        self.ratio(self.third, second * second.sqrt(), self.second.exponent / 2 * 3)
    }

    /// `m₄ / m₂²`.
    pub(super) fn kurtosis(&self) -> f64 {
        let second = self.second.value.high;
        self.ratio(self.fourth, second * second, self.second.exponent * 2)
    }

    /// NaN rather than what is left of powers out of the range of doubles.
    fn ratio(&self, moment: Scaled, divisor: f64, exponent: i32) -> f64 {
        let ratio = moment.value.high / divisor * 2f64.powi(moment.exponent - exponent);
        if self.in_range { ratio } else { f64::NAN }
    }
}
