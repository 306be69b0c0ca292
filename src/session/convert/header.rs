//! What decides on the bytes of the outputs, as the manifest keeps it: options and settings, and how the columns are laid out.

use std::collections::BTreeMap;
use std::env;

use serde_json::{Map, Value};

use super::manifest::Header;
use super::{ConvertOptions, Layout};
use crate::config::Config;
use crate::error::Result;
use crate::io::options::{OptionValue, Options};
use crate::io::write::{OutputFormat, SortedBy, WriteOptions};
use crate::types::{SchemaRef, sql_name};

/// All that decides on the bytes of the outputs.
pub(super) fn header(convert: &ConvertOptions, format: OutputFormat, schema: &SchemaRef, config: &Config) -> Header {
    let mut options: BTreeMap<String, Value> = BTreeMap::new();
    let mut add = |room: &str, given: &Options| {
        for (name, value) in given.iter().filter(|(name, _)| !matches!(name.as_str(), "existing" | "format")) {
            options.insert(format!("{room}.{name}"), value_of(value));
        }
    };
    add("read", &convert.read);
    add("write", &convert.write);
    let layout = match convert.layout {
        Layout::PerFile => "per-file",
        Layout::Merge => "merge",
        Layout::Partition => "partition",
    };
    options.insert("layout".into(), layout.into());
    if !convert.sort_by.is_empty() {
        let key = |key: &SortedBy| {
            let direction = if key.descending { " DESC" } else { "" };
            let nulls = if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" };
            Value::from(format!("{}{direction}{nulls}", key.name))
        };
        options.insert("sort_by".into(), convert.sort_by.iter().map(key).collect());
    }
    options.insert("format".into(), format.extension().into());
    options.insert("settings.batch_size".into(), config.batch_size.into());
    options.insert("settings.partition_bytes".into(), config.partition_bytes.into());
    options.insert("settings.time_zone".into(), config.time_zone.clone().into());
    if let Some(schema_file) = &config.schema_file {
        options.insert("settings.schema_file".into(), schema_file.to_string_lossy().into());
    }
    if convert.read.iter().any(|(name, _)| name == "filename") {
        // Names are told as they are given.
        let folder = env::current_dir().unwrap_or_default();
        options.insert("settings.folder".into(), folder.to_string_lossy().into());
    }
    let fields = schema.fields().iter();
    Header {
        version: env!("CARGO_PKG_VERSION").into(),
        options,
        schema: fields.map(|field| (field.name().clone(), sql_name(field.data_type()))).collect(),
        replaces: false,
    }
}

fn value_of(value: &OptionValue) -> Value {
    match value {
        OptionValue::Text(text) => text.as_str().into(),
        OptionValue::Boolean(boolean) => (*boolean).into(),
        OptionValue::Number(number) => (*number).into(),
        OptionValue::List(items) => items.iter().map(value_of).collect(),
        OptionValue::Map(items) => {
            items.iter().map(|(name, item)| (name.clone(), value_of(item))).collect::<Map<_, _>>().into()
        }
    }
}

fn option_of(value: &Value) -> Option<OptionValue> {
    Some(match value {
        Value::String(text) => OptionValue::Text(text.clone()),
        Value::Bool(boolean) => OptionValue::Boolean(*boolean),
        Value::Number(number) => OptionValue::Number(number.as_f64()?),
        Value::Array(items) => OptionValue::List(items.iter().map(option_of).collect::<Option<_>>()?),
        Value::Object(items) => {
            let item = |(name, value): (&String, &Value)| Some((name.clone(), option_of(value)?));
            OptionValue::Map(items.iter().map(item).collect::<Option<_>>()?)
        }
        Value::Null => return None,
    })
}

impl Header {
    /// The options of reading or of writing, as they were given: `read` or `write`.
    pub fn given(&self, room: &str) -> Options {
        let own = |(name, value): (&String, &Value)| {
            Some((name.strip_prefix(room)?.strip_prefix('.')?.to_string(), option_of(value)?))
        };
        self.options.iter().filter_map(own).collect()
    }

    /// How its columns are laid out in files.
    ///
    /// # Errors
    /// Those of options that do not fit, which a manifest that nobody changed does not have.
    pub fn columns(&self) -> Result<FileColumns> {
        let folder = WriteOptions::parse(&self.given("write"))?.folder;
        let names: Vec<&str> = self.schema.iter().map(|(name, _)| name.as_str()).collect();
        let partitions = folder.partition_places(&names)?;
        let in_files = folder.file_columns(names.len(), &partitions);
        let in_paths = if folder.write_partition_columns { Vec::new() } else { partitions };
        Ok(FileColumns { in_files, in_paths })
    }

    /// The format of the outputs.
    pub fn format(&self) -> Option<OutputFormat> {
        OutputFormat::from_name(self.options.get("format")?.as_str()?).ok()
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.options.get(&format!("settings.{name}"))?.as_str()
    }
}

/// Where columns stand, as positions among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileColumns {
    /// Those that files hold.
    pub in_files: Vec<usize>,
    /// Those that only the paths of files tell, outermost first.
    pub in_paths: Vec<usize>,
}
