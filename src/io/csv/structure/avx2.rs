//! AVX2. What is here is inlined into the two functions that switch the instructions on, and used by them alone.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
};

use super::{Counted, Dialect, Index, Indexer, WINDOW, Window};

#[target_feature(enable = "avx2,bmi1,popcnt,pclmulqdq")]
pub(super) fn extend(indexer: &mut Indexer, block: &[u8], to: usize, index: &mut Index) -> bool {
    indexer.run::<Bytes>(block, to, index)
}

#[target_feature(enable = "avx2,bmi1,popcnt,pclmulqdq")]
pub(super) fn count(dialect: &Dialect, block: &[u8], from: usize, to: usize) -> Option<Counted> {
    super::count::<Bytes>(dialect, block, from, to)
}

#[derive(Clone, Copy)]
pub(super) struct Bytes([__m256i; 2]);

impl Window for Bytes {
    #[inline(always)]
    fn load(bytes: &[u8; WINDOW]) -> Self {
        let start = bytes.as_ptr().cast::<__m256i>();
        // SAFETY: two unaligned loads from 64 bytes; AVX2 is there, see above.
        unsafe { Self([_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))]) }
    }

    #[inline(always)]
    fn equal(&self, byte: u8) -> u64 {
        // SAFETY: AVX2 is there, see above.
        let [low, high] = self
            .0
            .map(|half| unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()))) });
        u64::from(low.cast_unsigned()) | (u64::from(high.cast_unsigned()) << 32)
    }

    #[inline(always)]
    fn prefix_xor(mask: u64) -> u64 {
        // SAFETY: the instruction is there, see above.
        unsafe {
            let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, mask.cast_signed()), _mm_set1_epi8(-1));
            _mm_cvtsi128_si64(product).cast_unsigned()
        }
    }
}
