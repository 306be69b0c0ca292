//! Which encoding suits a column chunk, told by its first rows: a dictionary, differences, bytes apart, or the values as
//! they are.
//!
//! A dictionary that fills up is given up by the library after a part of the chunk, which costs time and leaves that part
//! worse encoded. So how many distinct values there will be is estimated beforehand from the repetitions in a sample, as
//! if all rows were drawn alike; rows that come sorted repeat themselves in the sample, get a dictionary and keep it or
//! give it up later.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::*;
use hashbrown::HashSet;
use parquet::basic::{Compression, Encoding};

use crate::batch::shown_items;
use crate::io::write::{ParquetOptions, ParquetVersion};

/// How the values of a chunk are encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// By a dictionary, as long as it is not too large.
    pub dictionary: bool,
    /// Where there is none.
    pub encoding: Encoding,
}

/// What a sample says about a column.
struct Sample {
    values: usize,
    distinct: usize,
    /// Bytes of a value as it is.
    width: f64,
    /// Bits of a value as the difference from the one before it, where it is an integer.
    difference: Option<f64>,
}

/// Share of the bits above which the simpler encoding is taken.
const WORTH_IT: f64 = 0.9;
/// Share of the bits of differences up to which a dictionary is taken, by which readers can skip values.
const WORTH_SKIPPING: f64 = 1.15;

/// How much larger, in eighths, floats may be by their bytes apart: compressed in a fourth of the time, and read so too.
const WORTH_SPLITTING: usize = 9;

/// The encoding of a chunk that begins with these rows, compressed by `codec`. Never left to the library, which would take encodings with pages of
/// version 2 that not every reader knows.
pub(super) fn choose(first: &ArrayRef, options: &ParquetOptions, codec: Compression) -> Choice {
    let Some(sample) = sample(first) else { return Choice { dictionary: true, encoding: Encoding::PLAIN } };
    let plain = 8.0 * sample.width;
    let difference = sample.difference.filter(|bits| options.version != ParquetVersion::V1 && *bits < WORTH_IT * plain);
    let (most, encoding) = match difference {
        Some(bits) => (WORTH_SKIPPING * bits, Encoding::DELTA_BINARY_PACKED),
        None => (WORTH_IT * plain, Encoding::PLAIN),
    };
    let dictionary = by_dictionary(&sample, options).is_some_and(|bits| bits < most);
    let entropy = matches!(codec, Compression::ZSTD(_) | Compression::GZIP(_) | Compression::BROTLI(_));
    if !dictionary && entropy && options.version != ParquetVersion::V1 && splits_well(first) {
        return Choice { dictionary, encoding: Encoding::BYTE_STREAM_SPLIT };
    }
    Choice { dictionary, encoding }
}

/// Whether floats compress by their first bytes, then their second bytes and so on, about as well as value by value: the
/// noise of the low bytes is skipped then, instead of being searched for repetitions.
fn splits_well(array: &ArrayRef) -> bool {
    if let Some(lists) = array.as_list_opt::<i32>() {
        return splits_well(shown_items(lists).values());
    }
    match array.data_type() {
        DataType::Float32 => splits_well_at(&present::<Float32Type>(array).map(f32::to_le_bytes).collect::<Vec<_>>()),
        DataType::Float64 => splits_well_at(&present::<Float64Type>(array).map(f64::to_le_bytes).collect::<Vec<_>>()),
        _ => false,
    }
}

fn splits_well_at<const WIDTH: usize>(values: &[[u8; WIDTH]]) -> bool {
    let split: Vec<u8> = (0..WIDTH).flat_map(|byte| values.iter().map(move |value| value[byte])).collect();
    let compressed = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).map(|bytes| bytes.len());
    match (compressed(values.as_flattened()), compressed(&split)) {
        (Ok(plain), Ok(split)) => 8 * split <= WORTH_SPLITTING * plain,
        _ => false,
    }
}

/// Bits of a value by a dictionary; `None` where that would become too large.
fn by_dictionary(sample: &Sample, options: &ParquetOptions) -> Option<f64> {
    let rows = options.row_group_rows.min(1 << 20).max(sample.values) as f64;
    let distinct = distinct_of(rows, sample)?;
    let bytes = distinct * sample.width;
    (bytes < options.dictionary_page_bytes as f64).then(|| distinct.log2().ceil().max(1.0) + 8.0 * bytes / rows)
}

/// How many distinct values are expected among `rows`; `None` where the sample repeats nothing.
fn distinct_of(rows: f64, sample: &Sample) -> Option<f64> {
    let (drawn, seen) = (sample.values as f64, sample.distinct as f64);
    if sample.values == 0 {
        return Some(1.0);
    }
    if sample.distinct == sample.values && sample.values > 1 {
        return None;
    }
    // Of D values, n draws show D (1 − e^(−n/D)). That grows with D: halve the interval.
    let shown = |all: f64, draws: f64| all * -(-draws / all).exp_m1();
    let (mut low, mut high) = (seen, drawn * drawn);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if shown(middle, drawn) < seen { low = middle } else { high = middle }
    }
    Some(shown(high, rows).max(seen))
}

fn sample(array: &ArrayRef) -> Option<Sample> {
    use DataType as T;
    if let Some(lists) = array.as_list_opt::<i32>() {
        return sample(shown_items(lists).values());
    }
    let four = |values: &mut dyn Iterator<Item = i64>| integers(values, 4);
    let eight = |values: &mut dyn Iterator<Item = i64>| integers(values, 8);
    Some(match array.data_type() {
        T::Int8 => four(&mut present::<Int8Type>(array).map(i64::from)),
        T::Int16 => four(&mut present::<Int16Type>(array).map(i64::from)),
        T::Int32 => four(&mut present::<Int32Type>(array).map(i64::from)),
        T::Date32 => four(&mut present::<Date32Type>(array).map(i64::from)),
        T::Int64 => eight(&mut present::<Int64Type>(array)),
        T::Time64(TimeUnit::Microsecond) => eight(&mut present::<Time64MicrosecondType>(array)),
        T::Timestamp(TimeUnit::Microsecond, _) => eight(&mut present::<TimestampMicrosecondType>(array)),
        // Up to 18 digits decimals are stored as integers; they fit.
        T::Decimal128(precision, _) if *precision <= 9 => {
            four(&mut present::<Decimal128Type>(array).map(|value| value as i64))
        }
        T::Decimal128(precision, _) if *precision <= 18 => {
            eight(&mut present::<Decimal128Type>(array).map(|value| value as i64))
        }
        T::Float32 => words(present::<Float32Type>(array).map(|value| u64::from(value.to_bits())), 4),
        T::Float64 => words(present::<Float64Type>(array).map(f64::to_bits), 8),
        T::Utf8View => {
            let texts = array.as_string_view().iter().flatten();
            let mut seen = HashSet::new();
            let (mut values, mut bytes) = (0, 0);
            for text in texts {
                (values, bytes) = (values + 1, bytes + text.len() + 4);
                seen.insert(text);
            }
            let width = if values == 0 { 4.0 } else { bytes as f64 / values as f64 };
            Sample { values, distinct: seen.len(), width, difference: None }
        }
        _ => return None,
    })
}

/// The values that are not null.
fn present<T: ArrowPrimitiveType>(array: &ArrayRef) -> impl Iterator<Item = T::Native> {
    array.as_primitive::<T>().iter().flatten()
}

fn words(values: impl Iterator<Item = u64>, width: u32) -> Sample {
    let (mut count, mut seen) = (0, HashSet::new());
    for value in values {
        count += 1;
        seen.insert(value);
    }
    Sample { values: count, distinct: seen.len(), width: f64::from(width), difference: None }
}

fn integers(values: &mut dyn Iterator<Item = i64>, width: u32) -> Sample {
    let values: Vec<i64> = values.collect();
    let difference = Some(difference_bits(&values));
    Sample { difference, ..words(values.iter().map(|value| *value as u64), width) }
}

/// Bits of a value in the format's blocks of differences: each less the least of its block, as wide as the widest of 32.
fn difference_bits(values: &[i64]) -> f64 {
    const BLOCK: usize = 128;
    const PART: usize = 32;
    let differences: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let mut bits = 0;
    for block in differences.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        // The least of the block, and the width of each part.
        bits += 64 + 8 * (BLOCK / PART) as u32;
        for part in block.chunks(PART) {
            let widest = part.iter().map(|value| value.wrapping_sub(least) as u64).max().unwrap_or(0);
            bits += PART as u32 * (u64::BITS - widest.leading_zeros());
        }
    }
    f64::from(bits) / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringViewArray};

    use super::*;

    const ROWS: i64 = 4096;

    fn chosen(values: ArrayRef) -> (bool, Encoding) {
        let Choice { dictionary, encoding } =
            choose(&values, &ParquetOptions::default(), Compression::ZSTD(Default::default()));
        (dictionary, encoding)
    }

    /// Numbers of SplitMix64 below `end`.
    fn random(end: u64) -> impl Iterator<Item = u64> {
        let mut state = 7_u64;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            (word ^ word >> 31) % end
        })
        .take(ROWS as usize)
    }

    #[test]
    fn what_repeats_gets_a_dictionary_and_what_is_sorted_or_narrow_differences() {
        let ints = |values: Vec<i64>| chosen(Arc::new(Int64Array::from(values)));
        let (delta, plain) = (Encoding::DELTA_BINARY_PACKED, Encoding::PLAIN);
        assert_eq!(ints((0..ROWS).map(|n| n * 1_000_000).collect()), (false, delta), "a clock");
        assert_eq!(ints(random(50).map(|n| n as i64 * 1_000_003).collect()), (true, delta), "few values far apart");
        assert_eq!(ints(random(1 << 20).map(|n| n as i64).collect()), (false, delta), "narrow numbers");
        assert_eq!(ints(random(u64::MAX).map(|n| n as i64).collect()), (false, plain), "noise");
        assert_eq!(ints(Vec::new()).1, delta, "only nulls");
        let floats = |end| chosen(Arc::new(Float64Array::from_iter_values(random(end).map(|n| n as f64 / 7.0))));
        let split = Encoding::BYTE_STREAM_SPLIT;
        assert_eq!((floats(u64::MAX), floats(100)), ((false, split), (true, plain)));
        let texts =
            |end| chosen(Arc::new(StringViewArray::from_iter_values(random(end).map(|n| format!("id{n:010}")))));
        assert_eq!((texts(30), texts(50_000), texts(u64::MAX)), ((true, plain), (true, plain), (false, plain)));
    }

    #[test]
    fn old_readers_get_no_differences() {
        let options = ParquetOptions { version: ParquetVersion::V1, ..ParquetOptions::default() };
        let clock: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
        assert_eq!(
            choose(&clock, &options, Compression::SNAPPY),
            Choice { dictionary: false, encoding: Encoding::PLAIN }
        );
    }

    #[test]
    fn the_number_of_distinct_values_is_estimated_from_repetitions() {
        for all in [100, 10_000, 100_000] {
            let sample = words(random(all), 8);
            let found = distinct_of(1e9, &sample).unwrap();
            assert!((0.7..1.4).contains(&(found / all as f64)), "{found} of {all}");
        }
    }
}
