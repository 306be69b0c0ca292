//! AVX-512 with the byte instructions of VBMI2. What is here is inlined into the two functions that switch the
//! instructions on, and used by them alone.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32,
    _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
    _pext_u64,
};
use std::mem::MaybeUninit;

use super::{Counted, Dialect, Index, Indexer, WINDOW, Window};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,popcnt,pclmulqdq")]
pub(super) fn extend(indexer: &mut Indexer, block: &[u8], to: usize, index: &mut Index) -> bool {
    indexer.run::<Bytes>(block, to, index)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,popcnt,pclmulqdq")]
pub(super) fn count(dialect: &Dialect, block: &[u8], from: usize, to: usize) -> Option<Counted> {
    super::count::<Bytes>(dialect, block, from, to)
}

/// The bytes 0 to 63.
static POSITIONS: [u8; WINDOW] = {
    let mut positions = [0; WINDOW];
    let mut index = 0;
    while index < WINDOW {
        positions[index] = index as u8;
        index += 1;
    }
    positions
};

#[derive(Clone, Copy)]
struct Bytes(__m512i);

impl Window for Bytes {
    #[inline(always)]
    fn load(bytes: &[u8; WINDOW]) -> Self {
        // SAFETY: an unaligned load of 64 bytes; the instructions are there, see above.
        Self(unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn equal(&self, byte: u8) -> u64 {
        // SAFETY: the instructions are there, see above.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    fn prefix_xor(mask: u64) -> u64 {
        super::avx2::Bytes::prefix_xor(mask)
    }

    /// The bytes at the bits, moved together and widened, sixteen at once.
    #[inline(always)]
    fn write_positions(mask: u64, at: u32, slots: &mut [MaybeUninit<u32>; WINDOW]) -> usize {
        let count = mask.count_ones() as usize;
        if count > 16 {
            return write_many(mask, at, slots);
        }
        // SAFETY: a load of 64 bytes, and a store of 16 of the 64 slots; the instructions are there, see above.
        unsafe {
            let positions = _mm512_loadu_si512(POSITIONS.as_ptr().cast());
            let chosen = _mm512_castsi512_si128(_mm512_maskz_compress_epi8(mask, positions));
            let wide = _mm512_add_epi32(_mm512_cvtepu8_epi32(chosen), _mm512_set1_epi32(at.cast_signed()));
            _mm512_storeu_si512(slots.as_mut_ptr().cast(), wide);
        }
        count
    }

    #[inline(always)]
    fn write_ranks(bits: u64, mask: u64, known: u32, slots: &mut [MaybeUninit<u32>; WINDOW]) -> usize {
        // SAFETY: the instructions are there, see above.
        Self::write_positions(unsafe { _pext_u64(bits, mask) }, known, slots)
    }
}

/// As for all other instructions.
fn write_many(mask: u64, at: u32, slots: &mut [MaybeUninit<u32>; WINDOW]) -> usize {
    super::portable::Bytes::write_positions(mask, at, slots)
}
