//! Reading Arrow's IPC files (also known as Feather) and streams: many files as one table, by column names.
//!
//! A file tells in its footer where its batches are: each is a partition, of which the memory is reserved before it is read. A
//! stream has none, and is one partition. What is encoded by dictionaries or runs is decoded; what the engine has no type for is an error
//! that names the columns, unless `skip_unsupported = true` leaves them out, and so is a value that does not fit, as for Parquet.

mod file;
mod source;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};

use self::file::IpcFile;
use self::source::{IpcSource, OutputColumn};
use super::hive::{HiveOptions, HivePartitioning, add_partitions, files_to_read, parse_hive_types, partition_columns};
use super::option_values::{boolean, unknown};
use super::options::{OptionValue, Options};
use super::source::{ScanRequest, Source, Table};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::types::coercion::common_type;
use crate::types::{DataType, Field, Scalar, Schema, SchemaRef, TEXT, sql_name};

/// The options' names.
const KNOWN: [&str; 5] = ["filename", "union_by_name", "skip_unsupported", "hive_partitioning", "hive_types"];

/// How files are read.
#[derive(Clone, Debug, Default)]
struct ReadOptions {
    /// The name of a column that tells each row's file.
    filename: Option<String>,
    /// Columns of types that the engine does not have are left out.
    skip_unsupported: bool,
    hive: HiveOptions,
}

impl ReadOptions {
    fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in options {
            match name.as_str() {
                "filename" | "include_path_column" => {
                    parsed.filename = match value {
                        OptionValue::Text(column) if boolean(name, value).is_err() => Some(column.clone()),
                        _ => boolean(name, value)?.then(|| "filename".to_string()),
                    };
                }
                "union_by_name" if boolean(name, value)? => {}
                "union_by_name" => {
                    return Err(Error::usage("columns of several files are always matched by name")
                        .with_hint("leave union_by_name out"));
                }
                "skip_unsupported" => parsed.skip_unsupported = boolean(name, value)?,
                "hive_partitioning" => {
                    parsed.hive.partitioning = HivePartitioning::parse(value)
                        .ok_or_else(|| Error::usage("the option 'hive_partitioning' is true, false or 'auto'"))?;
                }
                "hive_types" => {
                    parsed.hive.types = parse_hive_types(value)?.ok_or_else(|| {
                        Error::usage("the option 'hive_types' is a map of names: hive_types = {'year': 'INTEGER'}")
                    })?;
                }
                _ => return Err(unknown("reading Arrow", name, &KNOWN)),
            }
        }
        Ok(parsed)
    }
}

/// Arrow files as one table. Columns are matched by name; one that a file lacks is null in its rows.
#[derive(Debug)]
pub struct ArrowTable {
    paths: Vec<PathBuf>,
    files: Vec<Arc<IpcFile>>,
    schema: SchemaRef,
    /// The index of the column that tells the file.
    filename: Option<usize>,
    /// Columns that stand in paths: the index of each, and its value for each file.
    partitions: Vec<(usize, ArrayRef)>,
}

impl ArrowTable {
    /// Reads what all files say about themselves, and brings them to one schema. The options are `filename`, `union_by_name`,
    /// `hive_partitioning`, `hive_types` and `skip_unsupported`.
    ///
    /// # Errors
    /// A usage error for options that do not fit; a data error for a file that cannot be read or is not Arrow, for
    /// columns of types that the engine does not have, and for those whose types in two files have none in common.
    pub fn open(paths: Vec<PathBuf>, options: &Options, config: &Config) -> Result<Arc<Self>> {
        let options = ReadOptions::parse(options)?;
        let open = |path: &PathBuf| Ok(Arc::new(IpcFile::open(path, options.skip_unsupported, &config.time_zone)?));
        let files = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut fields = reconcile(&files)?;
        let in_paths = partition_columns(paths.iter().map(PathBuf::as_path), &options.hive, config)?;
        let filename = options.filename.as_ref().map(|_| fields.len());
        if let Some(name) = options.filename {
            let is_taken = fields.iter().any(|field| *field.name() == name)
                || in_paths.iter().any(|partition| partition.name.eq_ignore_ascii_case(&name));
            if is_taken {
                return Err(Error::usage(format!("the files have a column \"{name}\" already"))
                    .with_hint("give the column of file names another one: filename = 'source'"));
            }
            fields.push(Field::new(name, TEXT, true));
        }
        let partitions = add_partitions(&mut fields, in_paths);
        Ok(Arc::new(Self { paths, files, schema: Arc::new(Schema::new(fields)), filename, partitions }))
    }

    /// The files, in the order of the rows.
    pub fn files(&self) -> &[PathBuf] {
        &self.paths
    }

    /// One of the files as a table of its own, with the schema of all; `None` where there is no such file.
    pub fn for_file(&self, index: usize) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            paths: vec![self.paths.get(index)?.clone()],
            files: vec![self.files.get(index)?.clone()],
            schema: self.schema.clone(),
            filename: self.filename,
            partitions: self.partitions.iter().map(|(column, values)| (*column, values.slice(index, 1))).collect(),
        }))
    }

    /// The value that a column has in all rows of a file, where it tells the file or stands in its path.
    fn constant(&self, column: usize, index: usize) -> Option<Scalar> {
        if self.filename == Some(column) {
            return Some(Scalar::text(&self.paths.get(index)?.to_string_lossy()));
        }
        let (_, values) = self.partitions.iter().find(|(known, _)| *known == column)?;
        Some(Scalar::from_array(values, index))
    }

    /// Which files the conditions leave to be read.
    fn files_to_read(&self, request: &ScanRequest, context: &QueryContext) -> Vec<bool> {
        let mut constants = self.partitions.clone();
        if let Some(column) = self.filename {
            let paths = self.paths.iter().map(|path| path.to_string_lossy());
            constants.push((column, Arc::new(StringViewArray::from_iter_values(paths))));
        }
        files_to_read(self.files.len(), &constants, &request.filters, &context.config)
    }
}

/// One schema for all files: columns in the order in which they are first met, types merged.
fn reconcile(files: &[Arc<IpcFile>]) -> Result<Vec<Field>> {
    let mut merged: Vec<(String, DataType, &Path)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for file in files {
        for column in &file.columns {
            let place = *places.entry(&column.name).or_insert(merged.len());
            let Some((_, data_type, origin)) = merged.get_mut(place) else {
                merged.push((column.name.clone(), column.data_type.clone(), &file.path));
                continue;
            };
            match common_type(data_type, &column.data_type) {
                Some(common) if common == *data_type => {}
                Some(common) => (*data_type, *origin) = (common, &file.path),
                None => {
                    return Err(Error::data(format!(
                        "the column \"{}\" is {} in '{}' and {} in '{}'",
                        column.name,
                        sql_name(data_type),
                        origin.display(),
                        sql_name(&column.data_type),
                        file.path.display()
                    ))
                    .with_column(&column.name)
                    .with_file(&file.path)
                    .with_hint("read the files apart, cast the column, and join them by UNION ALL"));
                }
            }
        }
    }
    Ok(merged.into_iter().map(|(name, data_type, _)| Field::new(name, data_type, true)).collect())
}

impl Table for ArrowTable {
    fn describe(&self) -> String {
        match self.paths.as_slice() {
            [path] => format!("arrow '{}'", path.display()),
            paths => {
                let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
                format!("arrow '{}', … ({} files)", first.display(), paths.len())
            }
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let projection = request.projection.clone().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let keep = self.files_to_read(request, context);
        let mut files = Vec::new();
        for (index, (file, _)) in self.files.iter().zip(&keep).enumerate().filter(|(_, (_, keep))| **keep) {
            let output = |&column: &usize| {
                let field = self.schema.field(column);
                match (self.constant(column, index), file.column(field.name())) {
                    (Some(value), _) => OutputColumn::Constant(value),
                    (None, Some(found)) => OutputColumn::Read { column: found, to: field.data_type().clone() },
                    (None, None) => OutputColumn::Constant(Scalar::null(field.data_type())),
                }
            };
            files.push((file.clone(), projection.iter().map(output).collect()));
        }
        let limit = request.limit.filter(|_| request.filters.is_empty());
        let pruned = self.files.len() - files.len();
        Ok(Arc::new(IpcSource::new(schema, files, limit, context.config.partition_bytes, pruned)))
    }
}
