//! What the footers of files say, as tables: `parquet_metadata('…')`, a row for each column of each row group, and
//! `parquet_schema('…')`, a row for each element of the schema. Names of columns are DuckDB's.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::SchemaRef;
use parquet::basic::{LogicalType, Repetition};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::Type;

use super::ReadOptions;
use super::file::ParquetFile;
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::Result;
use crate::io::nested::Step;
use crate::io::source::{MemorySource, ScanRequest, Source, Table};
use crate::types::sql_name;
use crate::types::temporal::format_value;

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParquetFacts {
    /// A row for each column of each row group.
    Metadata,
    /// A row for each element of the schema, groups before what is in them.
    Schema,
}

/// A table of facts, read when it was opened.
#[derive(Debug)]
pub struct ParquetFactsTable {
    facts: ParquetFacts,
    rows: RecordBatch,
    schema: SchemaRef,
}

impl ParquetFactsTable {
    /// Reads the footers of the files.
    ///
    /// # Errors
    /// A data error for a file that cannot be read or is no Parquet file.
    pub fn open(facts: ParquetFacts, files: &[PathBuf], config: &Config) -> Result<Arc<Self>> {
        // Whatever the types of columns are: to see those is what one asks for.
        let options = ReadOptions { skip_unsupported: true, ..ReadOptions::default() };
        let opened = files.iter().map(|path| ParquetFile::open(path, &options, &config.time_zone));
        let opened = opened.collect::<Result<Vec<_>>>()?;
        let rows = match facts {
            ParquetFacts::Metadata => metadata(&opened)?,
            ParquetFacts::Schema => schema(&opened)?,
        };
        let schema = rows.schema();
        Ok(Arc::new(Self { facts, rows, schema }))
    }
}

impl Table for ParquetFactsTable {
    fn describe(&self) -> String {
        match self.facts {
            ParquetFacts::Metadata => "parquet_metadata".into(),
            ParquetFacts::Schema => "parquet_schema".into(),
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.rows.num_rows() as u64)
    }

    fn scan(&self, request: &ScanRequest, _: &QueryContext) -> Result<Arc<dyn Source>> {
        let rows = match &request.projection {
            Some(projection) => self.rows.project(projection)?,
            None => self.rows.clone(),
        };
        Ok(MemorySource::new(rows.schema(), vec![rows]))
    }
}

/// Columns of a table in the making.
type Columns = Vec<(&'static str, ArrayRef)>;

fn texts(values: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(values))
}

fn counts(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn table(columns: Columns) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}

fn metadata(files: &[ParquetFile]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for file in files {
        for row_group in 0..file.row_groups() {
            rows.extend((0..file.row_group(row_group).num_columns()).map(|leaf| ChunkRow { file, row_group, leaf }));
        }
    }
    let text = |f: &dyn Fn(&ChunkRow<'_>) -> Option<String>| texts(rows.iter().map(f).collect());
    let count = |f: &dyn Fn(&ChunkRow<'_>) -> Option<i64>| counts(rows.iter().map(f));
    let positive = |value: i64| (value > 0).then_some(value);
    table(vec![
        ("file_name", text(&|row| Some(row.file.path.display().to_string()))),
        ("row_group_id", count(&|row| i64::try_from(row.row_group).ok())),
        ("row_group_num_rows", count(&|row| Some(row.file.row_group(row.row_group).num_rows()))),
        ("row_group_bytes", count(&|row| Some(row.file.row_group(row.row_group).total_byte_size()))),
        ("column_id", count(&|row| i64::try_from(row.leaf).ok())),
        ("path_in_schema", text(&|row| Some(row.chunk().column_path().string()))),
        ("type", text(&|row| Some(row.chunk().column_type().to_string()))),
        ("num_values", count(&|row| Some(row.chunk().num_values()))),
        ("stats_min", text(&|row| row.bound(false))),
        ("stats_max", text(&|row| row.bound(true))),
        (
            "stats_null_count",
            count(&|row| {
                row.chunk()
                    .statistics()
                    .and_then(|found| found.null_count_opt())
                    .and_then(|nulls| nulls.try_into().ok())
            }),
        ),
        ("compression", text(&|row| Some(row.compression()))),
        (
            "encodings",
            text(&|row| {
                let mut encodings: Vec<String> = row.chunk().encodings().map(|encoding| encoding.to_string()).collect();
                encodings.sort_unstable();
                Some(encodings.join(", "))
            }),
        ),
        ("dictionary_page_offset", count(&|row| row.chunk().dictionary_page_offset())),
        ("data_page_offset", count(&|row| Some(row.chunk().data_page_offset()))),
        ("total_compressed_size", count(&|row| Some(row.chunk().compressed_size()))),
        ("total_uncompressed_size", count(&|row| Some(row.chunk().uncompressed_size()))),
        ("column_index_length", count(&|row| row.chunk().column_index_length().and_then(|n| positive(n.into())))),
        ("offset_index_length", count(&|row| row.chunk().offset_index_length().and_then(|n| positive(n.into())))),
        ("bloom_filter_length", count(&|row| row.chunk().bloom_filter_length().and_then(|n| positive(n.into())))),
    ])
}

/// One column of one row group.
struct ChunkRow<'a> {
    file: &'a ParquetFile,
    row_group: usize,
    leaf: usize,
}

impl ChunkRow<'_> {
    fn chunk(&self) -> &ColumnChunkMetaData {
        self.file.row_group(self.row_group).column(self.leaf)
    }

    /// The least or greatest value, where the footer has one to rely on.
    fn bound(&self, greatest: bool) -> Option<String> {
        let column = self.file.columns.iter().position(|column| column.leaf == self.leaf)?;
        let bounds = self.file.bounds(column, self.row_group, &self.file.columns[column].data_type)?;
        let bound = if greatest { bounds.max } else { bounds.min };
        format_value(bound?.as_array(), 0)
    }

    /// The codec, without the level, which files do not know.
    fn compression(&self) -> String {
        let shown = self.chunk().compression().to_string();
        shown.split('(').next().unwrap_or_default().to_string()
    }
}

fn schema(files: &[ParquetFile]) -> Result<RecordBatch> {
    let mut rows: Vec<Element<'_>> = Vec::new();
    for file in files {
        collect(file, file.metadata.parquet_schema().root_schema(), None, &mut 0, &mut rows);
    }
    let text = |f: &dyn Fn(&Element<'_>) -> Option<String>| texts(rows.iter().map(f).collect());
    let number = |f: &dyn Fn(&Type) -> Option<i32>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, element, _)| f(element)).collect::<Int32Array>())
    };
    let primitive = |element: &Type| element.is_primitive().then(|| element.get_physical_type());
    let engine_type = |(file, _, name): &Element<'_>| {
        let column = file.columns.iter().find(|column| Some(&column.name) == name.as_ref())?;
        Some(sql_name(&column.data_type))
    };
    table(vec![
        ("file_name", text(&|(file, _, _)| Some(file.path.display().to_string()))),
        ("name", text(&|(_, element, _)| Some(element.name().to_string()))),
        ("type", text(&|(_, element, _)| primitive(element).map(|found| found.to_string()))),
        (
            "type_length",
            number(&|element| match element {
                Type::PrimitiveType { type_length, .. } => (*type_length > 0).then_some(*type_length),
                Type::GroupType { .. } => None,
            }),
        ),
        (
            "repetition_type",
            text(&|(_, element, _)| {
                let info = element.get_basic_info();
                info.has_repetition().then(|| match info.repetition() {
                    Repetition::REQUIRED => "REQUIRED".into(),
                    Repetition::OPTIONAL => "OPTIONAL".into(),
                    Repetition::REPEATED => "REPEATED".into(),
                })
            }),
        ),
        (
            "num_children",
            number(&|element| {
                (!element.is_primitive()).then(|| i32::try_from(element.get_fields().len()).unwrap_or(i32::MAX))
            }),
        ),
        ("logical_type", text(&|(_, element, _)| element.get_basic_info().logical_type_ref().map(logical_name))),
        (
            "precision",
            number(&|element| match element {
                Type::PrimitiveType { precision, .. } => (*precision > 0).then_some(*precision),
                Type::GroupType { .. } => None,
            }),
        ),
        (
            "scale",
            number(&|element| match element {
                Type::PrimitiveType { scale, precision, .. } => (*precision > 0).then_some(*scale),
                Type::GroupType { .. } => None,
            }),
        ),
        (
            "field_id",
            number(&|element| {
                let info = element.get_basic_info();
                info.has_id().then(|| info.id())
            }),
        ),
        // What a column or field is here; null for what cannot be read, and for what is not read by itself.
        ("column_type", text(&engine_type)),
    ])
}

/// An element of a file's schema, with the name that it would have as a column; the root has none.
type Element<'a> = (&'a ParquetFile, &'a Type, Option<String>);

/// The elements of a schema, groups first.
fn collect<'a>(
    file: &'a ParquetFile,
    element: &'a Type,
    name: Option<String>,
    leaf: &mut usize,
    rows: &mut Vec<Element<'a>>,
) {
    if !element.is_group() {
        // What lies in a list of structs or a map is a column of another name than its path.
        let part = file.columns.iter().find(|column| column.leaf == *leaf && column.path.contains(&Step::Items));
        rows.push((file, element, part.map(|part| part.name.clone()).or(name)));
        *leaf += 1;
        return;
    }
    rows.push((file, element, name.clone()));
    for field in element.get_fields() {
        let below = name.as_ref().map_or(field.name().to_string(), |name| format!("{name}.{}", field.name()));
        collect(file, field, Some(below), leaf, rows);
    }
}

fn logical_name(logical: &LogicalType) -> String {
    format!("{logical:?}")
}
