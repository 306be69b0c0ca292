//! Sums of powers about the mean, from the exact sums of powers.
//!
//! `Σ(x−μ)^k` is worked out of `Σx … Σx^k` with 106 bits, which are 31 digits. What the cancellation takes of them is
//! about `k · log10(|μ| / σ)` digits, so that a variance has all digits of a double for means up to 10^7 standard
//! deviations, and a fourth moment up to 10^4 of them.

use super::double_double::{DoubleDouble, two_product};

const NAN: DoubleDouble = DoubleDouble { high: f64::NAN, low: 0.0 };
const ZERO: DoubleDouble = DoubleDouble { high: 0.0, low: 0.0 };

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
    if !squares.is_finite() {
        return squares;
    }
    if are_all_the_same(count, sum, squares, errors) {
        return ZERO;
    }
    let about_mean = squares.plus(errors).minus(sum.times(sum.over(count)));
    if about_mean.high < 0.0 { ZERO } else { about_mean }
}

/// Exactly where `Σx = nc` and `Σx² = nc²` for a double `c`, as `Σ(x−c)² = Σx² − 2cΣx + nc²` is zero then and only then.
fn are_all_the_same(count: f64, sum: DoubleDouble, squares: DoubleDouble, errors: DoubleDouble) -> bool {
    let value = sum.over(count).high;
    let (square, error) = two_product(value, value);
    let of_each = |each: f64, total: DoubleDouble| DoubleDouble::of_product(count, each) == total;
    of_each(value, sum) && of_each(square, squares) && of_each(error, errors)
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
        NAN
    } else if !products.is_finite() {
        products
    } else {
        products.plus(errors).minus(sums.0.times(sums.1.over(count)))
    }
}

/// The sums of powers of `count` values about their mean.
pub(super) struct PowersAboutMean {
    pub(super) second: f64,
    pub(super) third: f64,
    pub(super) fourth: f64,
}

impl PowersAboutMean {
    /// From the sum of the values and of their powers; `squares` in two parts as in [`squares_about_mean`]. NaN where a
    /// value or a power is not finite.
    pub(super) fn new(
        count: f64,
        sum: DoubleDouble,
        squares: (DoubleDouble, DoubleDouble),
        cubes: DoubleDouble,
        fourths: DoubleDouble,
    ) -> Self {
        let second = squares_about_mean(count, sum, squares.0, squares.1);
        if [sum, squares.0, cubes, fourths].iter().any(|sum| !sum.is_finite()) {
            return Self { second: f64::NAN, third: f64::NAN, fourth: f64::NAN };
        }
        // With m for the mean: Σx³ − m(3Σx² − 2nm²), and Σx⁴ − m(4Σx³ − m(6Σx² − 3nm²)).
        let mean = sum.over(count);
        let squares = squares.0.plus(squares.1);
        let squared_means = sum.times(mean);
        let third = cubes.minus(mean.times(squares.scaled(3.0).minus(squared_means.scaled(2.0))));
        let inner = squares.scaled(6.0).minus(squared_means.scaled(3.0));
        let fourth = fourths.minus(mean.times(cubes.scaled(4.0).minus(mean.times(inner))));
        Self { second: second.high, third: third.high, fourth: fourth.high.max(0.0) }
    }
}
