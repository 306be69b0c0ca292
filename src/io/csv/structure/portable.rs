//! Eight bytes at a time in general registers.

use super::{WINDOW, Window};

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

#[derive(Clone, Copy)]
pub(super) struct Bytes([u64; WINDOW / 8]);

impl Window for Bytes {
    #[inline(always)]
    fn load(bytes: &[u8; WINDOW]) -> Self {
        let mut words = [0; WINDOW / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    #[inline(always)]
    fn equal(&self, byte: u8) -> u64 {
        let pattern = ONES * u64::from(byte);
        self.0.iter().rev().fold(0, |mask, word| {
            let differs = word ^ pattern;
            // The high bit of each byte that is zero, exactly (Warren, "Hacker's Delight", 6-1).
            let zeros = !(((differs & LOW) + LOW) | differs | LOW);
            // The product gathers the eight bits in its highest byte.
            (mask << 8) | ((zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56)
        })
    }

    #[inline(always)]
    fn prefix_xor(mask: u64) -> u64 {
        [1, 2, 4, 8, 16, 32].into_iter().fold(mask, |mask, shift| mask ^ (mask << shift))
    }
}
