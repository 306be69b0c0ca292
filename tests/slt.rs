//! Runs every file of `tests/slt` in a matrix of memory budgets, threads, batch and chunk sizes: the answers must be the
//! same in all of them.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use highwater::config::{Config, Scheduler};
use highwater::error::{Error, Result};
use highwater::session::{Outcome, Receiver, RunOptions, Session};
use highwater::types::temporal::format_value;
use sqllogictest::{DBOutput, DefaultColumnType, Runner};

/// A session as sqllogictest drives it.
struct Engine(Session);

/// Collects a result as text.
#[derive(Default)]
struct Rows {
    types: Vec<DefaultColumnType>,
    rows: Vec<Vec<String>>,
}

impl Receiver for Rows {
    fn schema(&mut self, schema: &SchemaRef) -> Result<()> {
        self.types = schema.fields().iter().map(|field| column_type(field.data_type())).collect();
        Ok(())
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            let cell = |column: &arrow::array::ArrayRef| match format_value(column, row) {
                None => "NULL".to_string(),
                Some(text) if text.is_empty() => "(empty)".to_string(),
                Some(text) => text.replace('\n', "\\n"),
            };
            self.rows.push(batch.columns().iter().map(cell).collect());
        }
        Ok(())
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DefaultColumnType::Integer,
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _) => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

impl sqllogictest::DB for Engine {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        let mut rows = Rows::default();
        let mut outcome = None;
        for statement in self.0.parse(sql)? {
            outcome = Some(self.0.run(&statement, &RunOptions::default(), &mut rows)?);
        }
        Ok(match outcome {
            Some(Outcome::Rows { .. }) => DBOutput::Rows { types: rows.types, rows: rows.rows },
            _ => DBOutput::StatementComplete(0),
        })
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("tests/slt is there")
        .map(|entry| entry.expect("tests/slt can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no .slt file in {}", folder.display());
    files
}

/// Runs all files with these settings. Files called `data_…` read the real data: their chunks are not quite so small.
fn run_all(settings: impl Fn(&mut Config)) {
    let mut failures = Vec::new();
    for file in files() {
        let large = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("data_"));
        let mut runner = Runner::new(|| async {
            let mut config = Config { memory_limit: 4 << 30, ..Config::default() };
            settings(&mut config);
            if large {
                config.partition_bytes = config.partition_bytes.max(100_003);
                config.batch_size = config.batch_size.max(500);
            }
            Ok(Engine(Session::new(config)?))
        });
        let mut config = Config::default();
        settings(&mut config);
        if config.disabled_rules.is_empty() {
            runner.add_label("optimized");
        }
        if let Err(error) = runner.run_file(&file) {
            failures.push(error.display(false).to_string());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn with_default_settings() {
    run_all(|config| config.threads = 2);
}

#[test]
fn in_the_calling_thread() {
    run_all(|config| {
        config.threads = 1;
        config.scheduler = Scheduler::Synchronous;
    });
}

#[test]
fn with_several_threads_and_small_batches_and_chunks() {
    run_all(|config| {
        config.threads = 3;
        config.batch_size = 3;
        config.partition_bytes = 37;
    });
}

#[test]
fn with_tiny_memory_on_one_thread() {
    run_all(|config| {
        config.threads = 1;
        config.memory_limit = 3 << 20;
        config.batch_size = 128;
        config.partition_bytes = 64 << 10;
    });
}

#[test]
fn with_tiny_memory_on_several_threads_and_small_batches() {
    run_all(|config| {
        config.threads = 3;
        config.memory_limit = 4 << 20;
        config.batch_size = 50;
        config.partition_bytes = 4 << 10;
    });
}

#[test]
fn without_optimizer_rules() {
    run_all(|config| {
        config.threads = 2;
        config.disabled_rules = highwater::optimizer::RULES.iter().map(|rule| rule.name.to_string()).collect();
    });
}
