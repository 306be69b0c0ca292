//! Reading and writing: globs, many files as one table, CSV and Parquet.

pub mod csv;
pub mod glob;
pub mod options;
pub mod source;
