//! Digits, eight at a time in one general register (Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice
//! and Experience 2021; the byte tricks are those of Warren, "Hacker's Delight").

/// Whether eight bytes are all digits.
#[inline]
pub fn are_digits(word: u64) -> bool {
    // The high halves are all 3, also after adding 6 to the low ones.
    (word & 0xf0f0_f0f0_f0f0_f0f0) | ((word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) >> 4)
        == 0x3333_3333_3333_3333
}

/// The number that eight digits are; the first is in the lowest byte.
#[inline]
pub fn eight_digits(word: u64) -> u64 {
    // Pairs, then fours, then all eight: three multiplications that add neighbours.
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul((10 << 8) + 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32
}

/// Where in eight bytes, in memory order, the first one of that value is.
#[inline]
pub fn first_byte(word: u64, byte: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let differs = word ^ (ONES * u64::from(byte));
    // The lowest high bit that is set belongs to the first byte that is zero.
    let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
    (zeros != 0).then(|| (zeros.trailing_zeros() / 8) as usize)
}

/// The number that the last `count` of eight bytes are; `None` where one of them is no digit.
#[inline]
pub fn last_digits(word: u64, count: usize) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // No shift by 64 for none: two shifts by half of it.
    let kept = (u64::MAX << (32 - 4 * count)) << (32 - 4 * count);
    let word = (word & kept) | (ZEROS & !kept);
    are_digits(word).then(|| eight_digits(word))
}

/// The whole number that stands in `block` from `start` to `end`, spelt with no more than its value and at most 16
/// digits. `None` is no verdict: the text may be of another form or longer.
#[inline]
pub fn integer(block: &[u8], start: usize, end: usize) -> Option<i64> {
    let negative = block.get(start) == Some(&b'-');
    let start = start + usize::from(negative);
    let length = end.checked_sub(start)?;
    let tail = block.get(end.checked_sub(16)?..end)?.as_chunks::<8>().0;
    let &[upper, lower] = tail else { return None };
    if length == 0 || length > 16 || (length > 1 && block.get(start) == Some(&b'0')) {
        return None;
    }
    let lower = last_digits(u64::from_le_bytes(lower), length.min(8))?;
    let value =
        if length <= 8 { lower } else { last_digits(u64::from_le_bytes(upper), length - 8)? * 100_000_000 + lower };
    // At most 16 digits.
    let value = value.cast_signed();
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_digits_are_read_as_one_number(text in "[0-9/:]{8}") {
            let word = u64::from_le_bytes(text.as_bytes().try_into().unwrap());
            prop_assert_eq!(are_digits(word).then(|| eight_digits(word)), text.parse().ok());
        }

        #[test]
        fn the_first_byte_is_found(text in "[a-c.]{8}") {
            let word = u64::from_le_bytes(text.as_bytes().try_into().unwrap());
            prop_assert_eq!(first_byte(word, b'.'), text.find('.'));
        }

        #[test]
        fn integers_are_those_of_the_standard_library(text in "-?[0-9]{0,17}|[-+0-9 .]{0,5}", before in "[0-9,]{0,20}") {
            let block = format!("{before}{text}");
            if let Some(value) = integer(block.as_bytes(), before.len(), block.len()) {
                prop_assert_eq!(Some(value), text.parse().ok());
                prop_assert!(text == "-0" || value.to_string() == text);
            } else if before.len() >= 16 {
                let spelt_so = text.parse::<i64>().is_ok_and(|value| value.to_string() == text);
                prop_assert!(!spelt_so || text.trim_start_matches('-').len() > 16);
            }
        }
    }
}
