//! A sum of doubles that is exact whatever they are: the accumulator of Kulisch in the small form of Neal (Fast exact
//! summation using small and large superaccumulators, 2015); and the sum as two doubles that goes before it.

use super::double_double::{DoubleDouble, two_sum};
use super::exact_number::ExactNumber;
use super::rows::Coming;
use crate::error::{Error, Result};

/// Words of a wide number: 2098 bits reach from the least to the greatest double; the rest takes carries and the sign.
const WORDS: usize = 34;
const MANTISSA_BITS: u32 = 52;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;

/// How many wide numbers come with what is taken, at most. `known` is how many there are of `groups` groups, each of `sums`
/// sums. As long as nothing is known of the values, all sums may get one; later as many as so far, and as many again.
pub(super) fn coming_wide(coming: Coming, groups: usize, sums: usize, known: usize) -> usize {
    let Coming { rows, bytes, .. } = coming;
    let seen = match groups {
        0 if bytes > 0 => 0,
        0 => rows * sums,
        groups => (2 * rows * known).div_ceil(groups).min(rows * sums),
    };
    seen + bytes / WIDE_BYTES
}

/// Bytes that a wide number is written to.
pub(super) const WIDE_BYTES: usize = WORDS * 8;

/// Bytes of a wide number: once in memory, and once in a state, with its number.
pub(super) const HELD_BYTES: usize = WIDE_BYTES + 1 + WIDE_BYTES;

/// A fixed-point number in two's complement, least word first, in units of 2^-1074.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WideSum([u64; WORDS]);

impl Default for WideSum {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl WideSum {
    /// Adds a finite double.
    pub(super) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> MANTISSA_BITS) & 0x7ff) as usize;
        let (mantissa, shift) = match exponent {
            0 => (bits & MANTISSA_MASK, 0),
            _ => (bits & MANTISSA_MASK | 1 << MANTISSA_BITS, exponent - 1),
        };
        let shifted = u128::from(mantissa) << (shift % 64);
        let parts = [shifted as u64, (shifted >> 64) as u64];
        if value.is_sign_negative() { self.subtract_at(shift / 64, parts) } else { self.add_at(shift / 64, parts) }
    }

    fn add_at(&mut self, start: usize, parts: [u64; 2]) {
        let mut carry = false;
        for (index, word) in self.0.iter_mut().skip(start).enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !carry {
                return;
            }
            let (sum, first) = word.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    fn subtract_at(&mut self, start: usize, parts: [u64; 2]) {
        let mut borrow = false;
        for (index, word) in self.0.iter_mut().skip(start).enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !borrow {
                return;
            }
            let (rest, first) = word.overflowing_sub(part);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            *word = rest;
            borrow = first || second;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (word, part) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(part);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
    }

    fn is_negative(&self) -> bool {
        self.0[WORDS - 1] >> 63 == 1
    }

    fn magnitude(&self) -> [u64; WORDS] {
        let mut words = self.0;
        if self.is_negative() {
            let mut carry = true;
            for word in &mut words {
                let (sum, overflow) = (!*word).overflowing_add(u64::from(carry));
                *word = sum;
                carry = overflow;
            }
        }
        words
    }

    /// The nearest double, ties to even; infinite where it is too large for one.
    fn round(&self) -> f64 {
        let words = self.magnitude();
        let Some(top) = words.iter().rposition(|word| *word != 0) else { return 0.0 };
        let highest = top * 64 + 63 - words[top].leading_zeros() as usize;
        // The least bit of the mantissa stands at `shift`. A double's bits are `exponent << 52 | mantissa` without the
        // leading one, so that adding the mantissa with it raises the exponent by one, and rounding up carries right.
        let shift = highest.saturating_sub(MANTISSA_BITS as usize);
        let low = u128::from(words[shift / 64]) >> (shift % 64);
        let high = words.get(shift / 64 + 1).map_or(0, |word| u128::from(*word) << (64 - shift % 64));
        let mut mantissa = (low | high) as u64 & (MANTISSA_MASK << 1 | 1);
        if shift > 0 {
            // The bit behind the mantissa decides, then the bits behind it, then whether the mantissa is odd.
            let (word, half) = ((shift - 1) / 64, 1 << ((shift - 1) % 64));
            let sticky = words[word] & (half - 1) != 0 || words[..word].iter().any(|word| *word != 0);
            mantissa += u64::from(words[word] & half != 0 && (sticky || mantissa & 1 == 1));
        }
        let bits = ((shift as u64) << MANTISSA_BITS) + mantissa;
        let value = if bits >= f64::INFINITY.to_bits() { f64::INFINITY } else { f64::from_bits(bits) };
        if self.is_negative() { -value } else { value }
    }

    /// The nearest double, and the nearest double to what is left.
    pub(super) fn to_double_double(&self) -> DoubleDouble {
        let high = self.round();
        if !high.is_finite() {
            return DoubleDouble { high, low: 0.0 };
        }
        let mut rest = self.clone();
        rest.add(-high);
        DoubleDouble { high, low: rest.round() }
    }

    /// As a number to multiply by others.
    pub(super) fn to_exact(&self) -> ExactNumber {
        // From units of 2^-1074 to 2^(64 · -17).
        const SHIFT: u32 = 14;
        let mut carry = 0;
        let mut words = Vec::with_capacity(WORDS + 1);
        for word in self.magnitude() {
            words.push(word << SHIFT | carry);
            carry = word >> (64 - SHIFT);
        }
        words.push(carry);
        ExactNumber::new(self.is_negative(), words, -17)
    }

    pub(super) fn to_bytes(&self) -> [u8; WIDE_BYTES] {
        let mut bytes = [0; WIDE_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut words = [0; WORDS];
        let chunks = bytes.chunks_exact(8).map(<[u8; 8]>::try_from);
        if bytes.len() != WIDE_BYTES {
            return Err(Error::internal("the state of a sum has a wrong length"));
        }
        for (word, chunk) in words.iter_mut().zip(chunks.flatten()) {
            *word = u64::from_le_bytes(chunk);
        }
        Ok(Self(words))
    }
}

/// Adds a value to a sum of two doubles `(high, low)`; what does not fit there is for the wide number of the sum. Where
/// `high` is not finite, it alone counts: an infinity, or NaN, was among the values.
pub(super) fn add_exactly((high, low): (f64, f64), value: f64, add_wide: impl FnOnce(f64)) -> (f64, f64) {
    if !value.is_finite() || !high.is_finite() {
        // The sum of infinities is NaN where they differ in sign, in any order.
        return (high + value, low);
    }
    let (sum, error) = two_sum(high, value);
    let (rest_sum, rest) = two_sum(low, error);
    if rest == 0.0 {
        (sum, rest_sum)
    } else if rest.is_finite() {
        add_wide(rest);
        (sum, rest_sum)
    } else {
        add_wide(value);
        (high, low)
    }
}

/// What a sum of two doubles and its wide number stand for, to 106 bits: the same for the same values, whatever order
/// they came in.
pub(super) fn exact_value((high, low): (f64, f64), wide: Option<&WideSum>) -> DoubleDouble {
    if !high.is_finite() {
        return DoubleDouble { high: if high.is_nan() { f64::NAN } else { high }, low: 0.0 };
    }
    match wide {
        None => DoubleDouble::of_sum(high, low),
        Some(wide) => {
            let mut total = wide.clone();
            total.add(high);
            total.add(low);
            total.to_double_double()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_number_rounds_as_the_hardware_does() {
        for (a, b) in
            [(1.0, 2f64.powi(-53)), (1.0, 3.0 * 2f64.powi(-54)), (-1e308, 1e290), (5e-324, 5e-324), (-3.5, 0.0)]
        {
            let mut wide = WideSum::default();
            wide.add(a);
            wide.add(b);
            assert_eq!(wide.to_double_double(), DoubleDouble::of_sum(a, b), "{a} {b}");
            assert_eq!(WideSum::from_bytes(&wide.to_bytes()).unwrap(), wide);
        }
    }
}
