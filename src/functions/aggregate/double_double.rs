//! Numbers of twice the precision of a double, as the unevaluated sum of two doubles.
//!
//! The error-free sum is Knuth's (The Art of Computer Programming 2, 4.2.2), the error-free product is by fused
//! multiply-add; the arithmetic on pairs follows Dekker (A floating-point technique for extending the available
//! precision, 1971) and Ogita, Rump and Oishi (Accurate sum and dot product, 2005).

use std::array::from_fn;

/// `a + b` rounded, and the exact error of that; NaN for the error where the sum is not finite.
#[inline]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// `a * b` rounded, and the exact error of that as long as nothing over- or underflows.
#[inline]
pub(super) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// A double as the exact sum of two halves of 26 bits, whose products are exact; for doubles below 1e300.
///
/// The products below split rather than use fused multiply-add, which is a call where the build may not assume the
/// instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    value: f64,
    high: f64,
    low: f64,
}

impl Split {
    /// By Veltkamp.
    #[inline]
    pub(super) fn of(value: f64) -> Self {
        /// 2^27 + 1: splits 53 bits into 26 and 26, with a sign between them.
        const SPLITTER: f64 = 134_217_729.0;
        let scaled = SPLITTER * value;
        let high = scaled - (scaled - value);
        Self { value, high, low: value - high }
    }

    /// The square rounded, and the exact error of that as long as nothing under- or overflows.
    #[inline]
    pub(super) fn square(self) -> (f64, f64) {
        let square = self.value * self.value;
        (square, self.low * self.low - ((square - self.high * self.high) - 2.0 * self.high * self.low))
    }

    /// The product rounded, and the exact error of that as long as nothing under- or overflows. By Dekker.
    #[inline]
    pub(super) fn times(self, other: Self) -> (f64, f64) {
        let product = self.value * other.value;
        let rest = ((product - self.high * other.high) - self.low * other.high) - self.high * other.low;
        (product, self.low * other.low - rest)
    }
}

/// The square of a double rounded, and the exact error of that as long as nothing under- or overflows; a square beyond
/// the range of doubles is infinite.
#[inline]
pub(super) fn square(a: f64) -> (f64, f64) {
    Split::of(a).square()
}

/// Sums in several lanes, each as two doubles: the value of a lane is `high + low`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes<const N: usize> {
    pub(super) high: [f64; N],
    pub(super) low: [f64; N],
}

impl<const N: usize> Lanes<N> {
    pub(super) const ZERO: Self = Self { high: [0.0; N], low: [0.0; N] };

    /// The sums with one more value each, and bits that are zero where that is exact in all lanes. Step by step for all
    /// lanes, so that they share instructions; see [`two_sum`].
    #[inline]
    pub(super) fn plus(&self, values: &[f64; N]) -> (Self, u64) {
        let (high, errors) = two_sums(&self.high, values);
        let (low, rests) = two_sums(&self.low, &errors);
        // Without the sign, so that -0 is zero too. NaN, which is what infinite sums leave behind, is not.
        let inexact = rests.iter().fold(0, |bits, rest| bits | rest.to_bits()) << 1;
        (Self { high, low }, inexact)
    }
}

#[inline]
fn two_sums<const N: usize>(a: &[f64; N], b: &[f64; N]) -> ([f64; N], [f64; N]) {
    let sum: [f64; N] = from_fn(|lane| a[lane] + b[lane]);
    let b_part: [f64; N] = from_fn(|lane| sum[lane] - a[lane]);
    let a_part: [f64; N] = from_fn(|lane| sum[lane] - b_part[lane]);
    let a_rest: [f64; N] = from_fn(|lane| a[lane] - a_part[lane]);
    let b_rest: [f64; N] = from_fn(|lane| b[lane] - b_part[lane]);
    (sum, from_fn(|lane| a_rest[lane] + b_rest[lane]))
}

/// `high + low`, where `high` is the sum rounded to a double. `low` is zero where `high` is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DoubleDouble {
    pub(super) high: f64,
    pub(super) low: f64,
}

impl DoubleDouble {
    /// The sum of two doubles.
    pub(super) fn of_sum(a: f64, b: f64) -> Self {
        let (high, low) = two_sum(a, b);
        if high.is_finite() { Self { high: high + 0.0, low } } else { Self { high, low: 0.0 } }
    }

    /// A result whose error is what is left of it; an infinity, or NaN, has none.
    fn corrected(result: f64, error: f64) -> Self {
        if result.is_finite() { Self::of_sum(result, error) } else { Self { high: result, low: 0.0 } }
    }

    /// An integer, to 106 bits.
    pub(super) fn of_integer(value: i128) -> Self {
        let high = value as f64;
        // A double of that size is an integer; 2^127 is out of the range of i128, but so is the difference then.
        let low = if high >= 2f64.powi(127) { (value - i128::MAX) as f64 - 1.0 } else { (value - high as i128) as f64 };
        Self::of_sum(high, low)
    }

    /// The product of two doubles, exact as long as nothing underflows.
    pub(super) fn of_product(a: f64, b: f64) -> Self {
        let (high, low) = two_product(a, b);
        Self::corrected(high, low)
    }

    pub(super) fn is_finite(self) -> bool {
        self.high.is_finite()
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { high: -other.high, low: -other.low })
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (high, error) = two_sum(self.high, other.high);
        let (low, rest) = two_sum(self.low, other.low);
        let first = Self::corrected(high, error + low);
        Self::corrected(first.high, first.low + rest)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (high, error) = two_product(self.high, other.high);
        Self::corrected(high, error + (self.high * other.low + self.low * other.high))
    }

    /// Times a small integer, or another double.
    pub(super) fn scaled(self, factor: f64) -> Self {
        let (high, error) = two_product(self.high, factor);
        Self::corrected(high, self.low.mul_add(factor, error))
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let remainder = (-high).mul_add(divisor, self.high);
        Self::corrected(high, (remainder + self.low) / divisor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_square_and_its_error_are_those_of_fused_multiply_add(mantissa in -2.0f64..2.0, exponent in -400i32..490) {
            let value = mantissa * 2f64.powi(exponent);
            prop_assert_eq!(square(value), two_product(value, value));
            let other = -1.7 * mantissa;
            prop_assert_eq!(Split::of(value).times(Split::of(other)), two_product(value, other));
        }

        #[test]
        fn lanes_add_as_single_sums_do(
            high in prop::array::uniform4(-1e9f64..1e9), low in prop::array::uniform4(-1e-9f64..1e-9),
            values in prop::array::uniform4(prop_oneof![-1e9f64..1e9, Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(1e308)]),
        ) {
            let (sums, inexact) = Lanes { high, low }.plus(&values);
            let mut exact = true;
            for lane in 0..4 {
                let (sum, error) = two_sum(high[lane], values[lane]);
                let (rest_sum, rest) = two_sum(low[lane], error);
                exact &= rest == 0.0;
                if exact {
                    prop_assert_eq!((sums.high[lane], sums.low[lane]), (sum, rest_sum));
                }
            }
            prop_assert_eq!(inexact == 0, exact);
        }
    }
}
