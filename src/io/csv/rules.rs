//! How the fields of each column are to be understood: what is null, how values are written, which types are looked for.

use std::collections::HashSet;
use std::sync::Arc;

use super::formats::Formats;
use super::infer::{Guess, Guesses};
use super::nulls::Nulls;
use super::options::{CsvOptions, ParseDates};
use super::values::trim;
use crate::error::{Error, Result};
use crate::types::{DataType, TEXT, TIMESTAMP, timestamp_tz};

/// How the fields of a column are to be understood.
#[derive(Clone, Debug)]
pub struct ColumnRules {
    /// Which texts are null.
    pub nulls: Nulls,
    /// How values are written.
    pub formats: Arc<Formats>,
    has_own_nulls: bool,
    dates: Dates,
    assume_missing: bool,
}

/// Which of the types of time are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    Any,
    Never,
    Only,
}

/// The rules of all columns.
#[derive(Debug)]
pub struct Rules {
    usual: Arc<ColumnRules>,
    /// Those of columns that the options name.
    own: Vec<(String, Arc<ColumnRules>)>,
}

impl Rules {
    /// What the options say.
    ///
    /// # Errors
    /// An internal error for options that were not checked.
    pub fn new(options: &CsvOptions) -> Result<Self> {
        let formats = Formats::new(options).map_err(|problem| Error::internal(format!("a format is {problem}")))?;
        let usual = ColumnRules {
            nulls: Nulls::new(options.null_strings.clone(), options.allow_quoted_nulls),
            formats: Arc::new(formats),
            has_own_nulls: false,
            dates: if options.parse_dates == ParseDates::No { Dates::Never } else { Dates::Any },
            assume_missing: options.assume_missing,
        };
        let mut rules = Self { usual: Arc::new(usual), own: Vec::new() };
        for (column, strings) in &options.null_strings_of {
            let own = rules.own_of(column);
            own.nulls = Nulls::new(Some(strings.clone()), options.allow_quoted_nulls);
            own.has_own_nulls = true;
        }
        for column in &options.force_not_null {
            let own = rules.own_of(column);
            own.nulls = Nulls::never();
            own.has_own_nulls = true;
        }
        if let ParseDates::Columns(columns) = &options.parse_dates {
            for column in columns {
                rules.own_of(column).dates = Dates::Only;
            }
        }
        Ok(rules)
    }

    /// The column's own rules, to be changed.
    fn own_of(&mut self, column: &str) -> &mut ColumnRules {
        let index = match self.own.iter().position(|(name, _)| name == column) {
            Some(index) => index,
            None => {
                self.own.push((column.to_string(), self.usual.clone()));
                self.own.len() - 1
            }
        };
        Arc::make_mut(&mut self.own[index].1)
    }

    /// The rules of columns that the options do not name.
    pub fn usual(&self) -> &ColumnRules {
        &self.usual
    }

    /// Whether all columns have the same rules.
    pub fn are_uniform(&self) -> bool {
        self.own.is_empty()
    }

    /// The rules of a column.
    pub fn of(&self, column: &str) -> &Arc<ColumnRules> {
        self.own.iter().find(|(name, _)| name == column).map_or(&self.usual, |(_, own)| own)
    }

    /// The rules of a column that the options name, for each of the columns of a file. The case of a name matters where the
    /// file has a column that is called just so.
    pub fn of_columns(&self, names: &[&str]) -> Vec<Option<&ColumnRules>> {
        if self.are_uniform() {
            return Vec::new();
        }
        let columns: HashSet<&str> = names.iter().copied().collect();
        let of = |column: &&str| {
            let exact = self.own.iter().find(|(name, _)| name == column);
            let in_any_case =
                |(name, _): &&(String, _)| name.eq_ignore_ascii_case(column) && !columns.contains(name.as_str());
            exact.or_else(|| self.own.iter().find(in_any_case)).map(|(_, own)| &**own)
        };
        names.iter().map(of).collect()
    }

    /// What a reader of the column has to know; `None` where the usual nulls and the plain parsers do.
    pub fn for_reader(&self, column: &str, data_type: &DataType) -> Option<Arc<ColumnRules>> {
        let rules = self.of(column);
        (rules.has_own_nulls || !rules.formats.is_plain_for(data_type)).then(|| rules.clone())
    }
}

impl ColumnRules {
    /// Adds what a field looks like to what its column showed.
    pub fn look_at(&self, seen: &mut Guesses, text: &[u8], is_quoted: bool) {
        self.formats.add(seen, self.guess(text, is_quoted), trim(text));
    }

    /// What a field looks like.
    pub fn guess(&self, text: &[u8], is_quoted: bool) -> Guess {
        let text = trim(text);
        if self.nulls.is_null(text) {
            return if is_quoted && self.nulls.is_quoted_nan(text) { Guess::Float } else { Guess::Null };
        }
        if text.is_empty() {
            // Nothing at all, where that is no null.
            return Guess::Text;
        }
        if self.formats.is_plain() { Guess::of(text) } else { self.formats.guess(text) }
    }

    /// The type of a column that showed this.
    pub fn data_type(&self, seen: Guesses, zone: &str) -> DataType {
        let data_type = match self.dates {
            Dates::Any => seen.data_type(zone),
            Dates::Never => match seen.numbers_first().data_type(zone) {
                DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(_, _) => TEXT,
                other => other,
            },
            Dates::Only => match seen.times_only().data_type(zone) {
                date_or_timestamp @ (DataType::Date32 | DataType::Timestamp(_, None)) => date_or_timestamp,
                _ if seen.has_zone() => timestamp_tz(zone),
                _ => TIMESTAMP,
            },
        };
        // Not even by a wish is a number rounded.
        let is_missing =
            self.assume_missing && data_type == DataType::Int64 && !seen.numbers_first().has_wide_integers();
        if is_missing { DataType::Float64 } else { data_type }
    }

    /// Whether a column whose type was [inferred](Self::data_type) to be this one holds all that was seen.
    pub fn fits(&self, seen: Guesses, data_type: &DataType) -> bool {
        match self.dates {
            Dates::Only => seen.times_only().fits(data_type),
            Dates::Any | Dates::Never => seen.fits(data_type),
        }
    }

    /// Whether the column may be widened to a type: one of nothing but dates and times holds nothing else.
    pub fn may_widen_to(&self, data_type: &DataType) -> bool {
        self.dates != Dates::Only || matches!(data_type, DataType::Date32 | DataType::Timestamp(_, _))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(options: CsvOptions, texts: &[&str]) -> DataType {
        let rules = Rules::new(&options).unwrap();
        let mut seen = Guesses::default();
        texts.iter().for_each(|text| rules.of("a").look_at(&mut seen, text.as_bytes(), false));
        rules.of("a").data_type(seen, "UTC")
    }

    #[test]
    fn rules_decide_on_the_type() {
        let options = CsvOptions::default;
        let only = || options().parse_dates(ParseDates::Columns(vec!["a".into()]));
        let never = || options().parse_dates(ParseDates::No);
        assert_eq!(inferred(never(), &["2013-01-31", ""]), TEXT);
        assert_eq!(inferred(never(), &["05:00:00"]), TEXT);
        assert_eq!(inferred(never(), &["1"]), DataType::Int64);
        assert_eq!(inferred(never().dateformat("%Y%m%d"), &["20130131"]), DataType::Int64);
        assert_eq!(inferred(only(), &["2013-01-31", "x"]), DataType::Date32);
        assert_eq!(inferred(only(), &["2013-01-31", "2013-01-31 10:00"]), TIMESTAMP);
        assert_eq!(inferred(only(), &["2013-01-31 10:00Z", "2013-01-31 10:00"]), timestamp_tz("UTC"));
        assert_eq!(inferred(only(), &["1", ""]), TIMESTAMP);
        assert_eq!(inferred(only().dateformat("%Y%m%d"), &["20130131", "5"]), DataType::Date32);
        assert_eq!(inferred(options().assume_missing(true), &["1", "2"]), DataType::Float64);
        assert_eq!(inferred(options().assume_missing(true), &["x"]), TEXT);
        assert_eq!(inferred(options().assume_missing(true), &["9007199254740993"]), DataType::Int64);
        assert_eq!(inferred(options().dateformat("%Y%m%d"), &["20130131", ""]), DataType::Date32);
        assert_eq!(inferred(options().dateformat("%Y%m%d"), &["20130131", "5"]), DataType::Int64);
        assert_eq!(inferred(options().dateformat("%Y%m%d"), &["20130131", "5.5"]), DataType::Float64);
        assert_eq!(inferred(options().dateformat("%Y%m%d"), &["20130131", "x"]), TEXT);
        let german = || options().decimal_separator(b',').thousands(b'.');
        assert_eq!(inferred(german(), &["1.234,5", "9.007.199.254.740.993"]), DataType::Decimal128(38, 1));
        let moments = || options().timestampformat("%Y%m%d%H%M%S");
        assert_eq!(inferred(moments(), &["20130131103000"]), TIMESTAMP);
        assert_eq!(inferred(moments(), &["20130131103000", "1.5"]), DataType::Float64);
        assert_eq!(inferred(options().force_not_null(["a"]), &["1", ""]), TEXT);
        assert_eq!(inferred(options().null_strings_of("a", ["-"]), &["1", "-", ""]), DataType::Int64);
        assert_eq!(inferred(options().null_strings_of("b", ["-"]), &["1", "-"]), TEXT);
        assert_eq!(inferred(options().null_strings_of("a", ["-"]), &["1", "NA"]), TEXT);
    }

    #[test]
    fn readers_hear_of_rules_that_are_not_the_usual_ones() {
        let rules = Rules::new(&CsvOptions::default().decimal_separator(b',').null_strings_of("a", ["-"])).unwrap();
        assert!(rules.for_reader("a", &TEXT).is_some());
        assert!(rules.for_reader("b", &TEXT).is_none());
        assert!(rules.for_reader("b", &DataType::Int64).is_none());
        assert!(rules.for_reader("b", &DataType::Float64).is_some());
    }

    #[test]
    fn case_matters_only_between_columns_that_differ_in_it() {
        let rules = Rules::new(&CsvOptions::default().null_strings_of("A", ["-"])).unwrap();
        let named = |names: &[&str]| rules.of_columns(names).iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(named(&["a", "b"]), [true, false]);
        assert_eq!(named(&["a", "A"]), [false, true]);
    }
}
