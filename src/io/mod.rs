//! Reading and writing: globs, many files as one table, CSV and Parquet.

mod option_values;
pub mod options;
pub mod parquet;
pub mod source;
pub mod write;
