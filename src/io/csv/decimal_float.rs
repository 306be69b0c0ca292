//! The nearest double to a decimal number of up to 19 digits, which nearly all are; the caller leaves others to a library.
//!
//! Digits are read eight at a time in one register. The digits as a whole number times a power of ten are rounded by the algorithm of
//! Eisel and Lemire (Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 2021).

use super::digits::{are_digits, eight_digits, first_byte, last_digits};

/// Digits behind the point, at most: 10^19 is the last power of ten of 64 bits.
const MOST_PLACES: usize = 19;

/// Powers of ten that are doubles, exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Powers of ten in 64 bits.
const POWERS_OF_TEN: [u64; 20] = powers(10);

/// The upper 128 bits of 1 / 5^i, rounded up.
const INVERSE_POWERS_OF_FIVE: [u128; MOST_PLACES + 1] = inverse_powers_of_five();

const fn powers<const N: usize>(base: u64) -> [u64; N] {
    let mut powers = [1; N];
    let mut index = 1;
    while index < N {
        powers[index] = powers[index - 1] * base;
        index += 1;
    }
    powers
}

/// 2^(128 + b) / 5^i, where 5^i has b + 1 bits: by long division, bit by bit. The first is not used.
const fn inverse_powers_of_five() -> [u128; MOST_PLACES + 1] {
    let fives: [u64; MOST_PLACES + 1] = powers(5);
    let mut inverses = [0; MOST_PLACES + 1];
    let mut index = 1;
    while index <= MOST_PLACES {
        let divisor = fives[index] as u128;
        let (mut rest, mut quotient) = (1u128 << divisor.ilog2(), 0u128);
        let mut bit = 0;
        while bit < 128 {
            (rest, quotient) = (rest << 1, quotient << 1);
            if rest >= divisor {
                (rest, quotient) = (rest - divisor, quotient | 1);
            }
            bit += 1;
        }
        inverses[index] = quotient + 1;
        index += 1;
    }
    inverses
}

/// A number as its digits, of which so many stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// All digits as one whole number.
    pub digits: u64,
    /// How many of them stand behind the point.
    pub places: usize,
}

/// The nearest double to `[-]digits[.digits]`, the text of `block` from `start` to `end`. `None` is no verdict: the text
/// may be of another form, have more than 19 digits, be a whole number that has to be rounded, or lie too near to the
/// middle of two doubles.
#[inline]
pub fn parse(block: &[u8], start: usize, end: usize) -> Option<f64> {
    let (negative, digits) = parse_digits(block, start, end)?;
    let value = positive(digits)?;
    Some(f64::from_bits(value.to_bits() | (u64::from(negative) << 63)))
}

/// The sign and the digits of such a text.
#[inline]
pub fn parse_digits(block: &[u8], start: usize, end: usize) -> Option<(bool, Digits)> {
    let negative = block.get(start) == Some(&b'-');
    let start = start + usize::from(negative);
    let digits = match read_at_once(block, start, end) {
        Some(digits) => digits,
        None => read(block.get(start..end)?)?,
    };
    Some((negative, digits))
}

/// Reads digits with a point among the first eight bytes, without a branch that depends on how many there are: numbers
/// of random length would defeat the branch prediction. What is in the registers around the digits is cleared.
#[inline]
fn read_at_once(block: &[u8], start: usize, end: usize) -> Option<Digits> {
    let head = u64::from_le_bytes(*block.get(start..)?.first_chunk()?);
    let tail = block.get(end.checked_sub(24)?..end)?.as_chunks::<8>().0;
    let &[first, second, third] = tail else { return None };
    let point = first_byte(head, b'.')?;
    let places = end.checked_sub(start + point + 1)?;
    if point == 0 || places == 0 || places > MOST_PLACES {
        return None;
    }
    let whole = last_digits(head << (64 - 8 * point), point)?;
    let third = last_digits(u64::from_le_bytes(third), places.min(8))?;
    let second = last_digits(u64::from_le_bytes(second), places.saturating_sub(8).min(8))?;
    let first = last_digits(u64::from_le_bytes(first), places.saturating_sub(16))?;
    // 19 digits fit, and 20 of which the first is a zero.
    if whole != 0 && places + point > MOST_PLACES {
        return None;
    }
    let fraction = (first * 100_000_000 + second).wrapping_mul(100_000_000).wrapping_add(third);
    let shifted = whole.wrapping_mul(*POWERS_OF_TEN.get(places)?);
    Some(Digits { digits: shifted.wrapping_add(fraction), places })
}

/// Reads digits with at most one point among them, and at least one digit.
#[inline]
fn read(text: &[u8]) -> Option<Digits> {
    let (whole, rest) = leading_digits(text)?;
    let Some((b'.', fraction)) = rest.split_first() else {
        return (rest.is_empty() && !text.is_empty()).then_some(Digits { digits: whole, places: 0 });
    };
    let length = text.len() - 1;
    // 19 digits fit, and 20 of which the first is a zero.
    if length == 0 || length > MOST_PLACES + usize::from(whole == 0) {
        return None;
    }
    let (digits, rest) = leading_digits(fraction)?;
    let shifted = whole.wrapping_mul(*POWERS_OF_TEN.get(fraction.len())?);
    rest.is_empty().then(|| Digits { digits: shifted.wrapping_add(digits), places: fraction.len() })
}

/// The digits that text starts with as a number, and the rest; `None` for more than 19.
#[inline]
fn leading_digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut rest) = (0u64, text);
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        if !are_digits(word) {
            break;
        }
        value = value.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
        rest = behind;
    }
    while let Some((byte @ b'0'..=b'9', behind)) = rest.split_first() {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        rest = behind;
    }
    (text.len() - rest.len() <= 19).then_some((value, rest))
}

/// The nearest double; `None` where that is not told so easily.
#[inline]
fn positive(number: Digits) -> Option<f64> {
    let Digits { digits, places } = number;
    if places == 0 || digits == 0 {
        return (digits <= 1 << 53).then_some(digits as f64);
    }
    eisel_lemire(digits, places).or_else(|| {
        // Exact values and ties. Both numbers are doubles, so that the quotient is rounded once (Clinger, "How to read
        // floating point numbers accurately", PLDI 1990).
        (digits < 1 << 53).then_some(digits as f64 / *EXACT_POWERS.get(places)?)
    })
}

/// The nearest double to `digits`, not zero, by ten to the power of `places`; `None` where 128 bits do not tell.
#[inline]
fn eisel_lemire(digits: u64, places: usize) -> Option<f64> {
    let inverse = *INVERSE_POWERS_OF_FIVE.get(places)?;
    let zeros = digits.leading_zeros();
    let normalized = u128::from(digits << zeros);
    // The upper 128 of 192 bits. The inverse is rounded, so that the true product is less than one away.
    let product = normalized * (inverse >> 64) + ((normalized * (inverse & u128::from(u64::MAX))) >> 64);
    let (high, low) = ((product >> 64) as u64, product as u64);
    if low.wrapping_add(2) < 4 {
        return None;
    }
    // 54 bits: those of the result, and one to round by. It is no tie, since there is something below them.
    let top = high >> 63;
    let rounded = ((high >> (9 + top)) + 1) >> 1;
    // floor(log2 5^places): log2 5 is 152170 / 2^16, near enough for these.
    let log = (places * 152_170) >> 16;
    let exponent = 10 + top as i32 - zeros as i32 - log as i32 - places as i32;
    // A power of two is a double by its exponent alone, and the product is exact.
    Some(rounded.cast_signed() as f64 * f64::from_bits(((1023 + exponent) as u64) << 52))
}

#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    //! The same by 32 bytes at once, for a loop that has the instructions switched on.

    use std::arch::x86_64::{
        _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_extract_epi64, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_maddubs_epi16, _mm256_max_epu8, _mm256_movemask_epi8, _mm256_packus_epi32, _mm256_set1_epi8,
        _mm256_set1_epi16, _mm256_set1_epi32, _mm256_sub_epi8,
    };

    use super::{Digits, EXACT_POWERS, MOST_PLACES, POWERS_OF_TEN, positive};
    use crate::io::csv::digits;

    /// So many digits are a double for sure. Whether more are would depend on the value, and mislead the branch
    /// prediction.
    const SURELY_EXACT: usize = 15;

    /// Whether the machine has the instructions.
    pub fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
    }

    /// As [`parse`](super::parse), which it asks where there are more than two digits in front of the point.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub fn parse(block: &[u8], start: usize, end: usize) -> Option<f64> {
        match parse_short(block, start, end) {
            Some(value) => Some(value),
            None => parse_long(block, start, end),
        }
    }

    #[cold]
    fn parse_long(block: &[u8], start: usize, end: usize) -> Option<f64> {
        super::parse(block, start, end)
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn parse_short(block: &[u8], start: usize, end: usize) -> Option<f64> {
        let negative = *block.get(start)? == b'-';
        let start = start + usize::from(negative);
        let &[first, second, third] = block.get(start..)?.first_chunk()?;
        let [first_digit, second_digit] = [first, second].map(|byte| byte.wrapping_sub(b'0'));
        let (point, whole) = match (second, third) {
            (b'.', _) => (1, u64::from(first_digit)),
            (_, b'.') if second_digit < 10 => (2, u64::from(first_digit) * 10 + u64::from(second_digit)),
            _ => return None,
        };
        let places = end.checked_sub(start + point + 1)?;
        if first_digit > 9 || places == 0 || places + point > MOST_PLACES {
            return None;
        }
        let fraction = if places <= 8 {
            let word = block.get(end.checked_sub(8)?..)?.first_chunk()?;
            digits::last_digits(u64::from_le_bytes(*word), places)?
        } else {
            last_digits(block, end, places)?
        };
        let digits = whole * *POWERS_OF_TEN.get(places)? + fraction;
        let value = if places + point <= SURELY_EXACT {
            digits.cast_signed() as f64 / *EXACT_POWERS.get(places)?
        } else {
            positive(Digits { digits, places })?
        };
        Some(f64::from_bits(value.to_bits() | (u64::from(negative) << 63)))
    }

    /// The number that the last `count` bytes before `end` are, at most 19.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn last_digits(block: &[u8], end: usize, count: usize) -> Option<u64> {
        /// From `count` on: 32 bytes of which the last `count` are all ones.
        static KEPT: [u8; 64] = {
            let mut kept = [0; 64];
            let mut index = 32;
            while index < 64 {
                kept[index] = 0xff;
                index += 1;
            }
            kept
        };
        let bytes: &[u8; 32] = block.get(end.checked_sub(32)?..)?.first_chunk()?;
        let kept: &[u8; 32] = KEPT.get(count..)?.first_chunk()?;
        // SAFETY: unaligned loads of 32 bytes each.
        let (bytes, kept) =
            unsafe { (_mm256_loadu_si256(bytes.as_ptr().cast()), _mm256_loadu_si256(kept.as_ptr().cast())) };
        let digits = _mm256_and_si256(_mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed())), kept);
        let nine = _mm256_set1_epi8(9);
        if _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(digits, nine), nine)) != -1 {
            return None;
        }
        // Neighbours are added with their weights: to pairs, fours and eights; each half holds two of the latter.
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(10 + (1 << 8)));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(100 + (1 << 16)));
        let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(10_000 + (1 << 16)));
        let sixteen = |eights: i64| {
            let eights = eights.cast_unsigned();
            (eights & u64::from(u32::MAX)) * 100_000_000 + (eights >> 32)
        };
        let (upper, lower) = (_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<2>(eights));
        // At most 19 digits in all: the upper ones are three.
        Some(sixteen(upper) * 10_000_000_000_000_000 + sixteen(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// With and without bytes around the text.
    fn whole(text: &str) -> Option<f64> {
        let alone = parse(text.as_bytes(), 0, text.len());
        let block = format!("{0}{text}{0}", "1,2.5,345678901234567890,-3.25,700");
        let start = (block.len() - text.len()) / 2;
        let among_others = parse(block.as_bytes(), start, start + text.len());
        assert_eq!(alone.map(f64::to_bits), among_others.map(f64::to_bits), "{text}");
        #[cfg(target_arch = "x86_64")]
        if avx2::is_available() {
            // SAFETY: the instructions are there.
            let by_vectors = unsafe { avx2::parse(block.as_bytes(), start, start + text.len()) };
            assert_eq!(alone.map(f64::to_bits), by_vectors.map(f64::to_bits), "{text}");
        }
        alone
    }

    fn check(text: &str) {
        if let Some(fast) = whole(text) {
            let exact: f64 = text.parse().unwrap();
            assert_eq!(fast.to_bits(), exact.to_bits(), "{text}: {fast} instead of {exact}");
        }
    }

    /// Numbers that spread over all lengths, without a library: a linear congruential generator (Knuth's MMIX).
    fn numbers(count: usize) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(1u64), |last| {
            Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .skip(1)
        .take(count)
    }

    #[test]
    fn millions_of_decimals_give_the_double_that_the_standard_library_gives() {
        let mut decided = 0u32;
        for bits in numbers(3_000_000) {
            let digits = bits >> (bits % 60);
            let text = digits.to_string();
            let places = (bits >> 7) as usize % (text.len() + 3);
            let text = match text.len().checked_sub(places) {
                Some(0) => format!("0.{text}"),
                Some(whole) => format!("{}.{}", &text[..whole], &text[whole..]),
                None => format!("-0.{}{text}", "0".repeat(places - text.len())),
            };
            decided += u32::from(whole(&text).is_some());
            check(&text);
        }
        assert!(decided > 2_500_000, "{decided} were decided here");
    }

    #[test]
    fn shortest_forms_of_random_doubles_read_back() {
        for bits in numbers(2_000_000) {
            // From -1 to 1, as fractions mostly are, and whole multiples.
            let unit = (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
            for value in [unit, unit * 1e6] {
                check(&value.to_string());
            }
        }
    }

    #[test]
    fn middles_of_two_doubles_are_left_to_others_or_right() {
        for bits in numbers(200_000) {
            let whole = (1 << 53) | (bits >> 11);
            // Half way between two doubles, just above and just below.
            for digits in [2 * whole + 1, 2 * whole, 2 * whole + 2] {
                for text in [format!("{digits}"), format!("{digits}.0"), format!("{digits}.5")] {
                    check(&text);
                }
            }
            check(&format!("{}.5", whole));
            check(&format!("{}.{}5", whole >> 4, (whole >> 1) % 10));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_number_and_the_nearest(text in "[-+.0-9eE]{0,22}") {
            if let Some(fast) = whole(&text) {
                prop_assert_eq!(Some(fast.to_bits()), text.parse::<f64>().ok().map(f64::to_bits));
            }
        }
    }
}
