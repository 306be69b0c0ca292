//! Numbers whose sums and products are exact, for what is left when nearly equal sums of powers are subtracted: few
//! words, as those that are zero at either end are not kept.

use std::cmp::Ordering;

use super::double_double::DoubleDouble;

/// `±Σ words[i] · 2^(64 (i + exponent))`; zero has no words.
#[derive(Clone, Debug)]
pub(super) struct ExactNumber {
    negative: bool,
    words: Vec<u64>,
    exponent: isize,
}

/// `value · 2^exponent` with an even exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaled {
    pub(super) value: DoubleDouble,
    pub(super) exponent: i32,
}

impl Scaled {
    /// As a double where it is one; rounds once, as the first of the two steps is exact.
    pub(super) fn unscaled(self) -> DoubleDouble {
        let half = self.exponent / 2;
        self.value.scaled(2f64.powi(half)).scaled(2f64.powi(self.exponent - half))
    }
}

impl ExactNumber {
    /// From words, least first.
    pub(super) fn new(negative: bool, mut words: Vec<u64>, exponent: isize) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        let zeros = words.iter().take_while(|word| **word == 0).count();
        words.drain(..zeros);
        Self { negative, words, exponent: exponent + zeros as isize }
    }

    pub(super) fn of_integer(value: u64) -> Self {
        Self::new(false, vec![value], 0)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut words = vec![0; self.words.len() + other.words.len()];
        for (start, a) in self.words.iter().enumerate() {
            let mut carry = 0;
            let to = words.iter_mut().skip(start);
            // One word more takes the carry.
            for (word, b) in to.zip(other.words.iter().chain([&0])) {
                let sum = u128::from(*a) * u128::from(*b) + u128::from(*word) + carry;
                *word = sum as u64;
                carry = sum >> 64;
            }
        }
        Self::new(self.negative != other.negative, words, self.exponent + other.exponent)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { negative: !other.negative, ..other.clone() })
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other.clone() } else { self.clone() };
        }
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.words_from(exponent), other.words_from(exponent));
        if self.negative == other.negative {
            let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
            return Self::new(self.negative, added(long, &short), exponent);
        }
        let order = a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()));
        match order {
            Ordering::Less => Self::new(other.negative, subtracted(b, &a), exponent),
            _ => Self::new(self.negative, subtracted(a, &b), exponent),
        }
    }

    /// The words from an exponent on that is not above its own.
    fn words_from(&self, exponent: isize) -> Vec<u64> {
        let zeros = (self.exponent - exponent).unsigned_abs();
        [vec![0; zeros], self.words.clone()].concat()
    }

    /// To 106 bits.
    pub(super) fn rounded(&self) -> Scaled {
        let word = |back: usize| {
            let word = self.words.len().checked_sub(back).and_then(|index| self.words.get(index));
            word.copied().unwrap_or(0)
        };
        let top = u128::from(word(1)) << 64 | u128::from(word(2));
        if top == 0 {
            return Scaled { value: DoubleDouble::of_sum(0.0, 0.0), exponent: 0 };
        }
        let shift = word(1).leading_zeros() & !1;
        let next = if shift == 0 { 0 } else { word(3) >> (64 - shift) };
        // Of the 126 bits that are left, 125 at least count.
        let bits = (top << shift | u128::from(next)) >> 2;
        let value = DoubleDouble::of_integer(if self.negative { -bits.cast_signed() } else { bits.cast_signed() });
        let words = self.exponent + self.words.len() as isize - 2;
        Scaled { value, exponent: 64 * words as i32 - shift as i32 + 2 }
    }
}

/// The sum of words and others that are not more.
fn added(mut words: Vec<u64>, others: &[u64]) -> Vec<u64> {
    let mut carry = false;
    for (index, word) in words.iter_mut().enumerate() {
        let (sum, first) = word.overflowing_add(others.get(index).copied().unwrap_or(0));
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *word = sum;
        carry = first || second;
    }
    words.push(u64::from(carry));
    words
}

/// The difference of words and others that are a number not above them.
fn subtracted(mut words: Vec<u64>, others: &[u64]) -> Vec<u64> {
    let mut borrow = false;
    for (index, word) in words.iter_mut().enumerate() {
        let (rest, first) = word.overflowing_sub(others.get(index).copied().unwrap_or(0));
        let (rest, second) = rest.overflowing_sub(u64::from(borrow));
        *word = rest;
        borrow = first || second;
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: i128, exponent: isize) -> ExactNumber {
        let magnitude = value.unsigned_abs();
        ExactNumber::new(value < 0, vec![magnitude as u64, (magnitude >> 64) as u64], exponent)
    }

    proptest! {
        #[test]
        fn what_is_added_and_multiplied_comes_out_again(
            a in any::<i128>(), b in any::<i128>(), c in -1_000_000_000i128..1_000_000_000, exponent in -8isize..8,
        ) {
            // (a·2^64e + b)·c − a·c·2^64e = b·c, where a·c has more words than an i128.
            let (far, b, c) = (of(a, exponent), of(b >> 40, 0), of(c, 0));
            let rest = far.plus(&b).times(&c).minus(&far.times(&c));
            prop_assert!(rest.minus(&b.times(&c)).is_zero());
            let found = of(a, exponent).rounded();
            let expected = DoubleDouble::of_integer(a).high * 2f64.powi(64 * exponent as i32);
            prop_assert!((found.unscaled().high - expected).abs() <= expected.abs() * f64::EPSILON);
            prop_assert_eq!(found.exponent % 2, 0);
        }
    }
}
