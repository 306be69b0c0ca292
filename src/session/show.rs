//! The small tables of DESCRIBE and SHOW.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::batch::record_batch;
use crate::config::{Config, SETTINGS, suggest};
use crate::error::{Error, Result};
use crate::functions::{aggregate, scalar};
use crate::types::{TEXT, sql_name};

/// Key of a schema's metadata: the only column is text that is laid out already, line by line.
pub const LAID_OUT_KEY: &str = "highwater.laid_out";

/// A text as one column, a row a line.
pub(super) fn laid_out(name: &str, text: &str) -> Result<RecordBatch> {
    let lines: ArrayRef = Arc::new(StringViewArray::from_iter_values(text.lines()));
    let schema = Schema::new(vec![Field::new(name, TEXT, true)]);
    let metadata = HashMap::from([(LAID_OUT_KEY.to_string(), String::new())]);
    let rows = lines.len();
    record_batch(&Arc::new(schema.with_metadata(metadata)), vec![lines], rows)
}

/// `column`, `type`.
pub(super) fn describe(schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = schema.fields().iter().map(|field| [field.name().clone(), sql_name(field.data_type())]);
    table(["column", "type"], rows)
}

/// `name`, `columns`.
pub(super) fn tables(tables: &[(String, SchemaRef)]) -> Result<RecordBatch> {
    let columns = |schema: &SchemaRef| {
        let columns = schema.fields().iter().map(|field| format!("{} {}", field.name(), sql_name(field.data_type())));
        columns.collect::<Vec<_>>().join(", ")
    };
    table(["name", "columns"], tables.iter().map(|(name, schema)| [name.clone(), columns(schema)]))
}

/// `name`, `usage`, `kind`, `meaning`.
pub(super) fn functions() -> Result<RecordBatch> {
    let scalars = scalar::all().map(|f| [f.name, f.usage, f.category, f.meaning]);
    let aggregates = aggregate::all().iter().map(|f| [f.name, f.usage, "aggregate", f.meaning]);
    // Not in the registry: it is about the groups and not about values.
    let grouping =
        ["grouping", "grouping(key, …)", "aggregate", "A bit for each key, 1 where the row's grouping set lacks it."];
    let mut rows: Vec<_> = scalars.chain(aggregates).chain([grouping]).map(|row| row.map(String::from)).collect();
    rows.sort();
    table(["name", "usage", "kind", "meaning"], rows.into_iter())
}

/// `name`, `value`, `meaning` of one setting or all.
pub(super) fn settings(config: &Config, name: Option<&str>) -> Result<RecordBatch> {
    let wanted = name.map(|name| name.to_ascii_lowercase().replace('-', "_"));
    let rows: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| wanted.as_deref().is_none_or(|wanted| wanted == setting.name))
        .map(|setting| [setting.name.to_string(), (setting.show)(config), setting.meaning.to_string()])
        .collect();
    match (&wanted, rows.is_empty()) {
        (Some(wanted), true) => {
            let error = Error::sql(format!("there is no setting '{wanted}'"));
            Err(match suggest(wanted, SETTINGS.iter().map(|setting| setting.name)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint("SHOW ALL lists them"),
            })
        }
        _ => table(["name", "value", "meaning"], rows.into_iter()),
    }
}

fn table<const N: usize>(names: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<RecordBatch> {
    let rows: Vec<[String; N]> = rows.collect();
    let columns = (0..N)
        .map(|column| Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row[column]))) as ArrayRef)
        .collect();
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, TEXT, true)).collect();
    record_batch(&Arc::new(Schema::new(fields)), columns, rows.len())
}
