//! What a statement asks for, once its names are bound.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Parsed;
use crate::error::Result;
use crate::io::options::Options;
use crate::io::parquet::ParquetFacts;
use crate::io::source::Table;
use crate::plan::LogicalPlan;

/// A bound statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// SELECT, VALUES, WITH, `FROM …` alone, and SUMMARIZE.
    Query(LogicalPlan),
    /// EXPLAIN of a query; with `analyze` it runs.
    Explain { analyze: bool, plan: LogicalPlan },
    /// CREATE VIEW.
    CreateView { name: String, or_replace: bool, view: View },
    /// CREATE TABLE with columns.
    CreateTable { name: String, or_replace: bool, if_not_exists: bool, schema: SchemaRef },
    /// CREATE TABLE … AS.
    CreateTableAs { name: String, or_replace: bool, if_not_exists: bool, plan: LogicalPlan },
    /// INSERT INTO; the plan has the table's columns, in order and of its types.
    Insert { name: String, plan: LogicalPlan },
    /// DROP TABLE or DROP VIEW.
    Drop { name: String, if_exists: bool },
    /// DESCRIBE of a table or query: its columns.
    Describe { schema: SchemaRef },
    /// SHOW TABLES.
    ShowTables,
    /// SHOW FUNCTIONS.
    ShowFunctions,
    /// SHOW of one setting, or of all.
    ShowSettings { name: Option<String> },
    /// SET name = value.
    Set { name: String, value: String },
    /// COPY … TO; the options are the writer's.
    Copy { plan: LogicalPlan, target: PathBuf, options: Options },
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// By the files' endings, and by their first bytes where an ending says nothing.
    Detect,
    /// `read_csv`.
    Csv,
    /// `read_parquet`.
    Parquet,
    /// `read_json`.
    Json,
    /// `read_arrow`.
    Arrow,
    /// `parquet_metadata` and `parquet_schema`: not the rows of files, but what their footers say.
    ParquetFacts(ParquetFacts),
}

/// A name in the catalog.
#[derive(Clone, Debug)]
pub enum CatalogEntry {
    /// A table.
    Table(Arc<dyn Table>),
    /// A view.
    View(View),
}

/// A view: a query by name, bound anew whenever it is used, so that it shows the tables and files of that moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The CREATE VIEW statement.
    pub(super) definition: Parsed,
    /// The columns it had when it was made.
    pub schema: SchemaRef,
}

/// What binding may ask of the session.
pub trait Catalog {
    /// The table or view of that name; names are compared without case.
    fn entry(&self, name: &str) -> Option<CatalogEntry>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;

    /// Files as one table; patterns are paths, globs and folders.
    fn open_files(&self, format: FileFormat, patterns: &[String], options: &Options) -> Result<Arc<dyn Table>>;

    /// What did not fit while the last statement that read CSV did so: `rejects()`.
    fn rejects(&self) -> Arc<dyn Table>;
}
