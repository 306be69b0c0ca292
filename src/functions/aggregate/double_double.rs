//! Numbers of twice the precision of a double, as the unevaluated sum of two doubles.
//!
//! The error-free sum is Knuth's (The Art of Computer Programming 2, 4.2.2), the error-free product is by fused
//! multiply-add; the arithmetic on pairs follows Dekker (A floating-point technique for extending the available
//! precision, 1971) and Ogita, Rump and Oishi (Accurate sum and dot product, 2005).

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

    /// An integer, to 106 bits.
    pub(super) fn of_integer(value: i128) -> Self {
        let high = value as f64;
        // A double of that size is an integer; 2^127 is out of the range of i128, but so is the difference then.
        let low = if high >= 2f64.powi(127) { (value - i128::MAX) as f64 - 1.0 } else { (value - high as i128) as f64 };
        Self::of_sum(high, low)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        let (high, error) = two_sum(self.high, -other.high);
        let (low, rest) = two_sum(self.low, -other.low);
        let first = Self::of_sum(high, error + low);
        Self::of_sum(first.high, first.low + rest)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (high, error) = two_product(self.high, other.high);
        Self::of_sum(high, error + (self.high * other.low + self.low * other.high))
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let remainder = (-high).mul_add(divisor, self.high);
        Self::of_sum(high, (remainder + self.low) / divisor)
    }
}
