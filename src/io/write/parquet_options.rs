//! Options of Parquet files, under DuckDB's names, with pyarrow's as aliases where they differ.

use ::parquet::arrow::ARROW_SCHEMA_META_KEY;
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};

use crate::config::suggest;
use crate::error::{Error, Result};
use crate::io::option_values::{boolean, count, text, unknown};
use crate::io::options::OptionValue;
use crate::types::parse_bytes;

/// Names of the options, aliases left out.
pub(super) const PARQUET_NAMES: [&str; 14] = [
    "compression",
    "compression_level",
    "row_group_size",
    "row_group_bytes",
    "column_options",
    "dictionary",
    "dictionary_page_size",
    "bloom_filter",
    "bloom_filter_fpp",
    "page_index",
    "data_page_size",
    "sorting_columns",
    "kv_metadata",
    "parquet_version",
];

/// Names of the options of one column, aliases left out.
const COLUMN_NAMES: [&str; 6] = ["codec", "level", "dictionary", "encoding", "bloom_filter", "bloom_filter_fpp"];

/// Other names of these.
const COLUMN_ALIASES: [&str; 4] = ["compression", "compression_level", "bloom", "fpp"];

/// Names of encodings.
const ENCODINGS: [(&str, Encoding); 8] = [
    ("plain", Encoding::PLAIN),
    ("delta", Encoding::DELTA_BINARY_PACKED),
    ("delta_binary_packed", Encoding::DELTA_BINARY_PACKED),
    ("delta_length", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("delta_length_byte_array", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ("delta_byte_array", Encoding::DELTA_BYTE_ARRAY),
    ("byte_stream_split", Encoding::BYTE_STREAM_SPLIT),
    ("rle", Encoding::RLE),
];

/// Compressions without levels, and with.
const CODECS: [&str; 6] = ["zstd", "snappy", "gzip", "lz4", "brotli", "none"];

/// How Parquet is written.
#[derive(Clone, Debug, PartialEq)]
pub struct ParquetOptions {
    /// Of pages; by default ZSTD at level 3, since files are written once and read often. DuckDB's default is Snappy.
    pub compression: Compression,
    /// Rows in a row group at most.
    pub row_group_rows: usize,
    /// Bytes of values in a row group, before they are encoded, at which it ends; so a wide table has row groups of fewer
    /// rows.
    pub row_group_bytes: usize,
    /// Bytes of values in a page, about. A page has 20,000 rows at most, about.
    pub page_bytes: usize,
    /// Whether columns have dictionaries; by default those do whose values repeat themselves.
    pub dictionary: Option<bool>,
    /// Bytes at which a dictionary is given up.
    pub dictionary_page_bytes: usize,
    /// Whether columns have bloom filters.
    pub bloom_filter: bool,
    /// Share of values that a bloom filter takes for present although they are not.
    pub bloom_filter_fpp: f64,
    /// Whether there are an index of pages and the least and greatest values of each page.
    pub page_index: bool,
    /// The order of the rows, which is checked and told in the metadata.
    pub sorted_by: Vec<SortedBy>,
    /// Pairs of key and value in the metadata.
    pub metadata: Vec<(String, String)>,
    /// Which readers shall be able to read it.
    pub version: ParquetVersion,
    /// What is different for single columns.
    pub columns: Vec<(String, ColumnOptions)>,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            compression: Compression::ZSTD(default_zstd()),
            row_group_rows: 1 << 20,
            row_group_bytes: 64 << 20,
            page_bytes: 1 << 20,
            dictionary: None,
            dictionary_page_bytes: 1 << 20,
            bloom_filter: false,
            bloom_filter_fpp: 0.01,
            page_index: true,
            sorted_by: Vec::new(),
            metadata: Vec::new(),
            version: ParquetVersion::default(),
            columns: Vec::new(),
        }
    }
}

impl ParquetOptions {
    /// What is different for a column.
    pub fn of_column(&self, name: &str) -> ColumnOptions {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, own)| own.clone()).unwrap_or_default()
    }

    fn column(&mut self, name: &str) -> &mut ColumnOptions {
        let place = self.columns.iter().position(|(column, _)| column == name).unwrap_or_else(|| {
            self.columns.push((name.to_string(), ColumnOptions::default()));
            self.columns.len() - 1
        });
        &mut self.columns[place].1
    }
}

/// Which features of the format are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParquetVersion {
    /// Those that readers have known for years: besides dictionaries, differences for integers (DELTA_BINARY_PACKED), and
    /// floats by their bytes apart (BYTE_STREAM_SPLIT), in pages of version 1.
    #[default]
    Compatible,
    /// Dictionaries and plain values only, for the oldest readers.
    V1,
    /// Pages of version 2, and the encodings that come with them.
    V2,
}

/// What is different for one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnOptions {
    /// Of its pages.
    pub compression: Option<Compression>,
    /// Whether it has a dictionary.
    pub dictionary: Option<bool>,
    /// Of values that are not in a dictionary.
    pub encoding: Option<Encoding>,
    /// Whether it has a bloom filter.
    pub bloom_filter: Option<bool>,
    /// Share of values that its bloom filter takes for present although they are not.
    pub bloom_filter_fpp: Option<f64>,
}

/// A column that rows are in the order of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedBy {
    /// Its name.
    pub name: String,
    /// From the greatest to the least.
    pub descending: bool,
    /// Whether nulls go before the values.
    pub nulls_first: bool,
}

/// Reads `a:codec=snappy,bloom_filter` into an entry of the option `column_options`, for those who write options without
/// maps. What has no value is true.
///
/// # Errors
/// A usage error where it is not of that form.
pub fn column_option(spelled: &str) -> Result<(String, OptionValue)> {
    let wrong = || {
        Error::usage(format!("'{spelled}' is no option of a column"))
            .with_hint("write it as COLUMN:NAME=VALUE,NAME=VALUE, such as id:codec=snappy,bloom_filter")
    };
    // Names of columns may have colons, and so may values.
    let begins_options = |(place, _): &(usize, &str)| {
        let name = spelled[place + 1..].split([':', '=', ',']).next().unwrap_or_default().trim();
        COLUMN_NAMES.iter().chain(&COLUMN_ALIASES).any(|known| known.eq_ignore_ascii_case(name))
    };
    let known = spelled.match_indices(':').find(begins_options).map(|(place, _)| place);
    let place = known.or_else(|| spelled.rfind(':')).ok_or_else(wrong)?;
    let (column, options) = (&spelled[..place], &spelled[place + 1..]);
    let entry = |option: &str| match option.split_once('=') {
        Some((name, value)) => (name.trim().to_string(), OptionValue::Text(value.trim().to_string())),
        None => (option.trim().to_string(), OptionValue::Boolean(true)),
    };
    let entries: Vec<_> = options.split(',').map(entry).collect();
    if column.is_empty() || entries.iter().any(|(name, _)| name.is_empty()) {
        return Err(wrong());
    }
    Ok((column.to_string(), OptionValue::Map(entries)))
}

/// Options while they are read: a codec and its level may come in any order.
#[derive(Default)]
pub(super) struct ParquetReader {
    options: ParquetOptions,
    codec: Option<String>,
    level: Option<u64>,
}

impl ParquetReader {
    /// Takes an option; false where it is none of Parquet.
    pub fn take(&mut self, name: &str, value: &OptionValue) -> Result<bool> {
        let options = &mut self.options;
        match name {
            "compression" | "codec" => read_codec(name, value, &mut self.codec, &mut self.level)?,
            "compression_level" => self.level = Some(count(name, value)?),
            "row_group_size" => options.row_group_rows = clamp(count(name, value)?),
            "row_group_bytes" | "row_group_size_bytes" => options.row_group_bytes = bytes(name, value)?,
            "data_page_size" => options.page_bytes = bytes(name, value)?,
            "dictionary_page_size" | "string_dictionary_page_size_limit" => {
                options.dictionary_page_bytes = bytes(name, value)?;
            }
            "dictionary" | "use_dictionary" => match columns_of(name, value)? {
                Wanted::All(all) => options.dictionary = Some(all),
                Wanted::Only(columns) => {
                    options.dictionary = Some(false);
                    columns.iter().for_each(|column| options.column(column).dictionary = Some(true));
                }
            },
            "bloom_filter" | "write_bloom_filter" | "bloom_filters" => match columns_of(name, value)? {
                Wanted::All(all) => options.bloom_filter = all,
                Wanted::Only(columns) => {
                    columns.iter().for_each(|column| options.column(column).bloom_filter = Some(true));
                }
            },
            "bloom_filter_fpp" | "bloom_filter_false_positive_ratio" => options.bloom_filter_fpp = share(name, value)?,
            "page_index" | "write_page_index" => options.page_index = boolean(name, value)?,
            "sorting_columns" | "sorted_by" => options.sorted_by = sorted_by(name, value)?,
            "kv_metadata" => {
                options.metadata = metadata(name, value)?;
                if options.metadata.iter().any(|(key, _)| key == ARROW_SCHEMA_META_KEY) {
                    return Err(Error::usage(format!("the metadata '{ARROW_SCHEMA_META_KEY}' is a schema to readers"))
                        .with_hint("give it another name"));
                }
            }
            "parquet_version" | "version" => options.version = version(name, value)?,
            "column_options" => {
                let OptionValue::Map(columns) = value else {
                    return Err(Error::usage("the option 'column_options' is a map of columns to their options")
                        .with_hint("write column_options {'id': {codec: 'snappy', bloom_filter: true}}"));
                };
                for (column, own) in columns {
                    read_column(column, own, options.column(column))?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// All options have come.
    pub fn finish(self) -> Result<ParquetOptions> {
        let mut options = self.options;
        if self.codec.is_some() || self.level.is_some() {
            options.compression = compression(self.codec.as_deref().unwrap_or("zstd"), self.level)?;
        }
        let newer = |own: &ColumnOptions| own.encoding.filter(|encoding| !matches!(encoding, Encoding::PLAIN));
        let found = options.columns.iter().find_map(|(column, own)| newer(own).map(|encoding| (column, encoding)));
        if let (ParquetVersion::V1, Some((column, encoding))) = (options.version, found) {
            return Err(Error::usage(format!("the encoding {encoding} of '{column}' is not in Parquet V1"))
                .with_hint("leave parquet_version out, or the encoding"));
        }
        Ok(options)
    }
}

/// `zstd`, or `zstd:3` with its level.
fn read_codec(name: &str, value: &OptionValue, codec: &mut Option<String>, level: &mut Option<u64>) -> Result<()> {
    let spelled = text(name, value)?.to_ascii_lowercase();
    let Some((before, after)) = spelled.split_once(':') else {
        *codec = Some(spelled);
        return Ok(());
    };
    *codec = Some(before.trim().to_string());
    *level = Some(after.trim().parse().map_err(|_| {
        Error::usage(format!("'{after}' is no compression level")).with_hint("write for instance 'zstd:3'")
    })?);
    Ok(())
}

fn read_column(column: &str, value: &OptionValue, own: &mut ColumnOptions) -> Result<()> {
    let OptionValue::Map(entries) = value else {
        return Err(Error::usage(format!("the options of the column '{column}' are a map"))
            .with_hint(format!("write column_options {{'{column}': {{codec: 'snappy'}}}}")));
    };
    let (mut codec, mut level) = (None, None);
    for (name, value) in entries {
        match name.to_ascii_lowercase().as_str() {
            "codec" | "compression" => read_codec(name, value, &mut codec, &mut level)?,
            "level" | "compression_level" => level = Some(count(name, value)?),
            "dictionary" => own.dictionary = Some(boolean(name, value)?),
            "bloom_filter" | "bloom" => own.bloom_filter = Some(boolean(name, value)?),
            "bloom_filter_fpp" | "fpp" => own.bloom_filter_fpp = Some(share(name, value)?),
            "encoding" => match text(name, value)?.to_ascii_lowercase().as_str() {
                "dictionary" | "rle_dictionary" => own.dictionary = Some(true),
                other => own.encoding = Some(encoding(other)?),
            },
            other => return Err(unknown("a column", other, &COLUMN_NAMES)),
        }
    }
    if codec.is_some() || level.is_some() {
        own.compression = Some(compression(codec.as_deref().unwrap_or("zstd"), level)?);
    }
    Ok(())
}

/// Columns that something is done with.
enum Wanted {
    All(bool),
    Only(Vec<String>),
}

/// `true`, or `'a'`, or `['a', 'b']`.
fn columns_of(name: &str, value: &OptionValue) -> Result<Wanted> {
    match value {
        OptionValue::List(items) => {
            let names = items.iter().map(|item| text(name, item).map(str::to_string));
            Ok(Wanted::Only(names.collect::<Result<_>>()?))
        }
        OptionValue::Text(column) if boolean(name, value).is_err() => Ok(Wanted::Only(vec![column.clone()])),
        _ => match boolean(name, value) {
            Ok(all) => Ok(Wanted::All(all)),
            Err(_) => Err(Error::usage(format!("the option '{name}' is true, false or a list of columns"))),
        },
    }
}

fn bytes(name: &str, value: &OptionValue) -> Result<usize> {
    let bytes = match value {
        OptionValue::Text(text) => parse_bytes(text)?,
        _ => count(name, value)?,
    };
    if bytes == 0 {
        return Err(Error::usage(format!("the option '{name}' is more than nothing")).with_hint("such as '64MB'"));
    }
    Ok(clamp(bytes))
}

fn share(name: &str, value: &OptionValue) -> Result<f64> {
    let number = match value {
        OptionValue::Number(number) => Some(*number),
        OptionValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0.0 && *number < 1.0).ok_or_else(|| {
        Error::usage(format!("the option '{name}' is a share between 0 and 1")).with_hint("such as 0.01")
    })
}

fn metadata(name: &str, value: &OptionValue) -> Result<Vec<(String, String)>> {
    let wrong = || {
        Error::usage(format!("the option '{name}' is a map of texts"))
            .with_hint("write kv_metadata {'source': 'station 7', 'made': '2026-01-31'}")
    };
    let OptionValue::Map(entries) = value else { return Err(wrong()) };
    let pair = |(key, value): &(String, OptionValue)| {
        let value = match value {
            OptionValue::Text(text) => text.clone(),
            OptionValue::Boolean(value) => value.to_string(),
            OptionValue::Number(number) => number.to_string(),
            OptionValue::List(_) | OptionValue::Map(_) => return Err(wrong()),
        };
        Ok((key.clone(), value))
    };
    entries.iter().map(pair).collect()
}

fn version(name: &str, value: &OptionValue) -> Result<ParquetVersion> {
    let spelled = match value {
        OptionValue::Number(number) => number.to_string(),
        other => text(name, other)?.to_ascii_lowercase(),
    };
    match spelled.as_str() {
        "v1" | "1" | "1.0" => Ok(ParquetVersion::V1),
        "v2" | "2" | "2.0" => Ok(ParquetVersion::V2),
        _ => Err(Error::usage(format!("there is no version '{spelled}' of Parquet files")).with_hint("write V1 or V2")),
    }
}

/// `'a, b DESC'`, or `['a', 'b DESC NULLS LAST']`.
///
/// # Errors
/// A usage error, which names the option, where no columns are named.
pub fn sorted_by(name: &str, value: &OptionValue) -> Result<Vec<SortedBy>> {
    let columns: Vec<&str> = match value {
        OptionValue::List(items) => items.iter().map(|item| text(name, item)).collect::<Result<_>>()?,
        other => text(name, other)?.split(',').collect(),
    };
    let sorted = |spelled: &str| {
        let mut rest = spelled.trim();
        let mut ends_in = |words: &str| {
            let (head, tail) = rest.split_at_checked(rest.len().saturating_sub(words.len())).unwrap_or((rest, ""));
            let found = tail.eq_ignore_ascii_case(words) && head.ends_with(char::is_whitespace);
            if found {
                rest = head.trim_end();
            }
            found
        };
        let nulls = if ends_in("nulls first") { Some(true) } else { ends_in("nulls last").then_some(false) };
        let descending = ends_in("desc") || {
            ends_in("asc");
            false
        };
        let column = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(rest);
        if column.is_empty() {
            return Err(Error::usage(format!("the option '{name}' names no column"))
                .with_hint("name columns, as in ['a', 'b DESC']"));
        }
        // As in ORDER BY, nulls are greater than all values.
        Ok(SortedBy { name: column.to_string(), descending, nulls_first: nulls.unwrap_or(descending) })
    };
    columns.into_iter().map(sorted).collect()
}

fn encoding(name: &str) -> Result<Encoding> {
    let known = || ENCODINGS.iter().map(|(known, _)| *known);
    ENCODINGS.iter().find(|(known, _)| *known == name).map(|(_, encoding)| *encoding).ok_or_else(|| {
        let error = Error::usage(format!("there is no encoding '{name}'"));
        match suggest(name, known()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("encodings are dictionary, {}", known().collect::<Vec<_>>().join(", "))),
        }
    })
}

fn clamp(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn default_zstd() -> ZstdLevel {
    ZstdLevel::try_new(3).unwrap_or_default()
}

fn compression(codec: &str, level: Option<u64>) -> Result<Compression> {
    let number = |level: u64| u32::try_from(level).unwrap_or(u32::MAX);
    let wrong = |_| Error::usage(format!("{codec} has no compression level {}", level.unwrap_or_default()));
    Ok(match (codec, level) {
        ("zstd", None) => Compression::ZSTD(default_zstd()),
        ("zstd", Some(level)) => {
            Compression::ZSTD(ZstdLevel::try_new(i32::try_from(level).unwrap_or(i32::MAX)).map_err(wrong)?)
        }
        ("gzip", None) => Compression::GZIP(GzipLevel::default()),
        ("gzip", Some(level)) => Compression::GZIP(GzipLevel::try_new(number(level)).map_err(wrong)?),
        ("brotli", None) => Compression::BROTLI(BrotliLevel::default()),
        ("brotli", Some(level)) => Compression::BROTLI(BrotliLevel::try_new(number(level)).map_err(wrong)?),
        ("snappy", None) => Compression::SNAPPY,
        ("lz4" | "lz4_raw", None) => Compression::LZ4_RAW,
        ("none" | "uncompressed", None) => Compression::UNCOMPRESSED,
        ("snappy" | "lz4" | "lz4_raw" | "none" | "uncompressed", Some(_)) => {
            return Err(Error::usage(format!("{codec} has no compression levels")));
        }
        _ => {
            let error = Error::usage(format!("there is no compression '{codec}'"));
            return Err(match suggest(codec, CODECS) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint(format!("compressions are {}", CODECS.join(", "))),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, OptionValue)]) -> Result<ParquetOptions> {
        let mut reader = ParquetReader::default();
        for (name, value) in pairs {
            assert!(reader.take(name, value)?, "{name}");
        }
        reader.finish()
    }

    fn text_value(value: &str) -> OptionValue {
        OptionValue::Text(value.into())
    }

    #[test]
    fn all_names_are_read() {
        for name in PARQUET_NAMES {
            let known = ParquetReader::default().take(name, &OptionValue::List(Vec::new()));
            assert!(!matches!(known, Ok(false)), "{name}");
        }
        let options = read(&[
            ("compression", text_value("ZSTD:7")),
            ("row_group_bytes", text_value("128MiB")),
            ("data_page_size", OptionValue::Number(65536.0)),
            ("dictionary", OptionValue::List(vec![text_value("name")])),
            ("bloom_filter", text_value("id")),
            ("bloom_filter_false_positive_ratio", OptionValue::Number(0.1)),
            ("page_index", OptionValue::Boolean(false)),
            ("sorting_columns", text_value("a desc, \"b c\" NULLS FIRST,desc")),
            ("kv_metadata", OptionValue::Map(vec![("n".into(), OptionValue::Number(7.0))])),
            ("parquet_version", text_value("V2")),
        ])
        .unwrap();
        assert_eq!((options.row_group_bytes, options.page_bytes, options.page_index), (128 << 20, 65536, false));
        assert_eq!(options.compression, Compression::ZSTD(ZstdLevel::try_new(7).unwrap()));
        assert_eq!(options.dictionary, Some(false));
        assert_eq!(options.of_column("name").dictionary, Some(true));
        assert_eq!((options.of_column("id").bloom_filter, options.bloom_filter), (Some(true), false));
        assert_eq!((options.bloom_filter_fpp, options.version), (0.1, ParquetVersion::V2));
        let by = |name: &str, descending, nulls_first| SortedBy { name: name.into(), descending, nulls_first };
        assert_eq!(options.sorted_by, [by("a", true, true), by("b c", false, true), by("desc", false, false)]);
        assert_eq!(options.metadata, [("n".to_string(), "7".to_string())]);
    }

    #[test]
    fn columns_are_read_from_maps_and_from_one_text() {
        let (column, own) = column_option("a:b:codec=gzip, level=9,bloom,dictionary=false,encoding=delta").unwrap();
        let options = read(&[("column_options", OptionValue::Map(vec![(column, own)]))]).unwrap();
        assert_eq!(
            options.of_column("a:b"),
            ColumnOptions {
                compression: Some(Compression::GZIP(GzipLevel::try_new(9).unwrap())),
                dictionary: Some(false),
                encoding: Some(Encoding::DELTA_BINARY_PACKED),
                bloom_filter: Some(true),
                bloom_filter_fpp: None,
            }
        );
        let (column, own) = column_option("a:b:codec=zstd:9,bloom").unwrap();
        let options = read(&[("column_options", OptionValue::Map(vec![(column, own)]))]).unwrap();
        let zstd = Compression::ZSTD(ZstdLevel::try_new(9).unwrap());
        assert_eq!(options.of_column("a:b").compression, Some(zstd));
        for wrong in ["a", "a:", ":codec=snappy", "a:codec=snappy,,bloom"] {
            assert_eq!(column_option(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn wrong_values_are_usage_errors_that_help() {
        let column = |spelled: &str| OptionValue::Map(vec![column_option(spelled).unwrap()]);
        for (name, value, part) in [
            ("compression", text_value("sanppy"), "did you mean 'snappy'"),
            ("compression", text_value("q"), "compressions are"),
            ("compression", text_value("zstd:high"), "no compression level"),
            ("compression", text_value("snappy:3"), "no compression levels"),
            ("row_group_bytes", text_value("many"), "many"),
            ("row_group_bytes", text_value("0"), "more than nothing"),
            ("bloom_filter_fpp", OptionValue::Number(2.0), "between 0 and 1"),
            ("sorting_columns", text_value(" desc,"), "names no column"),
            ("kv_metadata", text_value("a"), "map of texts"),
            ("parquet_version", text_value("V3"), "V1 or V2"),
            ("dictionary", OptionValue::Number(3.0), "list of columns"),
            ("column_options", text_value("a"), "map of columns"),
            ("column_options", column("a:codek=snappy"), "did you mean 'codec'"),
            ("column_options", column("a:encoding=detla"), "did you mean 'delta'"),
            ("column_options", OptionValue::Map(vec![("a".into(), text_value("snappy"))]), "are a map"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = read(&[("parquet_version", text_value("V1")), ("column_options", column("a:encoding=delta"))]);
        assert!(error.unwrap_err().to_string().contains("not in Parquet V1"));
    }
}
