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
use crate::io::ipc::ArrowTable;
use crate::io::json::{JsonOptions, JsonTable};
use crate::io::options::Options;
use crate::io::parquet::{ParquetFactsTable, ParquetTable};
use crate::io::source::Table;
use crate::memory::MemoryPool;
use crate::sql::{Catalog, CatalogEntry, FileFormat};

const CSV_ENDINGS: &[&str] = &[
    "csv", "tsv", "txt", "csv.gz", "csv.zst", "csv.lz4", "csv.bz2", "csv.xz", "tsv.gz", "tsv.zst", "tsv.lz4",
    "tsv.bz2", "tsv.xz", "txt.gz", "txt.zst", "txt.lz4", "txt.bz2", "txt.xz",
];
const PARQUET_ENDINGS: &[&str] = &["parquet", "pq"];
const JSON_ENDINGS: &[&str] = &[
    "json",
    "jsonl",
    "ndjson",
    "json.gz",
    "json.zst",
    "json.lz4",
    "json.bz2",
    "json.xz",
    "jsonl.gz",
    "jsonl.zst",
    "jsonl.lz4",
    "jsonl.bz2",
    "jsonl.xz",
    "ndjson.gz",
    "ndjson.zst",
    "ndjson.lz4",
    "ndjson.bz2",
    "ndjson.xz",
];
const ARROW_ENDINGS: &[&str] = &["arrow", "feather", "ipc", "arrows"];
/// The first bytes of every Parquet file.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";
/// The first bytes of every Arrow file.
const ARROW_MAGIC: &[u8; 4] = b"ARRO";

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
        let (config, memory) = (self.config(), self.runtime().memory);
        Ok(match resolved(format, patterns)? {
            FileFormat::Parquet => {
                let files = expand(patterns, PARQUET_ENDINGS)?;
                ParquetTable::open_cached(files, options, &config, &self.shared.metadata)?
            }
            FileFormat::ParquetFacts(facts) => {
                if let Some((name, _)) = options.first() {
                    return Err(Error::usage(format!("there is no option '{name}': only files are named here")));
                }
                ParquetFactsTable::open(facts, &expand(patterns, PARQUET_ENDINGS)?, &config)?
            }
            FileFormat::Arrow => open_arrow(patterns, options, &config)?,
            FileFormat::Json => open_json(patterns, JsonOptions::parse(options)?, &config, &memory)?,
            FileFormat::Csv | FileFormat::Detect => {
                open_csv(patterns, exact_types(CsvOptions::parse(options)?), &config, &memory)?
            }
        })
    }

    fn rejects(&self) -> Arc<dyn Table> {
        self.rejects_table()
    }
}

/// How files are read: by what was asked for, or their endings, or their first bytes.
pub(super) fn resolved(format: FileFormat, patterns: &[String]) -> Result<FileFormat> {
    if format == FileFormat::Detect { format_of(patterns) } else { Ok(format) }
}

/// Whether files are read as CSV.
pub(super) fn is_csv(format: FileFormat, patterns: &[String]) -> Result<bool> {
    Ok(resolved(format, patterns)? == FileFormat::Csv)
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
        check_rejects(&RejectFiles::file(target.to_path_buf())?, patterns, &files, CSV_ENDINGS)?;
    }
    Ok(CsvTable::open(files, options, config, memory)?.with_label(patterns.join("', '")))
}

pub(super) fn open_json(
    patterns: &[String],
    options: JsonOptions,
    config: &Config,
    memory: &Arc<MemoryPool>,
) -> Result<Arc<JsonTable>> {
    let files = expand(patterns, JSON_ENDINGS)?;
    if let Some(target) = options.shared().rejects_file() {
        check_rejects(&RejectFiles::file(target.to_path_buf())?, patterns, &files, JSON_ENDINGS)?;
    }
    Ok(JsonTable::open(files, options, config, memory)?.with_label(patterns.join("', '")))
}

/// Checks that files are not those that their rejects go to.
fn check_rejects(rejects: &RejectFiles, patterns: &[String], files: &[PathBuf], endings: &[&str]) -> Result<()> {
    rejects.check_apart(&FilePatterns::new(patterns, endings)?, files)
}

/// Checks that files are not those that the rejects of all statements go to.
pub(super) fn check_run(format: FileFormat, options: &RunOptions, patterns: &[String]) -> Result<()> {
    let endings = match format {
        FileFormat::Json => JSON_ENDINGS,
        _ => CSV_ENDINGS,
    };
    match &options.rejects {
        Some(rejects) => {
            check_rejects(rejects, patterns, expand(patterns, endings).as_deref().unwrap_or_default(), endings)
        }
        None => Ok(()),
    }
}

pub(super) fn open_arrow(patterns: &[String], options: &Options, config: &Config) -> Result<Arc<ArrowTable>> {
    ArrowTable::open(expand(patterns, ARROW_ENDINGS)?, options, config)
}

pub(super) fn open_parquet(patterns: &[String], options: &Options, config: &Config) -> Result<Arc<ParquetTable>> {
    ParquetTable::open(expand(patterns, PARQUET_ENDINGS)?, options, config)
}

/// The endings of the files of a folder that are read: those of tables where there are any, see [`format_of`].
pub(super) fn read_endings(patterns: &[String]) -> Vec<&'static str> {
    let tables = [CSV_ENDINGS, PARQUET_ENDINGS].concat();
    if expand(patterns, &tables).is_ok() {
        tables
    } else {
        [CSV_ENDINGS, PARQUET_ENDINGS, JSON_ENDINGS, ARROW_ENDINGS].concat()
    }
}

/// The format of files, by their endings or their first bytes; all must be of one. Of a folder, files of tables are meant where there
/// are any: JSON beside them mostly describes them.
fn format_of(patterns: &[String]) -> Result<FileFormat> {
    let endings = |kinds: &[&[&'static str]]| kinds.concat();
    let files = expand(patterns, &endings(&[CSV_ENDINGS, PARQUET_ENDINGS]))
        .or_else(|error| expand(patterns, &endings(&[JSON_ENDINGS, ARROW_ENDINGS])).map_err(|_| error))?;
    let mut formats = files.iter().map(|file| (file, format_of_file(file)));
    let Some((first, format)) = formats.next() else {
        return Ok(FileFormat::Csv);
    };
    match formats.find(|(_, other)| *other != format) {
        Some((other, _)) => {
            Err(Error::data(format!("'{}' and '{}' are not of one format", first.display(), other.display()))
                .with_hint("name the files of one format by a glob such as '*.csv'"))
        }
        None => Ok(format),
    }
}

fn format_of_file(path: &Path) -> FileFormat {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ends = |endings: &[&str]| {
        endings.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.')))
    };
    if ends(PARQUET_ENDINGS) {
        return FileFormat::Parquet;
    }
    if ends(ARROW_ENDINGS) {
        return FileFormat::Arrow;
    }
    if ends(JSON_ENDINGS) {
        return FileFormat::Json;
    }
    if ends(CSV_ENDINGS) {
        return FileFormat::Csv;
    }
    let mut magic = [0; PARQUET_MAGIC.len()];
    let is_read = File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok();
    match &magic {
        PARQUET_MAGIC if is_read => FileFormat::Parquet,
        ARROW_MAGIC if is_read => FileFormat::Arrow,
        _ => FileFormat::Csv,
    }
}
