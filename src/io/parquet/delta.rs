//! Numbers that are stored as differences (`DELTA_BINARY_PACKED`), as far as they have to be understood before the library decodes them:
//! how many there are and where they end, and differences that are wider than the numbers.
//!
//! ```text
//!  values in a block, miniblocks in a block, count, first value │ least difference, a width for each miniblock, miniblocks │ …
//! ```

/// Bits of the numbers whose differences may be wider.
const NARROW: u8 = 32;
/// Bytes of the largest unit that a miniblock is packed in.
const MOST_BITS: u8 = 64;

/// Numbers that are stored as differences.
pub(super) struct Deltas<'a> {
    bytes: &'a [u8],
    miniblocks: usize,
    /// Numbers in a miniblock.
    values: usize,
    pub count: u64,
    first: i64,
    /// Where the blocks begin.
    start: usize,
}

/// Numbers of a miniblock as they are packed.
struct Miniblock<'a> {
    least: i64,
    width: u8,
    packed: &'a [u8],
    /// How many of them are there.
    values: usize,
}

impl<'a> Deltas<'a> {
    /// Reads the header; `None` where there is none.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut at = 0;
        let block = usize::try_from(varint(bytes, &mut at)?).ok()?;
        let miniblocks = usize::try_from(varint(bytes, &mut at)?).ok()?;
        let count = varint(bytes, &mut at)?;
        let first = zigzag(varint(bytes, &mut at)?);
        let values = block.checked_div(miniblocks).filter(|values| *values > 0 && values.is_multiple_of(8))?;
        Some(Self { bytes, miniblocks, values, count, first, start: at })
    }

    /// What comes behind; `None` where the blocks go beyond the end.
    pub fn behind(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.walk(|_| ())?..)
    }

    /// Numbers of 32 bits whose differences take more, as bytes: some writers do not let these wrap around, as the format says. `None`
    /// where the library can read them, or nobody can.
    pub fn unpacked_wide(&self) -> Option<Vec<u8>> {
        let mut widest = 0;
        self.walk(|block| widest = widest.max(block.width))?;
        let count = usize::try_from(self.count).ok()?;
        if widest <= NARROW || count > self.bytes.len().saturating_mul(8) {
            return None;
        }
        let mut numbers = Vec::with_capacity(count * 4);
        let mut number = self.first;
        numbers.extend((number as i32).to_le_bytes());
        self.walk(|block| {
            for value in 0..block.values {
                number = number.wrapping_add(block.least).wrapping_add(unpack(block.packed, value, block.width));
                numbers.extend((number as i32).to_le_bytes());
            }
        })?;
        Some(numbers)
    }

    /// Goes over the miniblocks that hold numbers; where they end.
    fn walk(&self, mut f: impl FnMut(Miniblock<'a>)) -> Option<usize> {
        let mut at = self.start;
        let mut left = self.count.saturating_sub(1);
        while left > 0 {
            let least = zigzag(varint(self.bytes, &mut at)?);
            let widths = self.bytes.get(at..at.checked_add(self.miniblocks)?)?;
            at += self.miniblocks;
            for width in widths {
                if left == 0 {
                    break;
                }
                let end = at.checked_add(usize::from(*width).checked_mul(self.values / 8)?)?;
                let packed = self.bytes.get(at..end).filter(|_| *width <= MOST_BITS)?;
                let values = usize::try_from(left).map_or(self.values, |left| left.min(self.values));
                f(Miniblock { least, width: *width, packed, values });
                left -= values as u64;
                at = end;
            }
        }
        Some(at)
    }
}

/// The number at a place among those that take `width` bits each, the low ones first.
fn unpack(packed: &[u8], place: usize, width: u8) -> i64 {
    let (mut number, mut done) = (0_u64, 0);
    while done < width {
        let bit = place * usize::from(width) + usize::from(done);
        let (byte, shift) = (packed.get(bit / 8).copied().unwrap_or(0), bit % 8);
        let taken = (8 - shift as u8).min(width - done);
        let bits = u64::from(byte >> shift) & ((1 << taken) - 1);
        number |= bits << done;
        done += taken;
    }
    number as i64
}

/// A number of seven bits a byte, the low ones first.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A number whose lowest bit is its sign.
pub(super) fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }

    /// Packs numbers as DuckDB does: differences of 64 bits, blocks of 256 values in 8 miniblocks.
    fn packed(numbers: &[i32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        [256, 8, numbers.len() as u64].into_iter().for_each(|number| put(&mut bytes, number));
        let zigzagged = |number: i64| (number << 1 ^ number >> 63) as u64;
        put(&mut bytes, zigzagged(i64::from(numbers[0])));
        let differences: Vec<i64> = numbers.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
        for block in differences.chunks(256) {
            let least = *block.iter().min().unwrap();
            put(&mut bytes, zigzagged(least));
            let miniblocks: Vec<&[i64]> = block.chunks(32).collect();
            let width =
                |values: &[i64]| 64 - values.iter().map(|value| (value - least) as u64).max().unwrap().leading_zeros();
            let widths: Vec<u32> = miniblocks.iter().map(|values| width(values)).collect();
            bytes.extend((0..8).map(|place| widths.get(place).map_or(0, |width| *width as u8)));
            for (values, width) in miniblocks.iter().zip(widths) {
                let mut bits = vec![0_u8; width as usize * 4];
                for (place, value) in values.iter().enumerate() {
                    for bit in 0..width as usize {
                        let at = place * width as usize + bit;
                        bits[at / 8] |= (((value - least) as u64 >> bit & 1) as u8) << (at % 8);
                    }
                }
                bytes.extend(bits);
            }
        }
        bytes
    }

    #[test]
    fn differences_wider_than_their_numbers_are_unpacked() {
        for numbers in [
            vec![i32::MAX, i32::MIN, 5, i32::MAX],
            (0..700).map(|i| if i % 3 == 0 { i32::MIN + i } else { i32::MAX - 7 * i }).collect(),
        ] {
            let mut bytes = packed(&numbers);
            bytes.extend(b"behind");
            let deltas = Deltas::new(&bytes).unwrap();
            assert_eq!((deltas.count, deltas.behind()), (numbers.len() as u64, Some(&b"behind"[..])));
            let expected: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            assert_eq!(deltas.unpacked_wide(), Some(expected));
            for end in 0..bytes.len() - 6 {
                let cut = Deltas::new(&bytes[..end]);
                assert!(cut.is_none_or(|cut| cut.behind().is_none() && cut.unpacked_wide().is_none()));
            }
        }
        let narrow = packed(&[1, 2, 3, 1000]);
        let deltas = Deltas::new(&narrow).unwrap();
        assert_eq!((deltas.count, deltas.behind(), deltas.unpacked_wide()), (4, Some(&b""[..]), None));
        assert!(Deltas::new(b"\x80\x80").is_none() && Deltas::new(b"\x08\x00\x01\x00").is_none());
    }
}
