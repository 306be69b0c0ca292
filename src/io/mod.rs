//! Reading and writing: globs, many files as one table, CSV and Parquet.

pub mod content;
pub mod csv;
pub mod glob;
pub mod hive;
mod option_values;
pub mod options;
pub mod parquet;
pub mod rejects;
pub mod source;
pub mod stored;
pub mod summed;
pub mod write;
