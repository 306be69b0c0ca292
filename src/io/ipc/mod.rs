//! Reading Arrow's IPC files (also known as Feather) and streams: many files as one table, by column names.
//!
//! A file tells in its footer where its batches are: each is a partition, of which the memory is reserved before it is read. A
//! stream has none, and is one partition. What is encoded by dictionaries or runs is decoded; what the engine has no type for is an error
//! that names the columns, unless `skip_unsupported = true` leaves them out, and so is a value that does not fit, as for Parquet.

mod decoder;
mod file;
mod message;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use self::file::IpcFile;
use self::source::{IpcSource, OutputColumn};
use super::many::{described, one_schema};
use super::option_values::{boolean, unknown};
use super::options::Options;
use super::path_columns::{PathColumns, PathOptions};
use super::source::{ScanRequest, Source, Table};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::types::{Scalar, Schema, SchemaRef};

/// The name of the option that other formats do not have.
const OWN: [&str; 1] = ["skip_unsupported"];

/// How files are read.
#[derive(Clone, Debug, Default)]
struct ReadOptions {
    /// Columns of types that the engine does not have are left out.
    skip_unsupported: bool,
    paths: PathOptions,
}

impl ReadOptions {
    fn parse(options: &Options) -> Result<Self> {
        let mut parsed = Self::default();
        for (name, value) in options {
            match name.as_str() {
                "skip_unsupported" => parsed.skip_unsupported = boolean(name, value)?,
                _ if parsed.paths.take(name, value)? => {}
                _ => return Err(unknown("reading Arrow", name, &[&PathOptions::NAMES[..], &OWN].concat())),
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
    /// The place of the first one among the files that were opened together.
    first: usize,
    schema: SchemaRef,
    in_paths: PathColumns,
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
        if paths.is_empty() {
            return Err(Error::usage("there are no files to read"));
        }
        let open = |path: &PathBuf| Ok(Arc::new(IpcFile::open(path, options.skip_unsupported, &config.time_zone)?));
        let files = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
        let columns = files.iter().flat_map(|file| {
            file.columns.iter().map(move |column| (file.path.as_path(), column.name.as_str(), &column.data_type))
        });
        let mut fields = one_schema(columns)?;
        let in_paths = PathColumns::add(paths.iter().map(PathBuf::as_path), &options.paths, &mut fields, config)?;
        Ok(Arc::new(Self { paths, files, first: 0, schema: Arc::new(Schema::new(fields)), in_paths }))
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
        }))
    }
}

impl Table for ArrowTable {
    fn describe(&self) -> String {
        described("arrow", &self.paths)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        let projection = request.projection.clone().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let opened = self.first..self.first + self.files.len();
        let keep = self.in_paths.files_to_read(opened, &request.filters, &context.config)?;
        let mut files = Vec::new();
        for (index, (file, _)) in self.files.iter().zip(&keep).enumerate().filter(|(_, (_, keep))| **keep) {
            let output = |&column: &usize| {
                let field = self.schema.field(column);
                match (self.in_paths.constant(column, self.first + index), file.column(field.name())) {
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
