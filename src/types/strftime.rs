//! Timestamps as text by a pattern, as C's strftime and strptime write and read them.

use std::fmt::Write;

use chrono::NaiveTime;
use chrono::format::{Item, Parsed, StrftimeItems};

use super::temporal::{datetime_from_micros, micros_from_datetime};
use crate::error::{Error, Result};

/// A pattern such as `%Y-%m-%d %H:%M:%S`.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Item<'static>>);

impl Pattern {
    /// # Errors
    /// A data error, where a specifier is unknown.
    pub fn parse(text: &str) -> Result<Self> {
        StrftimeItems::new(text).parse_to_owned().map(Self).map_err(|_| {
            Error::data(format!("'{text}' is no date pattern"))
                .with_hint("specifiers are those of C's strftime, such as %Y %m %d %H %M %S %f %j %a %b %z")
        })
    }

    /// Appends the text of local microseconds; `None` where they are outside of the calendar, or the pattern asks for
    /// a zone.
    pub fn write(&self, micros: i64, out: &mut String) -> Option<()> {
        let moment = datetime_from_micros(micros)?.and_utc();
        write!(out, "{}", moment.format_with_items(self.0.iter())).ok()
    }

    /// Reads a timestamp in microseconds: midnight where the text has no time, in UTC where it has an offset. `None`
    /// where the text does not follow the pattern, or has no date.
    pub fn read(&self, text: &str) -> Option<i64> {
        let mut parsed = Parsed::new();
        chrono::format::parse(&mut parsed, text.trim(), self.0.iter()).ok()?;
        if let Ok(moment) = parsed.to_datetime() {
            return Some(moment.timestamp_micros());
        }
        let date = parsed.to_naive_date().ok()?;
        let no_time = parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() && parsed.minute().is_none();
        let time = if no_time { NaiveTime::MIN } else { parsed.to_naive_time().ok()? };
        Some(micros_from_datetime(date.and_time(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_write_and_read() {
        let pattern = Pattern::parse("%d.%m.%Y %H:%M").unwrap();
        let micros = pattern.read("31.01.2013 13:45").unwrap();
        let mut text = String::new();
        pattern.write(micros, &mut text).unwrap();
        assert_eq!(text, "31.01.2013 13:45");
        assert_eq!(Pattern::parse("%Y%m%d").unwrap().read("20130131"), Some(1_359_590_400_000_000));
        assert_eq!(
            Pattern::parse("%Y-%m-%dT%H:%M:%S%z").unwrap().read("2013-01-31T01:00:00+0100"),
            Some(1_359_590_400_000_000)
        );
        assert_eq!(pattern.read("31.02.2013 13:45"), None);
        assert!(Pattern::parse("%Q!").is_err());
    }
}
