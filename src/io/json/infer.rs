//! The types that keys suggest by their values.

use std::collections::HashMap;

use super::syntax::{self, Fault, Kind, Value, items};
use crate::io::csv::infer::{Guess, Guesses};
use crate::types::{DataType, TEXT, list_of};

/// What a column showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    scalars: Guesses,
    /// The items of its arrays.
    items: Option<Guesses>,
    /// Whether there were objects, or arrays of more than scalars.
    is_nested: bool,
}

impl Shape {
    fn add(&mut self, text: &[u8], value: Value, scratch: &mut Vec<u8>) {
        match value.kind {
            Kind::Object => self.is_nested = true,
            Kind::Array => {
                let mut seen = self.items.unwrap_or_default();
                let array = value.raw(text);
                items(array, |item| match item.kind {
                    Kind::Object | Kind::Array => self.is_nested = true,
                    _ => add_scalar(&mut seen, array, item, scratch),
                });
                self.items = Some(seen);
            }
            _ => add_scalar(&mut self.scalars, text, value, scratch),
        }
    }

    fn merge(&mut self, other: Self) {
        self.scalars.merge(other.scalars);
        self.items = match (self.items, other.items) {
            (Some(mut items), Some(others)) => {
                items.merge(others);
                Some(items)
            }
            (items, others) => items.or(others),
        };
        self.is_nested |= other.is_nested;
    }

    /// The type that holds all that was seen: of arrays beside scalars, and of what is nested, the text as it is written.
    pub fn data_type(self, zone: &str) -> DataType {
        match self.items {
            _ if self.is_nested => TEXT,
            None => self.scalars.data_type(zone),
            Some(items) if self.scalars.is_empty() => list_of(items.data_type(zone)),
            Some(_) => TEXT,
        }
    }
}

/// Numbers and truth values are what they are; of texts only dates and times are more than text.
fn add_scalar(seen: &mut Guesses, text: &[u8], value: Value, scratch: &mut Vec<u8>) {
    let guess = match value.kind {
        Kind::Null | Kind::Array | Kind::Object => Guess::Null,
        Kind::True | Kind::False => Guess::Boolean,
        Kind::Number => Guess::of(value.raw(text)),
        Kind::Text | Kind::Escaped => {
            let bytes = value.scalar(text, scratch).unwrap_or_default();
            match Guess::of(bytes) {
                time @ (Guess::Date | Guess::Time | Guess::Timestamp | Guess::ZonedTimestamp)
                    if bytes.trim_ascii().len() == bytes.len() =>
                {
                    time
                }
                _ => Guess::Text,
            }
        }
    };
    seen.add(guess, if value.kind == Kind::Number { value.raw(text) } else { &[] });
}

/// What the records of a file showed: keys in the order in which they first came.
#[derive(Debug, Default)]
pub struct Shapes {
    pub columns: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
    members: Vec<(Value, Value)>,
    scratch: Vec<u8>,
}

impl Shapes {
    /// Adds a record, unless it is not well formed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, record: &[u8]) -> Result<(), Fault> {
        if std::str::from_utf8(record).is_err() {
            return Err(Fault { what: "not valid UTF-8", is_cut_off: false });
        }
        self.members.clear();
        let members = &mut self.members;
        syntax::object(record, &mut |key, value| {
            members.push((key, value));
            Ok(())
        })?;
        let (mut key_text, mut place) = (Vec::new(), 0);
        for (key, value) in std::mem::take(&mut self.members) {
            let bytes = key.scalar(record, &mut key_text).unwrap_or_default();
            let name = std::str::from_utf8(bytes).unwrap_or_default();
            // Mostly the keys come in the order in which they came before.
            if self.columns.get(place).is_none_or(|(known, _)| known != name) {
                place = self.place(name);
            }
            if let Some((_, shape)) = self.columns.get_mut(place) {
                shape.add(record, value, &mut self.scratch);
            }
            place += 1;
        }
        Ok(())
    }

    /// Adds what other records showed.
    pub fn merge(&mut self, other: Self) {
        for (name, shape) in other.columns {
            let place = self.place(&name);
            if let Some((_, own)) = self.columns.get_mut(place) {
                own.merge(shape);
            }
        }
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.places.insert(name.to_string(), self.columns.len());
        self.columns.push((name.to_string(), Shape::default()));
        self.columns.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{TIME, TIMESTAMP, timestamp_tz};

    fn of(values: &[&str]) -> DataType {
        let mut shapes = Shapes::default();
        values.iter().for_each(|value| shapes.add(format!("{{\"a\": {value}}}").as_bytes()).unwrap());
        shapes.columns[0].1.data_type("UTC")
    }

    #[test]
    fn columns_are_of_the_type_that_holds_all() {
        for (values, expected) in [
            (&["1", "null"][..], DataType::Int64),
            (&["1", "2.5"], DataType::Float64),
            (&["1", "1e3"], DataType::Float64),
            (&["-0", "3"], DataType::Int64),
            (&["9007199254740993", "0.5"], DataType::Decimal128(38, 1)),
            (&["true", "false"], DataType::Boolean),
            (&["true", "1"], TEXT),
            (&["\"1\""], TEXT),
            (&["\"true\"", "true"], TEXT),
            (&["\"\"", "null"], TEXT),
            (&["\"2024-02-29\""], DataType::Date32),
            (&["\"2024-02-29\"", "\"2024-02-29T10:00:00\""], TIMESTAMP),
            (&["\"2024-02-29T10:00:00Z\""], timestamp_tz("UTC")),
            (&["\"10:00:00\""], TIME),
            (&["\" 2024-02-29\""], TEXT),
            (&["\"2024-02-29\"", "\"\""], TEXT),
            (&["null"], TEXT),
            (&["[1, 2]", "[]", "null"], list_of(DataType::Int64)),
            (&["[1, 2.5]"], list_of(DataType::Float64)),
            (&["[null, \"a\"]"], list_of(TEXT)),
            (&["[[1]]"], TEXT),
            (&["[{}]"], TEXT),
            (&["{\"b\": 1}"], TEXT),
            (&["[1]", "1"], TEXT),
            (&["NaN", "1"], DataType::Float64),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }
}
