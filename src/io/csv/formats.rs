//! How numbers, dates and times are written, where that is not with a decimal point and as ISO 8601 has it.
//!
//! Numbers are brought into the plain form and then read by the parsers of `values`, so that they are as exact; dates and
//! times are read by [`TimeFormat`].

use super::infer::{Guess, Guesses};
use super::options::CsvOptions;
use super::strptime::TimeFormat;
use super::values;
use crate::types::DataType;
use crate::types::temporal::MICROS_PER_DAY;

/// Bytes of a number that need no memory of their own.
const SHORT: usize = 64;
/// Digits between two separators.
const GROUP: usize = 3;

/// How numbers, dates and times are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Formats {
    decimal_separator: u8,
    thousands: Option<u8>,
    date: Option<TimeFormat>,
    timestamp: Option<TimeFormat>,
}

/// Whether a character may stand in numbers beside digits, signs and exponents; what it is instead follows "the option 'x'
/// is".
pub fn check_separator(byte: u8) -> Result<(), String> {
    match byte {
        b'-' | b'+' => Err(format!("'{}', which is a sign", char::from(byte))),
        b' ' => Ok(()),
        byte if byte.is_ascii_punctuation() => Ok(()),
        byte if byte.is_ascii_graphic() => Err(format!("'{}', which numbers are written with", char::from(byte))),
        _ => Err("no punctuation mark of ASCII".into()),
    }
}

impl Formats {
    /// What the options say. A date format with a time is one of timestamps, as in pandas.
    ///
    /// # Errors
    /// What is wrong with a format; [`CsvOptions`] were checked before.
    pub fn new(options: &CsvOptions) -> Result<Self, String> {
        let compiled = |format: &Option<String>| format.as_deref().map(TimeFormat::new).transpose();
        let (mut date, mut timestamp) = (compiled(&options.dateformat)?, compiled(&options.timestampformat)?);
        if date.as_ref().is_some_and(TimeFormat::has_time) {
            timestamp = date.take();
        }
        Ok(Self { decimal_separator: options.decimal_separator, thousands: options.thousands, date, timestamp })
    }

    /// Whether all is written in the plain way.
    pub fn is_plain(&self) -> bool {
        self.has_plain_numbers() && self.date.is_none() && self.timestamp.is_none()
    }

    /// Whether values of a type are written in the plain way.
    pub fn is_plain_for(&self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => self.thousands.is_none(),
            DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => self.has_plain_numbers(),
            DataType::Date32 => self.date.is_none(),
            DataType::Timestamp(_, None) => self.date.is_none() && self.timestamp.is_none(),
            DataType::Timestamp(_, Some(_)) => self.timestamp.is_none(),
            _ => true,
        }
    }

    fn has_plain_numbers(&self) -> bool {
        self.decimal_separator == b'.' && self.thousands.is_none()
    }

    /// Reads a number by a parser of the plain form; `None` too where groups of digits are not of three.
    #[inline]
    pub fn number<T>(&self, text: &[u8], parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let (mut short, mut long);
        let plain = if text.len() <= SHORT {
            short = [0; SHORT];
            &mut short[..]
        } else {
            long = vec![0; text.len()];
            &mut long[..]
        };
        let len = self.write_plain(text, plain)?;
        parse(plain.get(..len)?)
    }

    /// Writes a number with a decimal point and without separators, and returns its length. What is no number comes out
    /// as something that is none either.
    fn write_plain(&self, text: &[u8], plain: &mut [u8]) -> Option<usize> {
        let mut places = plain.iter_mut();
        let mut len = 0;
        let mut put = |byte: u8| {
            *places.next()? = byte;
            len += 1;
            Some(())
        };
        let mut rest = text;
        if let [sign @ (b'-' | b'+'), unsigned @ ..] = rest {
            put(*sign)?;
            rest = unsigned;
        }
        let (mut digits, mut is_grouped) = (0, false);
        while let [byte, behind @ ..] = rest {
            if byte.is_ascii_digit() {
                digits += 1;
                put(*byte)?;
            } else if Some(*byte) == self.thousands {
                let fits = if is_grouped { digits == GROUP } else { (1..=GROUP).contains(&digits) };
                if !fits {
                    return None;
                }
                (digits, is_grouped) = (0, true);
            } else {
                break;
            }
            rest = behind;
        }
        if is_grouped && digits != GROUP {
            return None;
        }
        if let [byte, behind @ ..] = rest
            && *byte == self.decimal_separator
        {
            put(b'.')?;
            rest = behind;
        }
        for byte in rest {
            if matches!(*byte, b'.') || *byte == self.decimal_separator || Some(*byte) == self.thousands {
                return None;
            }
            put(*byte)?;
        }
        Some(len)
    }

    /// Days since 1970-01-01.
    #[inline]
    pub fn date(&self, text: &[u8]) -> Option<i32> {
        match &self.date {
            Some(format) => format.date(text),
            None => values::date(text),
        }
    }

    /// Local microseconds since the epoch, and the seconds east of UTC where the text has a zone. A date is its midnight.
    #[inline]
    pub fn timestamp(&self, text: &[u8]) -> Option<(i64, Option<i64>)> {
        let read = match &self.timestamp {
            Some(format) => format.timestamp(text),
            None => values::timestamp(text).filter(|_| self.date.is_none() || text.contains(&b':')),
        };
        read.or_else(|| Some((i64::from(self.date(text)?) * MICROS_PER_DAY, None)))
    }

    /// Whether timestamps are seconds since 1970, which are in UTC without saying so.
    pub fn is_epoch(&self) -> bool {
        self.timestamp.as_ref().is_some_and(TimeFormat::is_epoch)
    }

    /// What a text looks like that is no null.
    pub fn guess(&self, text: &[u8]) -> Guess {
        let usual = Guess::of(text);
        let number = if self.has_plain_numbers() { usual } else { self.guess_number(text).unwrap_or(Guess::Text) };
        let is_integer = matches!(number, Guess::Integer | Guess::WideInteger);
        let is_number = is_integer || matches!(number, Guess::BigInteger | Guess::Point | Guess::Float);
        match self.guess_time(text, usual) {
            Some(Guess::Date) if is_integer => Guess::IntegerOrDate,
            Some(Guess::Timestamp) if is_integer => Guess::IntegerOrTimestamp,
            Some(time) => time,
            None if is_number => number,
            None => match usual {
                Guess::Boolean | Guess::Time => usual,
                _ => Guess::Text,
            },
        }
    }

    /// Adds what a text looks like, as [`guess`](Self::guess) says, to what was seen.
    pub fn add(&self, seen: &mut Guesses, guess: Guess, text: &[u8]) {
        if guess.has_digits() && !self.has_plain_numbers() {
            self.number(text, |plain| {
                seen.add(guess, plain);
                Some(())
            });
        } else {
            seen.add(guess, text);
        }
    }

    fn guess_number(&self, text: &[u8]) -> Option<Guess> {
        self.number(text, |plain| Some(Guess::of(plain)))
    }

    /// A date or timestamp by the formats, or by ISO 8601 where there is none. Seconds since 1970 are not looked for: any
    /// whole number might be.
    fn guess_time(&self, text: &[u8], usual: Guess) -> Option<Guess> {
        let is_date = match &self.date {
            Some(format) => format.date(text).is_some(),
            None => usual == Guess::Date,
        };
        if is_date {
            return Some(Guess::Date);
        }
        match &self.timestamp {
            Some(format) if format.is_epoch() || format.timestamp(text).is_none() => None,
            Some(format) => Some(if format.has_zone() { Guess::ZonedTimestamp } else { Guess::Timestamp }),
            None if matches!(usual, Guess::Timestamp | Guess::ZonedTimestamp) => Some(usual),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TIMESTAMP;
    use proptest::prelude::*;

    fn formats(options: CsvOptions) -> Formats {
        Formats::new(&options).unwrap()
    }

    fn swiss() -> Formats {
        formats(CsvOptions::default().thousands(b'\''))
    }

    fn german() -> Formats {
        formats(CsvOptions::default().decimal_separator(b',').thousands(b'.'))
    }

    fn double(formats: &Formats, text: &str) -> Option<f64> {
        formats.number(text.as_bytes(), values::float)
    }

    #[test]
    fn numbers_have_groups_of_three_digits_or_none() {
        let german = german();
        for (text, value) in [
            ("1.234,56", 1234.56),
            ("1234,56", 1234.56),
            ("-1.234.567,25", -1_234_567.25),
            ("+12", 12.0),
            ("0,1", 0.1),
            (",5", 0.5),
            ("5,", 5.0),
            ("1.000", 1000.0),
            ("1,5e3", 1500.0),
            ("123.456,7e-2", 1234.567),
            ("-inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(double(&german, text), Some(value), "{text}");
        }
        assert!(double(&german, "NaN").is_some_and(f64::is_nan));
        for wrong in [
            "1.23,4",
            "1.5",
            "1234.567",
            "1.2345",
            ".500",
            "1.",
            "1..000",
            "1.000.",
            "1,000.5",
            "1,2,3",
            "1.234e1.000",
            "1.00,5",
            "",
            "-",
            ",",
            "1 234",
            "1'234",
            "--1",
        ] {
            assert_eq!(double(&german, wrong), None, "{wrong}");
        }
        assert_eq!(double(&swiss(), "1'234.5"), Some(1234.5));
        assert_eq!(double(&swiss(), "1,234.5"), None);
        let spaced = formats(CsvOptions::default().decimal_separator(b',').thousands(b' '));
        assert_eq!(double(&spaced, "1 234,5"), Some(1234.5));
        assert_eq!(german.number(b"9.223.372.036.854.775.807", values::integer::<i64>), Some(i64::MAX));
        assert_eq!(german.number(b"9.223.372.036.854.775.808", values::integer::<i64>), None);
        assert_eq!(german.number(b"1,0", values::integer::<i64>), None);
        assert_eq!(german.number(b"1.234,50", |text| values::decimal(text, 9, 1)), Some(12_345));
        assert_eq!(german.number(b"1.234,55", |text| values::decimal(text, 9, 1)), None);
        let long = format!("0,{}1", "0".repeat(300));
        assert_eq!(double(&german, &long), Some(1e-301));
    }

    proptest! {
        #[test]
        fn grouped_numbers_are_as_exact_as_plain_ones(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let plain = format!("{value}");
            let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
            let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
            let mut grouped = String::from(sign);
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    grouped.push('.');
                }
                grouped.push(digit);
            }
            let text = format!("{grouped},{fraction}");
            prop_assert_eq!(double(&german(), &text), Some(value), "{}", text);
        }

        #[test]
        fn nothing_but_numbers_becomes_a_number(text in "[-+0-9.,e']{0,9}") {
            if let Some(value) = double(&german(), &text) {
                let plain = text.replace('.', "").replace(',', ".");
                prop_assert_eq!(plain.parse::<f64>().ok(), Some(value), "{}", text);
            }
        }
    }

    #[test]
    fn formats_take_part_in_guesses() {
        let both = formats(
            CsvOptions::default()
                .decimal_separator(b',')
                .thousands(b'.')
                .dateformat("%d.%m.%Y")
                .timestampformat("%d.%m.%Y %H:%M"),
        );
        for (text, guess) in [
            ("1.234", Guess::Integer),
            ("1.234,5", Guess::Point),
            ("1.5", Guess::Text),
            ("1.23,4", Guess::Text),
            ("007", Guess::Text),
            ("0.123", Guess::Text),
            ("99.999.999.999.999.999.999", Guess::BigInteger),
            ("31.01.2013", Guess::Date),
            ("32.01.2013", Guess::Text),
            ("31.01.2013 10:00", Guess::Timestamp),
            ("2013-01-31", Guess::Text),
            ("2013-01-31 10:00:00", Guess::Text),
            ("true", Guess::Boolean),
            ("05:17:00", Guess::Time),
            ("x", Guess::Text),
        ] {
            assert_eq!(both.guess(text.as_bytes()), guess, "{text}");
        }
        let digits = formats(CsvOptions::default().dateformat("%Y%m%d").timestampformat("%Y%m%d%H%M%S"));
        assert_eq!(digits.guess(b"20130131"), Guess::IntegerOrDate);
        assert_eq!(digits.guess(b"20130131100000"), Guess::IntegerOrTimestamp);
        assert_eq!(digits.guess(b"20130132"), Guess::Integer);
        assert_eq!(formats(CsvOptions::default().timestampformat("%s")).guess(b"20130131"), Guess::Integer);
        let dates = formats(CsvOptions::default().dateformat("%d.%m.%Y"));
        assert_eq!(dates.guess(b"2013-01-31 10:00:00"), Guess::Timestamp);
        assert_eq!(dates.timestamp(b"2013-01-31"), None, "dates are written otherwise");
        assert_eq!(dates.timestamp(b"02.01.1970"), Some((MICROS_PER_DAY, None)));
    }

    #[test]
    fn a_date_format_with_a_time_is_one_of_timestamps() {
        let formats = formats(CsvOptions::default().dateformat("%d.%m.%Y %H:%M"));
        assert_eq!(formats.guess(b"31.01.2013 10:00"), Guess::Timestamp);
        assert_eq!(formats.guess(b"2013-01-31"), Guess::Date);
        assert!(formats.is_plain_for(&DataType::Date32) && !formats.is_plain_for(&TIMESTAMP));
    }
}
