//! Reading Parquet: many files as one table, a partition per row group, row groups skipped where their statistics
//! rule out every row.
//!
//! [`ParquetTable::open`] reads all footers, maps what it finds to the engine's types and brings the files to one schema by
//! column names. `scan` lists the row groups to read; each is read by whoever takes its partition, with a file handle of its own.
//!
//! Structs, lists of structs and maps are columns for their parts (`io::nested`). What the engine has no type for (lists of
//! lists, binary, decimals of more than 38 digits) is an error that names the
//! columns, unless `skip_unsupported = true` leaves them out: a column never vanishes unasked. The same holds for values: a
//! time finer than a microsecond is an error. The one exception is the legacy timestamp of 96 bits, which the Parquet reader
//! cuts to microseconds by itself; Spark, which still writes it, has no finer ones.

mod batches;
mod bloom;
mod condition;
pub(super) mod convert;
mod facts;
mod file;
mod index;
mod input;
mod partition;
mod prune;
mod source;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::batches::OutputColumn;
use self::condition::Condition;
pub use self::facts::{ParquetFacts, ParquetFactsTable};
use self::file::ParquetFile;
use self::partition::{Partition, Wanted};
use self::source::ParquetSource;
use super::hive::{HiveOptions, HivePartitioning, add_partitions, files_to_read, parse_hive_types, partition_columns};
use super::option_values::{boolean, unknown};
use super::options::{OptionValue, Options};
use super::source::{ScanRequest, Source, Table};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::types::coercion::common_type;
use crate::types::{Scalar, TEXT, sql_name};

/// The options' names, aliases left out.
const KNOWN: [&str; 6] =
    ["filename", "union_by_name", "binary_as_string", "skip_unsupported", "hive_partitioning", "hive_types"];

/// How files are read.
#[derive(Clone, Debug, Default)]
struct ReadOptions {
    /// The name of a column that tells each row's file.
    filename: Option<String>,
    /// Binary columns are text; without it, only those that the file calls text are.
    binary_as_string: bool,
    /// Columns of types that the engine does not have are left out.
    skip_unsupported: bool,
    /// How columns in paths are read.
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
                "union_by_name" => {
                    if !boolean(name, value)? {
                        return Err(Error::usage("columns of several files are always matched by name")
                            .with_hint("leave union_by_name out"));
                    }
                }
                "binary_as_string" => parsed.binary_as_string = boolean(name, value)?,
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
                _ => return Err(unknown("reading Parquet", name, &KNOWN)),
            }
        }
        Ok(parsed)
    }
}

/// Parquet files as one table. Columns are matched by name; a column that a file lacks is null in its rows.
#[derive(Debug)]
pub struct ParquetTable {
    paths: Vec<PathBuf>,
    files: Vec<Arc<ParquetFile>>,
    schema: SchemaRef,
    /// The index of the column that tells the file.
    filename: Option<usize>,
    /// Columns that stand in paths: the index of each, and its value for each file.
    partitions: Vec<(usize, ArrayRef)>,
}

impl ParquetTable {
    /// Reads the footers of all files and brings them to one schema. The options are DuckDB's `filename`,
    /// `union_by_name`, `binary_as_string`, `hive_partitioning` and `hive_types`, and `skip_unsupported`.
    ///
    /// # Errors
    /// A usage error for options that do not fit; a data error for a file that cannot be read or is no Parquet file,
    /// for columns of types that the engine does not have, and for columns whose types in two files have none in common.
    pub fn open(files: Vec<PathBuf>, options: &Options, config: &Config) -> Result<Arc<Self>> {
        let options = ReadOptions::parse(options)?;
        if files.is_empty() {
            return Err(Error::usage("there are no files to read"));
        }
        let opened = files
            .iter()
            .map(|path| Ok(Arc::new(ParquetFile::open(path, &options, &config.time_zone)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut fields = reconcile(&opened)?;
        let mut filename = None;
        if let Some(name) = options.filename {
            if fields.iter().any(|field| *field.name() == name) {
                return Err(Error::usage(format!("the files have a column \"{name}\" already"))
                    .with_hint("give the column of file names another one: filename = 'source'"));
            }
            filename = Some(fields.len());
            fields.push(Field::new(name, TEXT, true));
        }
        let in_paths = partition_columns(files.iter().map(PathBuf::as_path), &options.hive, config)?;
        if let Some(clash) = filename.and_then(|column| {
            in_paths.iter().find(|partition| partition.name.eq_ignore_ascii_case(fields[column].name()))
        }) {
            return Err(Error::usage(format!("the paths of the files have a column \"{}\" already", clash.name))
                .with_hint("give the column of file names another one: filename = 'source'"));
        }
        let partitions = add_partitions(&mut fields, in_paths);
        let schema = Arc::new(Schema::new(fields));
        Ok(Arc::new(Self { paths: files, files: opened, schema, filename, partitions }))
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
            return Some(Scalar::text(&self.files.get(index)?.path.to_string_lossy()));
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

    /// Where the columns of a scan come from, in one file.
    fn output_columns(&self, index: usize, projection: &[usize]) -> Result<Vec<OutputColumn>> {
        let file = self.files.get(index).ok_or_else(|| Error::internal(format!("there is no file {index}")))?;
        let fields = self.schema.fields();
        projection
            .iter()
            .map(|&column| {
                let field =
                    fields.get(column).ok_or_else(|| Error::internal(format!("there is no column {column}")))?;
                if let Some(value) = self.constant(column, index) {
                    return Ok(OutputColumn::Constant(value));
                }
                Ok(match file.column(field.name()) {
                    Some(found) => OutputColumn::Read { column: found, to: field.data_type().clone() },
                    None => OutputColumn::Constant(Scalar::null(field.data_type())),
                })
            })
            .collect()
    }

    /// The rows of one row group that any filter could keep: all or none.
    fn may_match(&self, index: usize, row_group: usize, request: &ScanRequest) -> bool {
        let file = &self.files[index];
        request.filters.iter().all(|filter| {
            prune::may_match(filter, &|column| {
                let field = self.schema.fields().get(column)?;
                if let Some(value) = self.constant(column, index) {
                    return Some(prune::Bounds::constant(&value));
                }
                match file.column(field.name()) {
                    Some(found) => file.bounds(found, row_group, field.data_type()),
                    None => Some(prune::Bounds::constant(&Scalar::null(field.data_type()))),
                }
            })
        })
    }
}

/// One schema for all files: columns in the order in which they are first met, types merged.
fn reconcile(files: &[Arc<ParquetFile>]) -> Result<Vec<Field>> {
    // Each column's name and type, and the file that the type came from.
    let mut merged: Vec<(String, DataType, &Path)> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    for file in files {
        for column in &file.columns {
            let Some(&position) = positions.get(&column.name) else {
                positions.insert(column.name.clone(), merged.len());
                merged.push((column.name.clone(), column.data_type.clone(), &file.path));
                continue;
            };
            let Some((_, data_type, origin)) = merged.get_mut(position) else { continue };
            let Some(common) = common_type(data_type, &column.data_type) else {
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
            };
            if common != *data_type {
                *data_type = common;
                *origin = &file.path;
            }
        }
    }
    Ok(merged.into_iter().map(|(name, data_type, _)| Field::new(name, data_type, true)).collect())
}

impl Table for ParquetTable {
    fn describe(&self) -> String {
        match self.paths.as_slice() {
            [path] => format!("parquet '{}'", path.display()),
            paths => format!("parquet '{}' ({} files)", pattern(paths), paths.len()),
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.files.iter().map(|file| file.rows()).sum())
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let fields = self.schema.fields();
        let projection = request.projection.clone().unwrap_or_else(|| (0..fields.len()).collect());
        let condition = Condition::new(&request.filters, &self.schema, &context.config)?;
        let asked = request.filters.iter().flat_map(BoundExpr::columns);
        let mut slots: Vec<usize> = Vec::new();
        for column in projection.iter().copied().chain(asked) {
            if !slots.contains(&column) {
                slots.push(column);
            }
        }
        let mut columns = Vec::with_capacity(self.files.len());
        let mut partitions = Vec::new();
        let mut pruned = 0;
        // With conditions left to check, nobody knows how many rows are needed.
        let mut wanted = if request.filters.is_empty() { request.limit.map(|limit| limit as u64) } else { None };
        let keep = self.files_to_read(request, context);
        let files_pruned = keep.iter().filter(|keep| !**keep).count();
        for (index, (file, keep)) in self.files.iter().zip(keep).enumerate() {
            if !keep {
                columns.push(Vec::new());
                continue;
            }
            let output = self.output_columns(index, &slots)?;
            for row_group in 0..file.row_groups() {
                let rows = file.row_group_rows(row_group);
                if rows == 0 || wanted == Some(0) {
                    continue;
                }
                if !self.may_match(index, row_group, request) {
                    pruned += 1;
                    continue;
                }
                let rows = wanted.map_or(rows, |wanted| wanted.min(rows));
                wanted = wanted.map(|wanted| wanted - rows);
                let bytes = source::bytes_read(file, row_group, &output);
                partitions.push(Partition { file: index, row_group, first: 0, rows, bytes });
            }
            columns.push(output);
        }
        if request.limit.is_none() {
            partitions = source::split(partitions, &self.files, &columns, context.config.threads);
        }
        let place = |column: &usize| slots.iter().position(|slot| slot == column);
        let wanted = Wanted {
            output: projection.iter().filter_map(place).collect(),
            fields: slots.iter().filter_map(|slot| fields.get(*slot).cloned()).collect(),
            schema: Arc::new(self.schema.project(&projection)?),
            slots,
            condition,
        };
        let source = ParquetSource::new(wanted, self.files.clone(), columns, partitions);
        Ok(Arc::new(source.with_pruned(pruned, files_pruned)))
    }
}

/// What several files have in common, as a glob: their folder and ending.
fn pattern(paths: &[PathBuf]) -> String {
    let Some(first) = paths.first() else { return String::new() };
    let same = |part: fn(&Path) -> Option<&std::ffi::OsStr>| paths.iter().all(|path| part(path) == part(first));
    let folder = first.parent().unwrap_or(Path::new(""));
    if !same(|path| path.parent().map(Path::as_os_str)) {
        return format!("{}, …", first.display());
    }
    match first.extension() {
        Some(ending) if same(Path::extension) => folder.join(format!("*.{}", ending.to_string_lossy())),
        _ => folder.join("*"),
    }
    .display()
    .to_string()
}

#[cfg(test)]
mod tests;
