//! Reading and writing: globs, many files as one table, CSV, JSON, Parquet and Arrow.

pub mod content;
pub mod csv;
pub mod glob;
pub mod hive;
pub mod ipc;
pub mod json;
mod many;
mod nested;
mod option_values;
pub mod options;
pub mod parquet;
mod path_columns;
pub mod rejects;
pub mod source;
pub mod stored;
pub mod summed;
pub mod write;
