//! The catalog: names of tables and views, and files as tables.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::{RejectFiles, RunOptions, Session};
use crate::config::{Config, suggest};
use crate::error::{Error, Result};
use crate::io::csv::{CsvOptions, CsvTable, OnError, SampleSize};
use crate::io::glob::{FilePatterns, expand};
use crate::io::options::Options;
use crate::io::parquet::ParquetTable;
use crate::io::source::Table;
use crate::memory::MemoryPool;
use crate::sql::{Catalog, CatalogEntry, FileFormat};

const CSV_ENDINGS: &[&str] = &[
    "csv", "tsv", "txt", "csv.gz", "csv.zst", "csv.lz4", "csv.bz2", "csv.xz", "tsv.gz", "tsv.zst", "tsv.lz4",
    "tsv.bz2", "tsv.xz", "txt.gz", "txt.zst", "txt.lz4", "txt.bz2", "txt.xz",
];
const PARQUET_ENDINGS: &[&str] = &["parquet", "pq"];
/// The first bytes of every Parquet file.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// Tables and views by name; names differ in more than case.
#[derive(Debug, Default)]
pub(super) struct Entries {
    by_name: BTreeMap<String, (String, CatalogEntry)>,
}

impl Entries {
    pub(super) fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.by_name.get(&name.to_lowercase()).map(|(_, entry)| entry)
    }

    pub(super) fn put(&mut self, name: &str, entry: CatalogEntry) {
        self.by_name.insert(name.to_lowercase(), (name.to_string(), entry));
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.by_name.remove(&name.to_lowercase()).is_some()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.values().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn tables(&self) -> Vec<(String, SchemaRef)> {
        let schema = |entry: &CatalogEntry| match entry {
            CatalogEntry::Table(table) => table.schema().clone(),
            CatalogEntry::View(view) => view.schema.clone(),
        };
        self.by_name.values().map(|(name, entry)| (name.clone(), schema(entry))).collect()
    }

    /// The error of a name that is not there.
    pub(super) fn unknown(&self, name: &str) -> Error {
        let error = Error::sql(format!("there is no table or view '{name}'"));
        let names = self.names();
        match suggest(name, names.iter().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint("SHOW TABLES lists them"),
        }
    }
}

impl Catalog for Session {
    fn entry(&self, name: &str) -> Option<CatalogEntry> {
        self.entries().get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.entries().names()
    }

    fn open_files(&self, format: FileFormat, patterns: &[String], options: &Options) -> Result<Arc<dyn Table>> {
        let config = self.config();
        if is_csv(format, patterns)? {
            Ok(open_csv(patterns, exact_types(CsvOptions::parse(options)?), &config, &self.runtime().memory)?)
        } else {
            Ok(open_parquet(patterns, options, &config)?)
        }
    }

    fn rejects(&self) -> Arc<dyn Table> {
        self.rejects_table()
    }
}

/// Whether files are read as CSV.
pub(super) fn is_csv(format: FileFormat, patterns: &[String]) -> Result<bool> {
    match format {
        FileFormat::Csv => Ok(true),
        FileFormat::Parquet => Ok(false),
        FileFormat::Detect => Ok(!is_parquet(patterns)?),
    }
}

/// A frame tells its types before it runs. Where they may be widened, every value is looked at when files are opened.
pub(super) fn exact_types(options: CsvOptions) -> CsvOptions {
    if options.errors() == OnError::Widen { options.sample_size(SampleSize::All) } else { options }
}

pub(super) fn open_csv(
    patterns: &[String],
    options: CsvOptions,
    config: &Config,
    memory: &Arc<MemoryPool>,
) -> Result<Arc<CsvTable>> {
    let files = expand(patterns, CSV_ENDINGS)?;
    if let Some(target) = options.rejects_file() {
        check_rejects(&RejectFiles::file(target.to_path_buf())?, patterns, &files)?;
    }
    Ok(CsvTable::open(files, options, config, memory)?.with_label(patterns.join("', '")))
}

/// Checks that CSV files are not those that their rejects go to.
fn check_rejects(rejects: &RejectFiles, patterns: &[String], files: &[PathBuf]) -> Result<()> {
    rejects.check_apart(&FilePatterns::new(patterns, CSV_ENDINGS)?, files)
}

/// Checks that CSV files are not those that the rejects of all statements go to.
pub(super) fn check_run(options: &RunOptions, patterns: &[String]) -> Result<()> {
    match &options.rejects {
        Some(rejects) => check_rejects(rejects, patterns, expand(patterns, CSV_ENDINGS).as_deref().unwrap_or_default()),
        None => Ok(()),
    }
}

pub(super) fn open_parquet(patterns: &[String], options: &Options, config: &Config) -> Result<Arc<ParquetTable>> {
    ParquetTable::open(expand(patterns, PARQUET_ENDINGS)?, options, config)
}

/// The endings of all files that are read.
pub(super) fn read_endings() -> Vec<&'static str> {
    CSV_ENDINGS.iter().chain(PARQUET_ENDINGS).copied().collect()
}

/// Whether files are Parquet, by their endings or their first bytes; all must be of one kind.
pub(super) fn is_parquet(patterns: &[String]) -> Result<bool> {
    let files = expand(patterns, &read_endings())?;
    let mut kinds = files.iter().map(|file| (file, file_is_parquet(file)));
    let Some((first, kind)) = kinds.next() else {
        return Ok(false);
    };
    match kinds.find(|(_, other)| *other != kind) {
        Some((other, _)) => {
            Err(Error::data(format!("'{}' and '{}' are not of one format", first.display(), other.display()))
                .with_hint("name the files of one format by a glob such as '*.csv'"))
        }
        None => Ok(kind),
    }
}

fn file_is_parquet(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if PARQUET_ENDINGS.contains(&ending.as_str()) {
        return true;
    }
    if CSV_ENDINGS.contains(&ending.as_str()) {
        return false;
    }
    let mut magic = [0; PARQUET_MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *PARQUET_MAGIC
}
