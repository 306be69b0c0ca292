//! JSON files as one table: one schema for all of them, and their partitions.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::JsonOptions;
use super::reader::JsonSource;
use super::survey::survey;
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{DataLocation, Error, Result};
use crate::io::csv::file::InputFile;
use crate::io::csv::locate::{line_of, shortened};
use crate::io::path_columns::{PathColumns, PathOptions};
use crate::io::source::{ScanRequest, Source, Table};
use crate::memory::MemoryPool;
use crate::types::temporal::{Zone, parse_zone};
use crate::types::{DataType, Field, Scalar, Schema, SchemaRef, list_item, list_of, timestamp_tz};

/// JSON files as one table. Columns are the keys of all files, in the order in which they are first met; where a record lacks one, it is
/// null.
#[derive(Debug)]
pub struct JsonTable {
    pub(super) layout: Arc<TableLayout>,
    files: Vec<Arc<JsonFile>>,
    label: String,
}

/// What all files of a table have in common.
#[derive(Debug)]
pub(super) struct TableLayout {
    pub schema: SchemaRef,
    /// Whether each column's type was inferred, and not declared.
    pub inferred: Vec<bool>,
    /// The keys by which records have columns; `None` for one that is taken from paths instead.
    pub keys: Vec<(String, Option<usize>)>,
    pub in_paths: PathColumns,
    /// The zone of timestamps whose text has none.
    pub zone: Zone,
    pub options: JsonOptions,
}

impl TableLayout {
    /// The value that a column has in all rows of a file; `None` where records hold it.
    pub fn constant(&self, column: usize, file: &JsonFile) -> Option<Scalar> {
        self.in_paths.constant(column, file.index)
    }
}

/// One file of a table.
#[derive(Debug)]
pub(super) struct JsonFile {
    pub input: Arc<InputFile>,
    /// Its place among the files that were opened together.
    pub index: usize,
    /// Whether a record is a line; else it is an item of an array, or a value behind others.
    pub is_lines: bool,
}

impl JsonTable {
    /// Looks at the files and makes one table of them.
    ///
    /// # Errors
    /// A usage error for options that do not fit, a data error for files that cannot be read or tell no columns.
    pub fn open(
        paths: Vec<PathBuf>,
        options: JsonOptions,
        config: &Config,
        memory: &Arc<MemoryPool>,
    ) -> Result<Arc<Self>> {
        let (files, shapes) = survey(&paths, &options, config, memory)?;
        // Names as the files have them; a type may be for a key that no sample showed.
        let mut types: Vec<(String, DataType)> = options.types.clone();
        for (name, _) in &mut types {
            let is_known = shapes.columns.iter().any(|(known, _)| known == name);
            let mut like = shapes.columns.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            if let (false, Some((known, _)), None) = (is_known, like.next(), like.next()) {
                name.clone_from(known);
            }
        }
        let (mut fields, mut inferred) = (Vec::new(), Vec::new());
        for (name, shape) in &shapes.columns {
            let declared = types.iter().find(|(known, _)| known == name);
            let data_type = match declared {
                Some((_, declared)) => in_zone(declared, &config.time_zone),
                None => shape.data_type(&config.time_zone),
            };
            fields.push(Field::new(name, data_type, true));
            inferred.push(declared.is_none());
        }
        let known: HashSet<&str> = shapes.columns.iter().map(|(name, _)| name.as_str()).collect();
        for (name, declared) in types.iter().filter(|(name, _)| !known.contains(name.as_str())) {
            fields.push(Field::new(name, in_zone(declared, &config.time_zone), true));
            inferred.push(false);
        }
        if fields.is_empty() {
            return Err(no_columns(&paths));
        }
        let mut keys: Vec<(String, Option<usize>)> =
            fields.iter().enumerate().map(|(column, field)| (field.name().clone(), Some(column))).collect();
        let shared = &options.shared;
        let wanted = PathOptions { filename: shared.filename.clone(), hive: shared.hive.clone() };
        let in_paths = PathColumns::add(paths.iter().map(PathBuf::as_path), &wanted, &mut fields, config)?;
        inferred.resize(fields.len(), false);
        for (_, column) in &mut keys {
            if column.is_some_and(|column| in_paths.contains(column)) {
                *column = None;
            }
        }
        let zone = parse_zone(&config.time_zone)?;
        let schema = Arc::new(Schema::new(fields));
        let layout = TableLayout { schema, inferred, keys, in_paths, zone, options };
        let label = paths.first().map_or_else(String::new, |path| path.display().to_string());
        Ok(Arc::new(Self { layout: Arc::new(layout), files, label }))
    }

    /// The same table with another name for EXPLAIN, such as the glob that the user wrote.
    #[must_use]
    pub fn with_label(&self, label: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { layout: self.layout.clone(), files: self.files.clone(), label: label.into() })
    }

    /// The files, in the order of their rows.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|file| file.input.path())
    }

    /// The table of one of the files, by its index in [`files`](Self::files), with the schema of all; `None` where there
    /// is no such file.
    pub fn for_file(&self, index: usize) -> Option<Arc<Self>> {
        let file = self.files.get(index)?.clone();
        let label = file.input.path().display().to_string();
        Some(Arc::new(Self { layout: self.layout.clone(), files: vec![file], label }))
    }

    /// The files that may hold rows which the conditions keep.
    fn files_for(&self, request: &ScanRequest, context: &QueryContext) -> Result<Vec<Arc<JsonFile>>> {
        let places = self.files.iter().map(|file| file.index);
        let keep = self.layout.in_paths.files_to_read(places, &request.filters, &context.config)?;
        Ok(self.files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file.clone()).collect())
    }
}

impl Table for JsonTable {
    fn describe(&self) -> String {
        match self.files.len() {
            1 => format!("json '{}'", self.label),
            count => format!("json '{}' ({count} files)", self.label),
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let files = self.files_for(request, context)?;
        let pruned = self.files.len() - files.len();
        Ok(Arc::new(JsonSource::new(&self.layout, files, request, context)?.with_files_pruned(pruned)))
    }
}

/// A declared type; timestamps with zone are shown in that of the session.
fn in_zone(declared: &DataType, zone: &str) -> DataType {
    match (declared, list_item(declared)) {
        (DataType::Timestamp(_, Some(_)), _) => timestamp_tz(zone),
        (_, Some(DataType::Timestamp(_, Some(_)))) => list_of(timestamp_tz(zone)),
        (declared, _) => declared.clone(),
    }
}

fn no_columns(paths: &[PathBuf]) -> Error {
    let what = match paths {
        [path] => format!("'{}' has no record, so that its columns are not known", path.display()),
        paths => format!("none of {} files has a record, so that their columns are not known", paths.len()),
    };
    let error = Error::data(what).with_hint("name columns by columns = {'column': 'TYPE'}");
    match paths.first() {
        Some(path) => error.with_file(path),
        None => error,
    }
}

/// A place in a file.
pub(super) fn location(input: &InputFile, offset: u64, column: Option<&str>, raw: &[u8]) -> DataLocation {
    DataLocation {
        file: Some(input.path().to_path_buf()),
        line: line_of(input, offset),
        byte_offset: Some(offset),
        column: column.map(String::from),
        raw: Some(shortened(raw)),
    }
}

/// A record that cannot be read.
pub(super) fn broken_record(input: &InputFile, offset: u64, what: &str, record: &[u8]) -> Error {
    Error::data(format!("a record cannot be read: it is {what}"))
        .with_location(location(input, offset, None, record))
        .with_hint(
            "on_error = 'reject' leaves such records out; objects over several lines need format = 'unstructured'",
        )
}
