//! Reading CSV: many files as one table, in partitions that are byte ranges.
//!
//! 1. [`CsvOptions`] says what the user knows about the files; `rules` are what that means for the fields of each column:
//!    what is null (`nulls`), how numbers and times are written (`formats`, `strptime`).
//! 2. `detect` finds the rest in the first file with content: delimiter, quote, header. `survey` looks at all files in
//!    parallel: `sample` at the head, middle and end of each, or at every record; `infer` makes types of what was seen.
//!    A `schema_file` holds the outcome, so that none of this need be done again.
//! 3. [`CsvTable`] is the result: one schema, and where each file has its columns. A scan cuts every file into chunks of
//!    `partition_bytes`; a record belongs to the chunk where it starts. `machine` and `chunks` find out exactly in which
//!    state of quoting a chunk starts.
//! 4. A task reads its chunk (`reader`) in blocks (`blocks`, in the memory of a `pool`), cuts them into records and fields
//!    (`tokenizer`, by the index of separators that `structure` makes, or one by one, `serial`), and makes typed columns of them (`columns`, with
//!    the parsers of `values`, `digits` and `decimal_float`): first those of the condition, then the others of the rows
//!    that pass. A file that is compressed or in another encoding is a stream that `decode` makes text of: one
//!    partition, in one pass.
//! 5. What does not fit is an error with its place (`locate`), a null, or a rejected row (both recorded in the log of
//!    the statement), or asks for a wider type (`widen`), as the user chose.
//!
//! Grammar: records end with `\n` or `\r\n`; a `\r` elsewhere is data. A field that starts with a quote runs to the
//! closing quote, in which a doubled quote (or one behind the escape character) means a quote; text between the closing
//! quote and the next delimiter is appended as it is. A quote inside an unquoted field is data. This is how the
//! `csv` crate reads, which the tests compare with. Empty lines are skipped, but in files of one column, where they are
//! the only way to write a missing text, they are records.

pub(super) mod blocks;
mod chunks;
pub(super) mod columns;
mod decimal_float;
mod decode;
mod detect;
mod dialect;
mod digits;
pub(super) mod file;
mod footer;
mod formats;
pub(super) mod infer;
pub(super) mod locate;
mod machine;
mod nulls;
mod options;
pub(super) mod pool;
mod reader;
mod rules;
mod sample;
pub(super) mod scan;
mod schema_file;
mod serial;
mod strptime;
mod structure;
pub(super) mod survey;
mod table;
#[cfg(test)]
mod tests;
mod tokenizer;
mod tokens;
pub(super) mod values;
mod widen;

pub use decode::{Compression, Encoding};
pub(super) use options::canonical_name;
pub use options::{CsvOptions, Delimiter, Header, OnError, ParseDates, SampleSize};
pub use table::CsvTable;
pub use widen::{Misfit, Widened};
