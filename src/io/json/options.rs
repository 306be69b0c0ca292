//! The options of `read_json`: those of `read_csv` that mean something for JSON, by the same names, and how objects are cut.

use crate::error::{Error, Result};
use crate::io::csv::{CsvOptions, OnError, canonical_name};
use crate::io::option_values::{text, unknown};
use crate::io::options::{OptionValue, Options};
use crate::types::{DataType, is_list, list_of, parse_type};

/// Options that are those of CSV.
const SHARED: [&str; 14] = [
    "on_error",
    "max_rejects",
    "rejects",
    "ignore_extra",
    "filename",
    "sample_size",
    "hive_partitioning",
    "hive_types",
    "union_by_name",
    "compression",
    "encoding",
    "max_line_size",
    "blocksize",
    "parse_dates",
];
/// Those of JSON alone, aliases left out.
const OWN: [&str; 3] = ["columns", "types", "format"];

/// How files hold objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// As the beginning of each file shows.
    #[default]
    Detect,
    /// One a line.
    Lines,
    /// In one array, or one after another.
    Values,
}

/// Options for reading JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonOptions {
    /// What CSV has as well.
    pub(super) shared: CsvOptions,
    /// Types of columns.
    pub(super) types: Vec<(String, DataType)>,
    /// Whether these are all columns, and other keys are not asked for.
    pub(super) types_are_all: bool,
    pub(super) layout: Layout,
}

impl JsonOptions {
    /// Reads options as SQL and the API give them.
    ///
    /// # Errors
    /// A usage error for an unknown name, which suggests a near one, and for a value of the wrong kind.
    pub fn parse(options: &Options) -> Result<Self> {
        let (mut parsed, mut shared) = (Self::default(), Options::new());
        for (name, value) in options {
            match name.as_str() {
                "columns" | "schema" => {
                    parsed.types.splice(..0, types(name, value)?);
                    parsed.types_are_all = true;
                }
                "types" | "dtype" | "dtypes" | "schema_overrides" | "column_types" => {
                    parsed.types.extend(types(name, value)?);
                }
                "format" => {
                    parsed.layout = match text(name, value)?.to_ascii_lowercase().as_str() {
                        "auto" => Layout::Detect,
                        "newline_delimited" | "nd" | "lines" => Layout::Lines,
                        "array" | "unstructured" => Layout::Values,
                        other => {
                            return Err(Error::usage(format!("JSON has no format '{other}'"))
                                .with_hint("formats are auto, newline_delimited, array and unstructured"));
                        }
                    }
                }
                // pandas: an object a line, or one array.
                "lines" => {
                    let is_lines = crate::io::option_values::boolean(name, value)?;
                    parsed.layout = if is_lines { Layout::Lines } else { Layout::Values };
                }
                "maximum_object_size" => shared.push(("max_line_size".into(), value.clone())),
                _ => match canonical_name(name).filter(|canonical| SHARED.contains(canonical)) {
                    Some(_) => shared.push((name.clone(), value.clone())),
                    None => return Err(unknown("reading JSON", name, &[&OWN[..], &SHARED].concat())),
                },
            }
        }
        parsed.shared = CsvOptions::parse(&shared)?;
        if parsed.shared.errors() == OnError::Widen {
            return Err(Error::usage("on_error = 'widen' is for CSV")
                .with_hint("sample_size = -1 looks at every value when JSON files are opened"));
        }
        let mut names: Vec<&str> = parsed.types.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::usage(format!("the column '{}' is given two types", twice[0])));
        }
        Ok(parsed)
    }

    /// What happens with what does not fit.
    pub(crate) fn shared(&self) -> &CsvOptions {
        &self.shared
    }
}

/// `{'a': 'BIGINT', 'b': 'VARCHAR[]'}`
fn types(option: &str, value: &OptionValue) -> Result<Vec<(String, DataType)>> {
    let wrong = || {
        Error::usage(format!("the option '{option}' is a map of names to types"))
            .with_hint(format!("write {option} = {{'column': 'BIGINT', 'tags': 'VARCHAR[]'}}"))
    };
    let OptionValue::Map(entries) = value else { return Err(wrong()) };
    if entries.is_empty() {
        return Err(wrong());
    }
    let of = |(name, value): &(String, OptionValue)| match value {
        OptionValue::Text(text) => Ok((name.clone(), type_named(text)?)),
        _ => Err(wrong()),
    };
    entries.iter().map(of).collect()
}

/// A type, or a list of one. `JSON` is what DuckDB calls text that holds some.
fn type_named(text: &str) -> Result<DataType> {
    match text.trim().strip_suffix("[]") {
        Some(item) => match type_named(item)? {
            nested if is_list(&nested) => Err(Error::usage(format!("there is no type '{text}'"))
                .with_hint("items of lists are no lists themselves; read nested values as VARCHAR")),
            item => Ok(list_of(item)),
        },
        None if text.trim().eq_ignore_ascii_case("json") => Ok(crate::types::TEXT),
        None => parse_type(text),
    }
}
