//! The type that a column's text suggests.

use super::values;
use crate::types::coercion::merge_inferred;
use crate::types::{DataType, TEXT, TIME, TIMESTAMP, timestamp_tz};

/// What a field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Guess {
    /// Empty, or a spelling of null.
    Null,
    /// `true`
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// A whole number that needs more bits.
    BigInteger,
    /// A number with a point or an exponent.
    Float,
    /// A day.
    Date,
    /// A time of day with seconds.
    Time,
    /// A day and a time.
    Timestamp,
    /// A day and a time with a zone.
    ZonedTimestamp,
    /// Anything else.
    Text,
    /// A whole number of 64 bits that the user's format of dates reads too.
    IntegerOrDate,
    /// A whole number of 64 bits that the user's format of timestamps reads too.
    IntegerOrTimestamp,
}

const GUESSES: [Guess; 12] = [
    Guess::Null,
    Guess::Boolean,
    Guess::Integer,
    Guess::BigInteger,
    Guess::Float,
    Guess::Date,
    Guess::Time,
    Guess::Timestamp,
    Guess::ZonedTimestamp,
    Guess::Text,
    Guess::IntegerOrDate,
    Guess::IntegerOrTimestamp,
];

impl Guess {
    /// What `text` looks like, which is no null.
    ///
    /// Whole numbers with a leading zero or a plus are text: zip codes and telephone numbers, which a number would cut.
    pub fn of(text: &[u8]) -> Self {
        let text = values::trim(text);
        match text.first() {
            None => Self::Null,
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => Self::of_number_or_time(text),
            Some(b't' | b'T' | b'f' | b'F') if values::boolean(text).is_some() => Self::Boolean,
            Some(b'i' | b'I' | b'n' | b'N') if values::float::<f64>(text).is_some() => Self::Float,
            Some(_) => Self::Text,
        }
    }

    fn of_number_or_time(text: &[u8]) -> Self {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        if !unsigned.is_empty() && unsigned.iter().all(u8::is_ascii_digit) {
            return if values::is_code(text) {
                Self::Text
            } else if values::integer::<i64>(text).is_some() {
                Self::Integer
            } else if values::decimal(text, 38, 0).is_some() {
                Self::BigInteger
            } else {
                Self::Text
            };
        }
        if text[0] == b'+' && text[1..].iter().all(u8::is_ascii_digit) {
            return Self::Text;
        }
        if values::float::<f64>(text).is_some() {
            return Self::Float;
        }
        // Shorter than any date, and spared the slower parsers.
        if text.len() < 8 || !text.contains(&b'-') && !text.contains(&b'/') && !text.contains(&b':') {
            return Self::Text;
        }
        if values::date(text).is_some() {
            return Self::Date;
        }
        match values::timestamp(text) {
            Some((_, None)) => Self::Timestamp,
            Some((_, Some(_))) => Self::ZonedTimestamp,
            None => {
                let has_seconds = text.iter().filter(|byte| **byte == b':').count() == 2;
                if has_seconds && values::time(text).is_some() { Self::Time } else { Self::Text }
            }
        }
    }

    /// Whether it may be a number or a time.
    fn is_either(self) -> bool {
        matches!(self, Self::IntegerOrDate | Self::IntegerOrTimestamp)
    }

    /// The type that holds it.
    pub fn data_type(self, zone: &str) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::BigInteger => DataType::Decimal128(38, 0),
            Self::Float => DataType::Float64,
            Self::Date | Self::IntegerOrDate => DataType::Date32,
            Self::Time => TIME,
            Self::Timestamp | Self::IntegerOrTimestamp => TIMESTAMP,
            Self::ZonedTimestamp => timestamp_tz(zone),
            Self::Text => TEXT,
        }
    }
}

/// The set of what was seen in a column. Sets of samples and files merge without an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses(u16);

impl Guesses {
    /// Adds what a field looks like.
    pub fn add(&mut self, guess: Guess) {
        self.0 |= 1 << guess as u16;
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether nothing can change the type any more.
    pub fn is_text(self) -> bool {
        self.contains(Guess::Text)
    }

    /// Whether values were seen, and none of them was text.
    pub fn has_type(self) -> bool {
        !self.is_text() && self.0 & !(1 << Guess::Null as u16) != 0
    }

    /// Whether a value with a zone was seen.
    pub fn has_zone(self) -> bool {
        self.contains(Guess::ZonedTimestamp)
    }

    fn contains(self, guess: Guess) -> bool {
        self.0 & 1 << guess as u16 != 0
    }

    /// The same, with what may be a number or a time taken as a number.
    #[must_use]
    pub fn numbers_first(self) -> Self {
        let mut numbers = Self::default();
        for guess in GUESSES.into_iter().filter(|guess| self.contains(*guess)) {
            numbers.add(if guess.is_either() { Guess::Integer } else { guess });
        }
        numbers
    }

    /// The same, without what is neither a date nor a timestamp.
    #[must_use]
    pub fn times_only(self) -> Self {
        let is_time = |guess: &Guess| {
            guess.is_either() || matches!(guess, Guess::Date | Guess::Timestamp | Guess::ZonedTimestamp)
        };
        let mut times = Self::default();
        GUESSES.into_iter().filter(|guess| self.contains(*guess) && is_time(guess)).for_each(|guess| times.add(guess));
        times
    }

    /// The type of a column in which this was seen: text, where it was nothing but nulls. What may be a number or a time
    /// is a number, where another value is.
    pub fn data_type(self, zone: &str) -> DataType {
        let has_numbers =
            [Guess::Integer, Guess::BigInteger, Guess::Float].into_iter().any(|guess| self.contains(guess));
        let all = if has_numbers { self.numbers_first() } else { self };
        let seen = GUESSES.into_iter().filter(|guess| all.contains(*guess));
        match seen.fold(DataType::Null, |merged, guess| merge_inferred(&merged, &guess.data_type(zone))) {
            DataType::Null => TEXT,
            data_type => data_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_look_like_types() {
        for (text, guess) in [
            ("", Guess::Null),
            ("true", Guess::Boolean),
            ("FALSE", Guess::Boolean),
            ("t", Guess::Text),
            ("0", Guess::Integer),
            (" -12 ", Guess::Integer),
            ("9223372036854775807", Guess::Integer),
            ("9223372036854775808", Guess::BigInteger),
            ("100000000000000000000000000000000000000", Guess::Text),
            ("007", Guess::Text),
            ("-01", Guess::Text),
            ("+5", Guess::Text),
            ("+41791234567", Guess::Text),
            ("-", Guess::Text),
            ("1.", Guess::Float),
            ("1e3", Guess::Float),
            ("0.50", Guess::Float),
            ("1e400", Guess::Text),
            ("-inf", Guess::Float),
            ("NaN", Guess::Float),
            ("1,5", Guess::Text),
            ("3D2", Guess::Text),
            ("2013-01-31", Guess::Date),
            ("2013-02-31", Guess::Text),
            ("2013-01-31 10:00", Guess::Timestamp),
            ("2013-01-31T10:00:00.5", Guess::Timestamp),
            ("2013-01-31T10:00:00Z", Guess::ZonedTimestamp),
            ("2013-01-31 10:00:00+00", Guess::ZonedTimestamp),
            ("05:17:00", Guess::Time),
            ("3:10", Guess::Text),
            ("192.168.0.1", Guess::Text),
            ("555-1234", Guess::Text),
            ("naïve", Guess::Text),
        ] {
            assert_eq!(Guess::of(text.as_bytes()), guess, "{text:?}");
        }
    }

    #[test]
    fn a_column_is_of_the_type_that_holds_all_it_showed() {
        let of = |texts: &[&str]| {
            let mut seen = Guesses::default();
            texts.iter().for_each(|text| seen.add(Guess::of(text.as_bytes())));
            seen.data_type("UTC")
        };
        assert_eq!(of(&[]), TEXT);
        assert_eq!(of(&["", ""]), TEXT);
        assert_eq!(of(&["", "1"]), DataType::Int64);
        assert_eq!(of(&["1.5", "1"]), DataType::Float64);
        assert_eq!(of(&["1", "18446744073709551615"]), DataType::Decimal128(38, 0));
        assert_eq!(of(&["true", "1"]), TEXT);
        assert_eq!(of(&["2013-01-01", "2013-01-01 10:00:00"]), TIMESTAMP);
        assert_eq!(of(&["2013-01-01T10:00:00Z", "2013-01-01 10:00:00"]), TEXT);
        assert_eq!(of(&["05:17:00", "1"]), TEXT);
    }
}
