//! Values from the text of a field. All take text without surrounding blanks and give `None` where it does not fit,
//! also where it would have to be rounded or cut to fit.

use std::str::from_utf8;

use super::digits::are_digits;
use crate::types::temporal::{MICROS_PER_DAY, MICROS_PER_SECOND, parse_date, parse_time, parse_timestamp};

/// The text without blanks and tabs around it.
#[inline]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Whether a whole number is spelt with more than its value: `007`, `+5`. Such text is mostly a code, and is no number
/// unless the user says so.
#[inline]
pub fn is_code(text: &[u8]) -> bool {
    match text {
        [b'+', ..] => true,
        [b'-', rest @ ..] | rest => rest.len() > 1 && rest[0] == b'0',
    }
}

/// Whether a whole number would be rounded as a double, or is beyond 64 bits, where nearly all would be.
pub fn is_wide_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.len() > 15
        && digits.iter().all(u8::is_ascii_digit)
        && integer::<i64>(text).is_none_or(|value| value as f64 as i128 != i128::from(value))
}

/// `-12`, also `+12` and `0012`.
#[inline]
pub fn integer<T: atoi_simd::Parse>(text: &[u8]) -> Option<T> {
    atoi_simd::parse::<T, true, true>(text).ok()
}

/// A float, correctly rounded: `1.5`, `-1e3`, `.5`, `NaN`, `Infinity`. What is too large for the type is no value of it.
#[inline]
pub fn float<T: fast_float2::FastFloat + Into<f64> + Copy>(text: &[u8]) -> Option<T> {
    let value: T = fast_float2::parse(text).ok()?;
    let spelt_out = || text.iter().any(|byte| matches!(byte, b'i' | b'I'));
    (!value.into().is_infinite() || spelt_out()).then_some(value)
}

/// `true` and `false`, in any case.
pub fn boolean(text: &[u8]) -> Option<bool> {
    match text.len() {
        4 if text.eq_ignore_ascii_case(b"true") => Some(true),
        5 if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// A decimal as an integer of `scale` digits behind the point: `12.5`, `-0.05`, `1e3`. `None` where it has more digits
/// than `precision` and `scale` allow, other than zeros at the end.
pub fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (digits, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], i64::from(atoi_simd::parse::<i32, true, true>(&unsigned[at + 1..]).ok()?)),
        None => (unsigned, 0),
    };
    let (mut value, mut behind_point, mut any, mut point) = (0i128, 0i64, false, false);
    // Zeros are held back until a digit follows, so that those at the end need no room.
    let mut zeros = 0u32;
    for byte in digits {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                any = true;
                behind_point += i64::from(point);
                if *byte == b'0' {
                    zeros += 1;
                } else {
                    value = shift(value, i64::from(zeros) + 1)?.checked_add(i128::from(byte - b'0'))?;
                    zeros = 0;
                }
            }
            _ => return None,
        }
    }
    if !any {
        return None;
    }
    let missing = i64::from(scale) - behind_point + exponent + i64::from(zeros);
    let value = shift(value, missing)?;
    let fits = value.unsigned_abs() < 10u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    fits.then_some(if negative { -value } else { value })
}

/// `value` times ten to the power of `places`; `None` where it overflows, or digits would be lost.
fn shift(value: i128, places: i64) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let factor = 10i128.checked_pow(u32::try_from(places.unsigned_abs()).ok()?)?;
    if places >= 0 { value.checked_mul(factor) } else { (value % factor == 0).then(|| value / factor) }
}

/// The text, if no blanks of any kind are around it: the parsers of SQL's literals would leave them out.
fn without_blanks(text: &[u8]) -> Option<&str> {
    let text = from_utf8(text).ok()?;
    (text.trim().len() == text.len()).then_some(text)
}

/// Days since 1970-01-01.
#[inline]
pub fn date(text: &[u8]) -> Option<i32> {
    if let Ok(fixed) = <&[u8; 10]>::try_from(text)
        && let Some(days) = iso_date(fixed)
    {
        return Some(days);
    }
    parse_date(without_blanks(text)?)
}

/// Reads dates and timestamps at fixed positions, mostly on the day of the one before: its calendar is not asked again.
#[derive(Debug)]
pub struct DateReader {
    /// The text of the last date.
    text: [u8; 10],
    /// The day that it means.
    days: i32,
}

impl Default for DateReader {
    fn default() -> Self {
        Self { text: *b"1970-01-01", days: 0 }
    }
}

impl DateReader {
    /// Days since 1970-01-01 of `YYYY-MM-DD`; `None` is no verdict.
    #[inline]
    pub fn date(&mut self, text: &[u8]) -> Option<i32> {
        let text = <&[u8; 10]>::try_from(text).ok()?;
        if *text != self.text {
            self.days = iso_date(text)?;
            self.text = *text;
        }
        Some(self.days)
    }

    /// Microseconds since the epoch of `YYYY-MM-DD[T ]HH:MM:SS`; `None` is no verdict.
    #[inline]
    pub fn timestamp(&mut self, text: &[u8]) -> Option<i64> {
        let (date, time) = <&[u8; 19]>::try_from(text).ok()?.split_at(11);
        let (date, [b'T' | b' ']) = date.split_at(10) else { return None };
        let seconds = iso_time(time.first_chunk()?)?;
        Some(i64::from(self.date(date)?) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND)
    }
}

/// Microseconds since midnight.
#[inline]
pub fn time(text: &[u8]) -> Option<i64> {
    if let Ok(fixed) = <&[u8; 8]>::try_from(text)
        && let Some(seconds) = iso_time(fixed)
    {
        return Some(seconds * MICROS_PER_SECOND);
    }
    parse_time(without_blanks(text)?)
}

/// Local microseconds since the epoch, and the seconds east of UTC where the text has a zone.
#[inline]
pub fn timestamp(text: &[u8]) -> Option<(i64, Option<i64>)> {
    iso_timestamp(text).or_else(|| parse_timestamp(without_blanks(text)?))
}

/// `YYYY-MM-DD[T ]HH:MM:SS[.ffffff][Z|±hh[[:]mm]]` by fixed positions, without the general parser; `None` leaves the
/// text to that.
fn iso_timestamp(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let ([b'T' | b' '], rest) = rest.split_first_chunk::<1>()? else { return None };
    let (time, mut rest) = rest.split_first_chunk::<8>()?;
    let mut micros = i64::from(iso_date(date)?) * MICROS_PER_DAY + iso_time(time)? * MICROS_PER_SECOND;
    if let [b'.', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        let value = fraction[..digits].iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
        micros += value * 10i64.pow(6 - digits as u32);
        rest = &fraction[digits..];
    }
    let offset = match rest {
        [] => None,
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), hours @ ..] => {
            let (hours, minutes) = match hours {
                [h1, h2] => (two(*h1, *h2)?, 0),
                [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (two(*h1, *h2)?, two(*m1, *m2)?),
                _ => return None,
            };
            if hours > 15 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some((micros, offset))
}

/// Seconds since midnight of `HH:MM:SS`.
#[inline]
fn iso_time(text: &[u8; 8]) -> Option<i64> {
    const COLONS: u64 = u64::from_le_bytes([0, 0, b':', 0, 0, b':', 0, 0]);
    const PLACES: u64 = u64::from_le_bytes([0, 0, 255, 0, 0, 255, 0, 0]);
    let word = u64::from_le_bytes(*text);
    // With zeros instead of the colons, all eight bytes are digits.
    if word & PLACES != COLONS || !are_digits(word ^ (COLONS ^ (PLACES & 0x3030_3030_3030_3030))) {
        return None;
    }
    // Each byte becomes ten times itself plus the one behind it.
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f & !PLACES).wrapping_mul((10 << 8) + 1) >> 8;
    let [hour, minute, second] = [pairs, pairs >> 24, pairs >> 48].map(|pair| i64::from(pair as u8));
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
#[inline]
fn iso_date(text: &[u8; 10]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let (year, month, day) = (two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    // Years that start in March have the leap day at their end (Hinnant, "chrono-compatible low-level date algorithms").
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + century_days + (153 * month + 2) / 5 + day - 1;
    i32::try_from(days - 719_468).ok()
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::temporal::{format_date, format_decimal, format_timestamp};
    use proptest::prelude::*;

    #[test]
    fn every_day_from_year_0_to_9999_reads_as_the_calendar_says() {
        for days in -719_528..=2_932_896 {
            let text = format_date(days);
            assert_eq!(iso_date(text.as_bytes().try_into().unwrap()), Some(days), "{text}");
        }
        for wrong in ["2013-02-29", "1900-02-29", "2013-04-31", "2013-13-01", "2013-00-01", "2013-01-00", "2013-01-0x"]
        {
            assert_eq!(date(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(date(b"2000/2/29"), date(b"2000-02-29"));
    }

    #[test]
    fn millions_of_timestamps_are_the_moments_that_chrono_reads() {
        let mut reader = DateReader::default();
        for index in 0..2_000_000u64 {
            // Microseconds over the years 0 to 9999, spread by the golden ratio; every other one a whole second.
            let spread = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 315_569_520_000_000_000;
            let micros = spread.cast_signed() - 62_167_219_200_000_000;
            let micros = if index % 2 == 0 { micros.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND } else { micros };
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let text = moment.format("%Y-%m-%d %H:%M:%S%.f").to_string();
            let reference = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
            assert_eq!(reference, moment);
            assert_eq!(timestamp(text.as_bytes()), Some((micros, None)), "{text}");
            assert_eq!(reader.timestamp(text.as_bytes()), (index % 2 == 0).then_some(micros), "{text}");
        }
    }

    #[test]
    fn ten_nul_bytes_are_no_date_where_none_was_read_before() {
        assert_eq!(DateReader::default().date(&[0; 10]), None);
        assert_eq!(DateReader::default().timestamp(b"\0\0\0\0\0\0\0\0\0\0 12:00:00"), None);
        assert_eq!(DateReader::default().date(b"1970-01-01"), Some(0));
    }

    #[test]
    fn dates_take_no_blanks_that_numbers_refuse() {
        for blank in ["\r", "\n", "\u{a0}"] {
            for text in [format!("2020-01-31{blank}"), format!("{blank}2020-1-31")] {
                assert_eq!(date(text.as_bytes()), None, "{text:?}");
                assert_eq!(timestamp(text.as_bytes()), None, "{text:?}");
            }
            assert_eq!(time(format!("1:02:03{blank}").as_bytes()), None, "{blank:?}");
        }
    }

    proptest! {
        #[test]
        fn fixed_positions_agree_with_the_general_parser(
            micros in -62_000_000_000_000_000i64..250_000_000_000_000_000, cut in 0usize..8,
            zone in prop_oneof![
                Just(""), Just("Z"), Just("+01"), Just("-05:30"), Just("+0530"), Just("+16"), Just("z"), Just(" Z")
            ]
        ) {
            let text = format_timestamp(micros, None);
            let text = format!("{}{zone}", &text[..text.len() - cut.min(text.len().saturating_sub(19))]);
            if let Some(fast) = iso_timestamp(text.as_bytes()) {
                prop_assert_eq!(Some(fast), parse_timestamp(&text), "{}", text);
            }
            prop_assert_eq!(timestamp(text.as_bytes()), parse_timestamp(&text), "{}", text);
        }

        #[test]
        fn decimals_read_back_what_is_printed(value in -10i128.pow(12)..10i128.pow(12), scale in 0i8..9) {
            let text = format_decimal(value, scale);
            prop_assert_eq!(decimal(text.as_bytes(), 38, scale), Some(value), "{}", text);
            prop_assert_eq!(decimal(format!("{text}e2").as_bytes(), 38, scale), Some(value * 100));
        }
    }

    #[test]
    fn decimals_are_never_rounded() {
        assert_eq!(decimal(b"1.50", 5, 1), Some(15));
        assert_eq!(decimal(b"1.55", 5, 1), None);
        assert_eq!(decimal(b"99999", 5, 1), None);
        assert_eq!(decimal(b"1e3", 5, 1), Some(10_000));
        assert_eq!(decimal(b"10000000000000000000000000000000000000000e-40", 5, 1), Some(10));
        assert_eq!(decimal(b"99999999999999999999999999999999999999", 38, 0), Some(10i128.pow(38) - 1));
        assert_eq!(decimal(b"100000000000000000000000000000000000000", 38, 0), None);
        for wrong in ["", ".", "-", "1.2.3", "1e", "e5", "1x", "--1"] {
            assert_eq!(decimal(wrong.as_bytes(), 38, 2), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_none() {
        assert_eq!(integer::<i8>(b"127"), Some(127));
        assert_eq!(integer::<i8>(b"128"), None);
        assert_eq!(integer::<i64>(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer::<i64>(b"9223372036854775808"), None);
        assert_eq!(integer::<i64>(b"+5"), Some(5));
        assert_eq!(integer::<i64>(b"00000000000000000000000007"), Some(7));
        for wrong in ["", "-", "+", "1.0", "1 ", "0x1", "+-1", "-+1"] {
            assert_eq!(integer::<i64>(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(float::<f64>(b"1e400"), None);
        assert_eq!(float::<f32>(b"1e39"), None);
        assert_eq!(float::<f64>(b"-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float::<f64>(b"48.053808600000004"), "48.0538086".parse().ok(), "more digits than needed");
        assert_eq!(float::<f64>(b""), None);
        assert_eq!(float::<f64>(b"1_000"), None);
    }
}
