//! Reading Parquet: many files as one table, a partition per row group, row groups skipped where their statistics
//! rule out every row.
//!
//! [`ParquetTable::open`] reads all footers, maps what it finds to the engine's types and brings the files to one schema by
//! column names. `scan` lists the row groups to read; each is read by whoever takes its partition, with a file handle of its own.
//!
//! Structs, lists of structs and maps are columns for their parts (`io::nested`). What the engine has no type for (lists of
//! lists, binary, decimals of more than 38 digits) is an error that names the
//! columns, unless `skip_unsupported = true` leaves them out: a column never vanishes unasked. The same holds for values: a
//! time finer than a microsecond is an error, also as a legacy timestamp of 96 bits (`int96`).

mod batches;
mod bloom;
mod condition;
pub(super) mod convert;
mod delta;
mod facts;
mod file;
mod footer;
mod index;
mod input;
mod int96;
mod kept;
mod pages;
mod partition;
mod prune;
mod source;
mod window;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::datatypes::{Schema, SchemaRef};

use self::batches::OutputColumn;
use self::condition::Condition;
pub use self::facts::{ParquetFacts, ParquetFactsTable};
use self::file::ParquetFile;
pub use self::kept::MetadataCache;
use self::kept::{Footers, Key};
use self::partition::{Partition, Wanted};
use self::source::ParquetSource;
use super::many::{described, one_schema};
use super::option_values::{boolean, unknown};
use super::options::Options;
use super::path_columns::{PathColumns, PathOptions};
use super::source::{ScanRequest, Source, Table};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::types::Scalar;

/// The names of the options that other formats do not have.
const OWN: [&str; 2] = ["binary_as_string", "skip_unsupported"];

/// How files are read.
#[derive(Clone, Debug, Default)]
struct ReadOptions {
    /// Binary columns are text; without it, only those that the file calls text are.
    binary_as_string: bool,
    /// Columns of types that the engine does not have are left out.
    skip_unsupported: bool,
    paths: PathOptions,
}

impl ReadOptions {
    fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in options {
            match name.as_str() {
                "binary_as_string" => parsed.binary_as_string = boolean(name, value)?,
                "skip_unsupported" => parsed.skip_unsupported = boolean(name, value)?,
                _ if parsed.paths.take(name, value)? => {}
                _ => return Err(unknown("reading Parquet", name, &[&PathOptions::NAMES[..], &OWN].concat())),
            }
        }
        Ok(parsed)
    }

    /// What a file is kept by.
    fn key(&self, path: &Path, zone: &str) -> Key {
        let &Self { binary_as_string, skip_unsupported, .. } = self;
        Key { path: path.to_path_buf(), binary_as_string, skip_unsupported, zone: zone.to_string() }
    }
}

/// Parquet files as one table. Columns are matched by name; a column that a file lacks is null in its rows.
#[derive(Debug)]
pub struct ParquetTable {
    paths: Vec<PathBuf>,
    files: Vec<Arc<ParquetFile>>,
    /// The place of the first one among the files that were opened together.
    first: usize,
    schema: SchemaRef,
    in_paths: PathColumns,
    footers: Arc<Footers>,
}

impl ParquetTable {
    /// Reads the footers of all files and brings them to one schema. The options are DuckDB's `filename`,
    /// `union_by_name`, `binary_as_string`, `hive_partitioning` and `hive_types`, and `skip_unsupported`.
    ///
    /// # Errors
    /// A usage error for options that do not fit; a data error for a file that cannot be read or is no Parquet file,
    /// for columns of types that the engine does not have, and for columns whose types in two files have none in common.
    pub fn open(files: Vec<PathBuf>, options: &Options, config: &Config) -> Result<Arc<Self>> {
        Self::open_by(files, options, config, None)
    }

    /// As [`open`](Self::open), but takes what is known of files from `cache`, and keeps it there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_cached(
        files: Vec<PathBuf>,
        options: &Options,
        config: &Config,
        cache: &Arc<MetadataCache>,
    ) -> Result<Arc<Self>> {
        Self::open_by(files, options, config, Some(cache))
    }

    fn open_by(
        files: Vec<PathBuf>,
        options: &Options,
        config: &Config,
        cache: Option<&Arc<MetadataCache>>,
    ) -> Result<Arc<Self>> {
        let options = ReadOptions::parse(options)?;
        if files.is_empty() {
            return Err(Error::usage("there are no files to read"));
        }
        let (footers, opening) = (Footers::default(), cache.map_or(0, |cache| cache.opening()));
        let open = |path: &PathBuf| {
            let zone = &config.time_zone;
            let key = || options.key(path, zone);
            if let Some(file) = cache.and_then(|cache| cache.get(&key(), opening)) {
                footers.cached.fetch_add(1, Relaxed);
                return Ok(file);
            }
            let file = Arc::new(ParquetFile::open(path, &options, zone)?);
            footers.read.fetch_add(1, Relaxed);
            if let Some(cache) = cache {
                cache.put(key(), &file, opening);
            }
            Ok(file)
        };
        let opened = files.iter().map(open).collect::<Result<Vec<_>>>()?;
        let columns = opened.iter().flat_map(|file| {
            file.columns.iter().map(move |column| (file.path.as_path(), column.name.as_str(), &column.data_type))
        });
        let mut fields = one_schema(columns)?;
        let in_paths = PathColumns::add(files.iter().map(PathBuf::as_path), &options.paths, &mut fields, config)?;
        let schema = Arc::new(Schema::new(fields));
        let footers = Arc::new(footers);
        Ok(Arc::new(Self { paths: files, files: opened, first: 0, schema, in_paths, footers }))
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
            first: self.first + index,
            in_paths: self.in_paths.clone(),
            footers: self.footers.clone(),
        }))
    }

    /// The value that a column has in all rows of a file, where it stands in its path.
    fn constant(&self, column: usize, index: usize) -> Option<Scalar> {
        self.in_paths.constant(column, self.first + index)
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

impl Table for ParquetTable {
    fn describe(&self) -> String {
        described("parquet", &self.paths)
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
        let opened = self.first..self.first + self.files.len();
        let keep = self.in_paths.files_to_read(opened, &request.filters, &context.config)?;
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
        let source = ParquetSource::new(wanted, self.files.clone(), columns, partitions, &self.footers);
        Ok(Arc::new(source.with_pruned(pruned, files_pruned)))
    }
}

#[cfg(test)]
mod tests;
