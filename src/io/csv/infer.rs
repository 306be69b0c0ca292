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
    /// A whole number of 64 bits that a double holds too.
    Integer,
    /// A whole number of 64 bits that a double would round: `9007199254740993`.
    WideInteger,
    /// A whole number that needs more bits.
    BigInteger,
    /// A number with a point.
    Point,
    /// A number with an exponent, an infinity, or no number at all.
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

const GUESSES: [Guess; 14] = [
    Guess::Null,
    Guess::Boolean,
    Guess::Integer,
    Guess::WideInteger,
    Guess::BigInteger,
    Guess::Point,
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
            } else if let Some(value) = values::integer::<i64>(text) {
                let is_double = value as f64 as i128 == i128::from(value);
                if is_double { Self::Integer } else { Self::WideInteger }
            } else if values::decimal(text, DIGITS, 0).is_some() {
                Self::BigInteger
            } else {
                Self::Text
            };
        }
        if text[0] == b'+' && text[1..].iter().all(u8::is_ascii_digit) {
            return Self::Text;
        }
        if values::float::<f64>(text).is_some() {
            let is_plain = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'));
            return if is_plain { Self::Point } else { Self::Float };
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

    /// Whether it is a number that is written with nothing but digits, sign and point, or may be one.
    pub fn has_digits(self) -> bool {
        bit(self) & (NUMBERS | EITHER) != 0 && self != Self::Float
    }

    /// The type that holds it.
    pub fn data_type(self, zone: &str) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer | Self::WideInteger => DataType::Int64,
            Self::BigInteger => DataType::Decimal128(DIGITS, 0),
            Self::Point | Self::Float => DataType::Float64,
            Self::Date | Self::IntegerOrDate => DataType::Date32,
            Self::Time => TIME,
            Self::Timestamp | Self::IntegerOrTimestamp => TIMESTAMP,
            Self::ZonedTimestamp => timestamp_tz(zone),
            Self::Text => TEXT,
        }
    }
}

/// Digits of the widest decimal.
const DIGITS: u8 = 38;
/// Digits of the longest whole numbers that doubles hold, whatever the digits are.
const DOUBLE_DIGITS: u8 = 15;

/// What was seen in a column: the kinds of its values, and how many digits its numbers have. What samples and files saw
/// merges in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    kinds: u16,
    /// The most digits before the point, of numbers without an exponent.
    whole: u8,
    /// The most digits behind it.
    scale: u8,
}

impl Guesses {
    /// What a column showed at least that is of this type.
    pub fn of_type(data_type: &DataType) -> Self {
        let (kinds, scale) = match data_type {
            DataType::Null => (bit(Guess::Null), 0),
            DataType::Boolean => (bit(Guess::Boolean), 0),
            DataType::Int64 => (bit(Guess::Integer), 0),
            DataType::Float64 => (bit(Guess::Point), 0),
            DataType::Decimal128(_, scale) => (bit(Guess::BigInteger), u8::try_from(*scale).unwrap_or(0)),
            DataType::Date32 => (bit(Guess::Date), 0),
            DataType::Time64(_) => (bit(Guess::Time), 0),
            DataType::Timestamp(_, None) => (bit(Guess::Timestamp), 0),
            DataType::Timestamp(_, Some(_)) => (bit(Guess::ZonedTimestamp), 0),
            _ => (bit(Guess::Text), 0),
        };
        let kinds = if scale > 0 { kinds | bit(Guess::Point) } else { kinds };
        Self { kinds, whole: 0, scale }
    }

    /// A number with a point or an exponent, by the fewest digits that a decimal holds it with: `1.50` and `15e-1` are
    /// alike. `None` where no decimal does.
    pub fn of_fraction(plain: &[u8]) -> Option<Self> {
        let (value, scale) = (0..=DIGITS).find_map(|scale| {
            let scale = i8::try_from(scale).ok()?;
            Some((values::decimal(plain, DIGITS, scale)?, scale.unsigned_abs()))
        })?;
        let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
        Some(Self { kinds: bit(Guess::Point), whole: digits.saturating_sub(scale).max(1), scale })
    }

    /// Adds what a field looks like. Where that [has digits](Guess::has_digits), `plain` is the number with a decimal point
    /// and nothing around it.
    pub fn add(&mut self, guess: Guess, plain: &[u8]) {
        self.kinds |= bit(guess);
        if guess.has_digits() {
            let unsigned = plain.strip_prefix(b"-").or(plain.strip_prefix(b"+")).unwrap_or(plain);
            let whole = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
            self.whole = self.whole.max(u8::try_from(whole).unwrap_or(u8::MAX));
            let scale = unsigned.len().saturating_sub(whole + 1);
            self.scale = self.scale.max(u8::try_from(scale).unwrap_or(u8::MAX));
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.kinds |= other.kinds;
        self.whole = self.whole.max(other.whole);
        self.scale = self.scale.max(other.scale);
    }

    /// Whether nothing can change the type any more.
    pub fn is_text(self) -> bool {
        self.contains(Guess::Text)
    }

    /// Whether values were seen, and none of them was text.
    pub fn has_type(self) -> bool {
        !self.is_text() && self.kinds & !bit(Guess::Null) != 0
    }

    /// Whether no value was seen.
    pub fn is_empty(self) -> bool {
        self.kinds & !bit(Guess::Null) == 0
    }

    /// Whether a value with a zone was seen.
    pub fn has_zone(self) -> bool {
        self.contains(Guess::ZonedTimestamp)
    }

    /// Whether a whole number was seen that a double would round.
    pub fn has_wide_integers(self) -> bool {
        self.kinds & ROUNDED != 0
    }

    fn contains(self, guess: Guess) -> bool {
        self.kinds & bit(guess) != 0
    }

    /// The same, with what may be a number or a time taken as a number.
    #[must_use]
    pub fn numbers_first(self) -> Self {
        if self.kinds & EITHER == 0 {
            return self;
        }
        // Which of them a double would round is not known, and those of few digits are not.
        let number = if self.whole > DOUBLE_DIGITS { Guess::WideInteger } else { Guess::Integer };
        Self { kinds: self.kinds & !EITHER | bit(number), ..self }
    }

    /// The same, without what is neither a date nor a timestamp.
    #[must_use]
    pub fn times_only(self) -> Self {
        let times = EITHER | bit(Guess::Date) | bit(Guess::Timestamp) | bit(Guess::ZonedTimestamp);
        Self { kinds: self.kinds & times, ..self }
    }

    /// The type of a column in which this was seen: text, where it was nothing but nulls. What may be a number or a time
    /// is a number, where another value is.
    ///
    /// Where doubles would round a whole number, numbers are decimals if 38 digits are enough for all and none has an
    /// exponent, else text: a type that is inferred keeps all digits of whole numbers. Fractions are the nearest doubles.
    pub fn data_type(self, zone: &str) -> DataType {
        let all = if self.kinds & NUMBERS != 0 { self.numbers_first() } else { self };
        let is_number = all.kinds & !(NUMBERS | bit(Guess::Null)) == 0;
        if is_number && all.kinds & FRACTIONS != 0 && all.kinds & ROUNDED != 0 {
            return match i8::try_from(all.scale) {
                Ok(scale) if all.fits_decimal(DIGITS, scale) => DataType::Decimal128(DIGITS, scale),
                _ => TEXT,
            };
        }
        let seen = GUESSES.into_iter().filter(|guess| all.contains(*guess));
        match seen.fold(DataType::Null, |merged, guess| merge_inferred(&merged, &guess.data_type(zone))) {
            DataType::Null => TEXT,
            data_type => data_type,
        }
    }

    /// Whether a column whose type was inferred to be this one holds all that was seen, fractions as the nearest doubles.
    pub fn fits(self, data_type: &DataType) -> bool {
        let is_number = matches!(data_type, DataType::Int64 | DataType::Float64 | DataType::Decimal128(_, _));
        let seen = if is_number { self.numbers_first() } else { self };
        let kinds = match data_type {
            DataType::Boolean => bit(Guess::Boolean),
            DataType::Int64 => bit(Guess::Integer) | bit(Guess::WideInteger),
            DataType::Float64 => NUMBERS & !ROUNDED,
            DataType::Decimal128(precision, scale) if self.fits_decimal(*precision, *scale) => {
                NUMBERS & !bit(Guess::Float)
            }
            DataType::Date32 => bit(Guess::Date) | bit(Guess::IntegerOrDate),
            DataType::Time64(_) => bit(Guess::Time),
            DataType::Timestamp(_, None) => bit(Guess::Timestamp) | bit(Guess::Date) | EITHER,
            DataType::Timestamp(_, Some(_)) => bit(Guess::ZonedTimestamp),
            DataType::Utf8View => return true,
            _ => 0,
        };
        seen.kinds & !(kinds | bit(Guess::Null)) == 0
    }

    fn fits_decimal(self, precision: u8, scale: i8) -> bool {
        let scale = u8::try_from(scale).unwrap_or(0);
        !self.contains(Guess::Float) && self.scale <= scale && self.whole <= precision.saturating_sub(scale)
    }
}

const fn bit(guess: Guess) -> u16 {
    1 << guess as u16
}

const NUMBERS: u16 = bit(Guess::Integer) | ROUNDED | FRACTIONS;
/// Whole numbers that a double would round.
const ROUNDED: u16 = bit(Guess::WideInteger) | bit(Guess::BigInteger);
const FRACTIONS: u16 = bit(Guess::Point) | bit(Guess::Float);
/// What may be a number or a time.
const EITHER: u16 = bit(Guess::IntegerOrDate) | bit(Guess::IntegerOrTimestamp);

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
            ("9223372036854775807", Guess::WideInteger),
            ("9007199254740992", Guess::Integer),
            ("-9007199254740993", Guess::WideInteger),
            ("9223372036854775808", Guess::BigInteger),
            ("100000000000000000000000000000000000000", Guess::Text),
            ("007", Guess::Text),
            ("-01", Guess::Text),
            ("+5", Guess::Text),
            ("+41791234567", Guess::Text),
            ("-", Guess::Text),
            ("1.", Guess::Point),
            ("1e3", Guess::Float),
            ("0.50", Guess::Point),
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

    fn seen(texts: &[&str]) -> Guesses {
        let mut seen = Guesses::default();
        for text in texts {
            seen.add(Guess::of(text.as_bytes()), text.as_bytes());
        }
        seen
    }

    #[test]
    fn a_column_is_of_the_type_that_holds_all_it_showed() {
        let of = |texts: &[&str]| seen(texts).data_type("UTC");
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

    #[test]
    fn whole_numbers_beside_fractions_are_never_rounded() {
        let of = |texts: &[&str]| seen(texts).data_type("UTC");
        assert_eq!(of(&["9007199254740992", "1.5"]), DataType::Float64);
        assert_eq!(of(&["9007199254740993", "1"]), DataType::Int64);
        assert_eq!(of(&["9007199254740993", "1.5", ""]), DataType::Decimal128(38, 1));
        assert_eq!(of(&["-9223372036854775808", "0.25"]), DataType::Float64, "a power of two is a double");
        assert_eq!(of(&["9223372036854775807", "-0.255"]), DataType::Decimal128(38, 3));
        assert_eq!(of(&["18446744073709551615", "1.5"]), DataType::Decimal128(38, 1));
        assert_eq!(of(&["9007199254740993", "1e3"]), TEXT, "exponents have no scale");
        assert_eq!(of(&["9007199254740993", "NaN"]), TEXT);
        assert_eq!(of(&["9007199254740993", "0.12345678901234567890123"]), TEXT, "39 digits");
        assert_eq!(of(&["9007199254740993", "1.5", "x"]), TEXT);
    }

    #[test]
    fn fractions_have_the_digits_of_the_least_decimal() {
        let digits = |text: &str| Guesses::of_fraction(text.as_bytes()).map(|seen| (seen.whole, seen.scale));
        for (text, expected) in [
            ("1.5", Some((1, 1))),
            ("-1.50", Some((1, 1))),
            ("15e-1", Some((1, 1))),
            ("1e3", Some((4, 0))),
            ("0.00", Some((1, 0))),
            ("-0.125", Some((1, 3))),
            ("NaN", None),
            ("1e39", None),
        ] {
            assert_eq!(digits(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_type_shows_at_least_is_of_that_type() {
        let types = [DataType::Boolean, DataType::Int64, DataType::Float64, DataType::Date32, TIME, TIMESTAMP, TEXT];
        let others = [timestamp_tz("UTC"), DataType::Decimal128(38, 0), DataType::Decimal128(38, 7)];
        for data_type in types.iter().chain(&others) {
            assert_eq!(Guesses::of_type(data_type).data_type("UTC"), *data_type);
        }
    }

    #[test]
    fn what_fits_a_type_would_not_have_changed_it() {
        let samples: &[&[&str]] = &[
            &["true"],
            &["1"],
            &["9007199254740993"],
            &["18446744073709551615"],
            &["0.5"],
            &["1e3"],
            &["2013-01-01"],
            &["2013-01-01 10:00:00"],
            &["2013-01-01 10:00:00Z"],
            &["10:00:00"],
            &["x"],
            &["9007199254740993", "1.25"],
        ];
        for old in samples {
            for new in samples {
                let data_type = seen(old).data_type("UTC");
                let mut both = seen(old);
                both.merge(seen(new));
                let same = both.data_type("UTC") == data_type;
                assert_eq!(seen(new).fits(&data_type), same, "{new:?} in {old:?}");
            }
        }
    }
}
