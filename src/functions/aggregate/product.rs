//! `product`: it keeps the values of all groups, as a product that is rounded depends on the order of its factors. They
//! are multiplied in the order of their size, with 106 bits and an exponent of its own, so that nothing over- or
//! underflows on the way that later factors take back.

use arrow::datatypes::{DataType, Float64Type};

use super::Accumulator;
use super::double_double::DoubleDouble;
use super::quantile::{Collected, OfSorted};
use super::values::Ranked;
use crate::error::Result;

/// The product of all values of a group.
pub(super) fn product() -> Box<dyn Accumulator> {
    Box::new(Collected::<Float64Type, _>::new(&DataType::Float64, InOrder))
}

/// The factors from the least to the greatest.
struct InOrder;

impl OfSorted<f64> for InOrder {
    fn of(&self, values: &mut [f64]) -> f64 {
        values.sort_unstable_by(|a, b| a.rank_normal(*b));
        let mut product = Product::one();
        values.iter().for_each(|value| product.multiply(*value));
        product.round()
    }

    fn of_sorted(&self, _: usize, values: &mut dyn Iterator<Item = Result<f64>>) -> Result<f64> {
        let mut product = Product::one();
        for value in values {
            product.multiply(value?);
        }
        Ok(product.round())
    }
}

/// A product under way, times a power of two.
struct Product {
    fraction: DoubleDouble,
    exponent: i64,
}

impl Product {
    fn one() -> Self {
        Self { fraction: DoubleDouble::of_sum(1.0, 0.0), exponent: 0 }
    }

    fn multiply(&mut self, value: f64) {
        let (fraction, power) = fraction_and_power(value);
        self.fraction = self.fraction.scaled(fraction);
        let (_, carried) = fraction_and_power(self.fraction.high);
        // At most two: fractions are from 1 to 2.
        self.fraction = self.fraction.scaled(2f64.powi(-carried));
        self.exponent += i64::from(power) + i64::from(carried);
    }

    fn round(&self) -> f64 {
        times_power_of_two(self.fraction.high, self.exponent)
    }
}

/// A value as a fraction from 1 to 2, with its sign, times a power of two; zeros, infinities and NaN as they are.
fn fraction_and_power(value: f64) -> (f64, i32) {
    const MANTISSA: u64 = (1 << 52) - 1;
    let exponent = |value: f64| ((value.to_bits() >> 52) & 0x7ff) as i32;
    if value == 0.0 || !value.is_finite() {
        return (value, 0);
    }
    // Subnormal numbers become normal.
    let (value, shift) = if value.is_normal() { (value, 0) } else { (value * 2f64.powi(64), 64) };
    let sign_and_mantissa = value.to_bits() & (1 << 63 | MANTISSA);
    (f64::from_bits(sign_and_mantissa | 1023 << 52), exponent(value) - 1023 - shift)
}

fn times_power_of_two(mut value: f64, mut exponent: i64) -> f64 {
    const STEP: i32 = 512;
    // Beyond, all doubles are zero or infinite.
    exponent = exponent.clamp(-4096, 4096);
    while exponent.abs() > i64::from(STEP) {
        value *= 2f64.powi(if exponent > 0 { STEP } else { -STEP });
        exponent -= exponent.signum() * i64::from(STEP);
    }
    value * 2f64.powi(exponent as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiplied(values: &mut [f64]) -> f64 {
        InOrder.of(values)
    }

    #[test]
    fn products_do_not_overflow_on_the_way() {
        let (large, small) = (2f64.powi(900), 2f64.powi(-900));
        assert_eq!(multiplied(&mut [large, large, small, small, 3.0]), 3.0);
        assert_eq!(multiplied(&mut [5e-324, 2f64.powi(1000), 2f64.powi(74)]), 1.0);
        assert_eq!(multiplied(&mut [-2.0, 3.0, -0.5]), 3.0);
        assert_eq!(multiplied(&mut [1e300; 4]), f64::INFINITY);
        assert_eq!(multiplied(&mut [-1e-300; 3]), 0.0);
        assert_eq!(multiplied(&mut [0.0, 5.0]), 0.0);
        assert_eq!(multiplied(&mut [f64::NEG_INFINITY, 5.0]), f64::NEG_INFINITY);
        assert!(multiplied(&mut [f64::INFINITY, 0.0]).is_nan());
        assert!(multiplied(&mut [f64::NAN, 2.0]).is_nan());
        assert_eq!(multiplied(&mut (1..=20).map(f64::from).collect::<Vec<_>>()), 2_432_902_008_176_640_000.0);
    }
}
