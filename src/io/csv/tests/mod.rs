//! Tests of whole tables: what is read, whatever the partitions and batches are.

mod grammar;
mod input;
mod many;
mod options;
mod sniff;
mod traps;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{CsvOptions, CsvTable};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::Result;
use crate::io::source::{ScanRequest, Table};
use crate::memory::MemoryPool;
use crate::metrics::{OperatorMetrics, Progress};
use crate::spill::SpillManager;
use crate::types::sql_name;
use crate::types::temporal::format_value;

/// Rows as text; `None` is null.
type Rows = Vec<Vec<Option<String>>>;

/// Files of one test, which go with it.
struct Files {
    folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

fn files(contents: &[impl AsRef<[u8]>]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let paths = contents.iter().enumerate().map(|(index, content)| {
        let path = folder.path().join(format!("{index}.csv"));
        std::fs::write(&path, content).unwrap();
        path
    });
    let paths = paths.collect();
    Files { folder, paths }
}

impl Files {
    fn open(&self, options: CsvOptions) -> Result<Arc<CsvTable>> {
        self.open_with(options, &Config::default())
    }

    fn open_with(&self, options: CsvOptions, config: &Config) -> Result<Arc<CsvTable>> {
        open(self.paths.clone(), options, config)
    }

    /// The table's rows with default settings.
    fn rows(&self, options: CsvOptions) -> Result<Rows> {
        let table = self.open(options)?;
        read(&table, None, Config::default())
    }

    /// The message of the error that opening or reading ends in.
    fn error(&self, options: CsvOptions) -> String {
        self.rows(options).expect_err("reading succeeds").to_string()
    }
}

fn open(paths: Vec<PathBuf>, options: CsvOptions, config: &Config) -> Result<Arc<CsvTable>> {
    CsvTable::open(paths, options, config, &MemoryPool::new(config.memory_limit, config.thresholds, None))
}

fn context(config: Config) -> QueryContext {
    QueryContext {
        memory: MemoryPool::new(config.memory_limit, config.thresholds, None),
        spill: SpillManager::new(&config.temp_dir, None),
        cancel: Default::default(),
        progress: Arc::default(),
        rejects: Arc::default(),
        config: Arc::new(config),
    }
}

/// All rows, partition by partition.
fn read(table: &CsvTable, projection: Option<Vec<usize>>, config: Config) -> Result<Rows> {
    Ok(read_counted(table, projection, config)?.0)
}

fn read_counted(
    table: &CsvTable,
    projection: Option<Vec<usize>>,
    config: Config,
) -> Result<(Rows, Arc<Progress>, Arc<OperatorMetrics>)> {
    let context = context(config);
    let metrics = OperatorMetrics::new();
    let source = table.scan(&ScanRequest { projection, ..ScanRequest::default() }, &context)?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    for partition in 0..source.partitions() {
        bytes += source.partition_bytes(partition);
        for batch in source.open(partition, &context, &metrics)? {
            let batch = batch?;
            assert!(batch.num_rows() > 0 && batch.num_rows() <= context.config.batch_size);
            assert_eq!(batch.schema(), *source.schema());
            for row in 0..batch.num_rows() {
                rows.push(batch.columns().iter().map(|column| format_value(column, row)).collect());
            }
        }
    }
    let progress = &context.progress;
    assert_eq!(progress.bytes_done.load(Relaxed), bytes);
    assert_eq!(progress.rows_read.load(Relaxed) - progress.rows_rejected.load(Relaxed), rows.len() as u64);
    Ok((rows, progress.clone(), metrics))
}

fn config(partition_bytes: u64, batch_size: usize) -> Config {
    Config { partition_bytes, batch_size, ..Config::default() }
}

/// `a BIGINT, b VARCHAR`
fn schema(table: &CsvTable) -> String {
    let fields = table.schema().fields().iter();
    fields.map(|field| format!("{} {}", field.name(), sql_name(field.data_type()))).collect::<Vec<_>>().join(", ")
}

/// Rows as one text: fields separated by `|`, rows by newlines, nulls as `~`.
fn show(rows: &Rows) -> String {
    let row = |row: &Vec<Option<String>>| {
        row.iter().map(|value| value.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}
