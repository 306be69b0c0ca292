//! The text of schema files: TOML, written in a fixed order, and read with errors that name line and key.

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{KnownFile, SchemaFile};
use crate::error::{DataLocation, Error, Result};
use crate::io::csv::Delimiter;
use crate::io::csv::options::canonical_name;
use crate::io::csv::table::Column;
use crate::io::options::{OptionValue, Options};
use crate::types::{DataType, parse_type, sql_name};

/// The version of the format.
const VERSION: i64 = 1;
const ABOUT: &str = "\
# The schema of CSV files. It is used by --schema FILE and read_csv(…, schema_file = 'FILE'), and written by
# highwater schema … -o FILE. Types may be changed by hand; numbers of columns with `declared = true` may be spelt in any
# way (007, +5).
";
/// Options that stand elsewhere in the file, or say nothing about what is in the files it is about.
const LEFT_OUT: [&str; 16] = [
    "delim",
    "quote",
    "header",
    "types",
    "all_varchar",
    "hive_partitioning",
    "hive_types",
    "filename",
    "sample_size",
    "files_to_sniff",
    "on_error",
    "max_rejects",
    "rejects",
    "max_line_size",
    "blocksize",
    "schema_file",
];

/// The options that a schema file keeps.
pub fn kept(options: &Options) -> Options {
    let known = options.iter().filter_map(|(name, value)| Some((canonical_name(name)?, value)));
    let kept = known.filter(|(name, _)| !LEFT_OUT.contains(name));
    let mut kept: Options = kept
        .filter_map(|(name, value)| match (name, value) {
            // Of names and types the types stand with the columns.
            ("columns", OptionValue::Map(columns)) => {
                let names = columns.iter().map(|(name, _)| OptionValue::Text(name.clone()));
                Some(("names".to_string(), OptionValue::List(names.collect())))
            }
            ("columns", _) => None,
            _ => Some((name.to_string(), value.clone())),
        })
        .collect();
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    kept
}

/// The file's text.
pub fn render(schema: &SchemaFile) -> String {
    let mut text = format!("{ABOUT}version = {VERSION}\n\n[dialect]\n");
    let byte = |byte: u8| quoted(char::from(byte).encode_utf8(&mut [0; 4]));
    let mut line = |parts: std::fmt::Arguments<'_>| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{parts}");
    };
    line(format_args!("delimiter = {}", quoted(&String::from_utf8_lossy(schema.delimiter.as_bytes()))));
    line(format_args!("quote = {}", schema.quote.map_or_else(|| quoted(""), byte)));
    line(format_args!("header = {}", schema.has_header));
    if !schema.options.is_empty() {
        line(format_args!("\n[options]"));
        for (name, value) in &schema.options {
            line(format_args!("{name} = {}", option_text(value)));
        }
    }
    if !schema.partitions.is_empty() {
        line(format_args!("\n[partitions]"));
        for (name, data_type) in &schema.partitions {
            line(format_args!("{} = {}", quoted(name), quoted(&sql_name(data_type))));
        }
    }
    for column in &schema.columns {
        line(format_args!("\n[[columns]]\nname = {}", quoted(&column.name)));
        line(format_args!("type = {}", quoted(&sql_name(&column.data_type))));
        if !column.inferred {
            line(format_args!("declared = true"));
        }
    }
    for names in &schema.headers {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        line(format_args!("\n[[headers]]\nnames = [{}]", names.join(", ")));
    }
    for file in &schema.files {
        line(format_args!("\n[[files]]\npath = {}", quoted(&file.path)));
        line(format_args!("size = {}\nmodified = {}\nstart = {}", file.size, quoted(&file.modified), file.start));
        if file.is_stream {
            line(format_args!("decoded = true"));
        }
        if let Some(header) = file.header {
            line(format_args!("header = {header}"));
        }
    }
    text
}

/// A text in quotes, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn option_text(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) => quoted(text),
        OptionValue::Boolean(truth) => truth.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::List(items) => format!("[{}]", items.iter().map(option_text).collect::<Vec<_>>().join(", ")),
        OptionValue::Map(items) => {
            let pairs = items.iter().map(|(key, value)| format!("{} = {}", quoted(key), option_text(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Reads a schema file.
///
/// # Errors
/// A data error that names line and key, where the text is no schema file.
pub fn parse(path: &Path, text: &str) -> Result<SchemaFile> {
    let source = Source { path, text };
    let root = DeTable::parse(text).map_err(|error| {
        source.wrong(error.span().unwrap_or(0..0), &format!("is no TOML: {}", error.message().replace('\n', ", ")))
    })?;
    let root = Entries { source, name: String::new(), table: root.get_ref(), span: 0..0 };
    root.only(&["version", "dialect", "options", "partitions", "columns", "headers", "files"])?;
    let version = root.integer("version")?;
    if version != VERSION as u64 {
        return Err(root.wrong("version", &format!("is {version}, and only {VERSION} can be read")));
    }
    let dialect = root.table("dialect")?;
    dialect.only(&["delimiter", "quote", "header"])?;
    let delimiter = dialect.delimiter("delimiter")?;
    let options = match root.has("options") {
        true => root.table("options")?.options()?,
        false => Options::new(),
    };
    let partitions = match root.has("partitions") {
        true => {
            let table = root.table("partitions")?;
            table.keys().map(|name| Ok((name.to_string(), table.data_type(name)?))).collect::<Result<Vec<_>>>()?
        }
        false => Vec::new(),
    };
    let mut columns: Vec<Column> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    let tables = root.tables("columns")?;
    for column in &tables {
        column.only(&["name", "type", "declared"])?;
        let (name, data_type) = (column.text("name")?, column.data_type("type")?);
        if !known.insert(name) {
            return Err(column.wrong("name", &format!("is \"{name}\" for the second time")));
        }
        let inferred = !(column.has("declared") && column.boolean("declared")?);
        columns.push(Column { name: name.to_string(), data_type, inferred });
    }
    let mut headers: Vec<Arc<[String]>> = Vec::new();
    for header in root.tables("headers")? {
        header.only(&["names"])?;
        let names = header.texts("names")?;
        if let Some(stranger) = names.iter().find(|name| !known.contains(name.as_str())) {
            return Err(header.wrong("names", &format!("holds \"{stranger}\", which is not among the columns")));
        }
        headers.push(names.into());
    }
    let mut files = Vec::new();
    for file in root.tables("files")? {
        file.only(&["path", "size", "modified", "start", "decoded", "header"])?;
        let header = match file.has("header") {
            true => Some(file.integer("header")? as usize),
            false => None,
        };
        if header.is_some_and(|header| header >= headers.len()) {
            return Err(file.wrong("header", &format!("is not below {}, the number of headers", headers.len())));
        }
        let (size, start) = (file.integer("size")?, file.integer("start")?);
        let is_stream = file.has("decoded") && file.boolean("decoded")?;
        if start > size && !is_stream {
            return Err(file.wrong("start", "lies behind the end of the file"));
        }
        let (path, modified) = (file.text("path")?.to_string(), file.text("modified")?.to_string());
        files.push(KnownFile { path, size, modified, is_stream, start, header });
    }
    Ok(SchemaFile {
        path: path.to_path_buf(),
        delimiter,
        quote: dialect.byte("quote")?,
        has_header: dialect.boolean("header")?,
        options,
        partitions,
        columns,
        headers,
        files,
    })
}

/// The error of options in a schema file that `read_csv` does not take.
pub fn damaged_options(path: &Path, error: &Error) -> Error {
    Error::data(format!("the key 'options' of the schema file '{}': {}", path.display(), error.kind().message))
        .with_file(path)
        .with_hint(REMEDY)
}

const REMEDY: &str = "mend it, or write it anew by highwater schema … -o FILE --existing overwrite";

/// The file that is read, for errors.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn wrong(&self, span: Range<usize>, what: &str) -> Error {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count() as u64;
        Error::data(format!("the schema file '{}' {what}", self.path.display()))
            .with_location(DataLocation {
                file: Some(self.path.to_path_buf()),
                line: Some(line),
                ..DataLocation::default()
            })
            .with_hint(REMEDY)
    }
}

/// A table of the file, with its name.
struct Entries<'a> {
    source: Source<'a>,
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
}

impl<'a> Entries<'a> {
    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_string() } else { format!("{}.{key}", self.name) }
    }

    /// An error about the value of a key, or about the table, where it lacks the key.
    fn wrong(&self, key: &str, what: &str) -> Error {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.source.wrong(span, &format!("is damaged: the key '{}' {what}", self.full_name(key)))
    }

    fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        // In the order of the file.
        let mut keys: Vec<_> = self.table.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        keys.into_iter().map(|key| &**key.get_ref())
    }

    fn only(&self, known: &[&str]) -> Result<()> {
        match self.keys().find(|key| !known.contains(key)) {
            Some(key) => Err(self.wrong(key, &format!("is none of {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    fn get<T>(&self, key: &str, kind: &str, value: impl Fn(&'a DeValue<'a>) -> Option<T>) -> Result<T> {
        match self.table.get(key) {
            None => Err(self.wrong(key, "is missing")),
            Some(found) => value(found.get_ref()).ok_or_else(|| self.wrong(key, &format!("is no {kind}"))),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str> {
        self.get(key, "text", DeValue::as_str)
    }

    fn boolean(&self, key: &str) -> Result<bool> {
        self.get(key, "truth value", DeValue::as_bool)
    }

    fn integer(&self, key: &str) -> Result<u64> {
        self.get(key, "whole number", |value| value.as_integer().and_then(|number| number.as_str().parse().ok()))
    }

    fn delimiter(&self, key: &str) -> Result<Delimiter> {
        let text = self.text(key)?;
        if text.contains(['\n', '\r', '\0']) {
            return Err(self.wrong(key, "has a line end"));
        }
        Delimiter::new(text.as_bytes()).ok_or_else(|| {
            let problem = if text.is_empty() { "is empty" } else { "is longer than 8 bytes" };
            self.wrong(key, problem)
        })
    }

    fn byte(&self, key: &str) -> Result<Option<u8>> {
        match self.text(key)?.as_bytes() {
            [] => Ok(None),
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(Some(*byte)),
            _ => Err(self.wrong(key, "is not one ASCII character")),
        }
    }

    fn data_type(&self, key: &str) -> Result<DataType> {
        parse_type(self.text(key)?).map_err(|error| self.wrong(key, &format!("is wrong: {}", error.kind().message)))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>> {
        self.get(key, "list of texts", |value| {
            value.as_array()?.iter().map(|item| item.get_ref().as_str().map(String::from)).collect()
        })
    }

    fn table(&self, key: &str) -> Result<Entries<'a>> {
        let table = self.get(key, "table", DeValue::as_table)?;
        let span = self.table.get(key).map_or(0..0, Spanned::span);
        Ok(Entries { source: self.source, name: self.full_name(key), table, span })
    }

    /// The tables `[[key]]`; none, where there is no such key.
    fn tables(&self, key: &str) -> Result<Vec<Entries<'a>>> {
        if !self.has(key) {
            return Ok(Vec::new());
        }
        self.get(key, "list of tables", |value| {
            let entries = |item: &'a Spanned<DeValue<'a>>| {
                let table = item.get_ref().as_table()?;
                Some(Entries { source: self.source, name: self.full_name(key), table, span: item.span() })
            };
            value.as_array()?.iter().map(entries).collect()
        })
    }

    fn options(&self) -> Result<Options> {
        let value = |key: &str| self.get(key, "value of an option", option_value);
        self.keys().map(|key| Ok((key.to_string(), value(key)?))).collect()
    }
}

fn option_value(value: &DeValue<'_>) -> Option<OptionValue> {
    Some(match value {
        DeValue::String(text) => OptionValue::Text(text.to_string()),
        DeValue::Integer(number) => OptionValue::Number(number.as_str().parse().ok()?),
        DeValue::Float(number) => OptionValue::Number(number.as_str().parse().ok()?),
        DeValue::Boolean(truth) => OptionValue::Boolean(*truth),
        DeValue::Array(items) => {
            OptionValue::List(items.iter().map(|item| option_value(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                Some((key.to_string(), option_value(value.get_ref())?))
            };
            OptionValue::Map(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}
