//! Reading JSON: many files of objects as one table, a column for each key.
//!
//! 1. [`JsonOptions`] says what the user knows: the options of `read_csv` that mean something here.
//! 2. `survey` looks at the head, middle and end of each file, or at all of it; `infer` makes types of what was seen, by the rules of
//!    CSV: numbers keep all of their digits, texts are dates where all are.
//! 3. A file with an object a line is cut into chunks of `partition_bytes`: an object belongs to the chunk where its line
//!    starts. What is one array, or has objects over several lines, or is compressed, is one partition.
//! 4. A task reads its chunk in the blocks of the CSV reader, cuts them into `records`, finds the values of each (`syntax`), and makes
//!    typed columns of them (`columns`).
//! 5. What does not fit is an error with its place, a null or a rejected row, in the log of the statement, as for CSV.
//!
//! Every record is checked as a whole, whatever the query asks for. A key that no column is there for is an error and not dropped, unless
//! columns were named one by one.

mod columns;
mod infer;
mod options;
mod reader;
mod records;
mod survey;
mod syntax;
mod table;

pub use options::JsonOptions;
pub use table::JsonTable;
