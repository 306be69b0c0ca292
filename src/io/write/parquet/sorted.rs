//! The order that a file claims for its rows: checked while they are written, since readers believe it.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::SortOptions;
use arrow_row::{OwnedRow, RowConverter, SortField};
use parquet::file::metadata::SortingColumn;

use crate::batch::normalize_equal;
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::io::write::SortedBy;
use crate::types::{SchemaRef, is_list};

/// Looks at all rows.
pub(super) struct Order {
    columns: Vec<usize>,
    by: Vec<SortedBy>,
    rows: RowConverter,
    last: Option<OwnedRow>,
    seen: u64,
}

impl Order {
    /// Of those columns; `None` where there are none.
    pub fn new(by: &[SortedBy], schema: &SchemaRef) -> Result<Option<Self>> {
        if by.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(by.len());
        let mut fields = Vec::with_capacity(by.len());
        for column in by {
            let Some((index, field)) = schema.column_with_name(&column.name) else {
                return Err(unknown_column("sorting_columns", &column.name, schema));
            };
            if is_list(field.data_type()) {
                return Err(Error::usage(format!(
                    "'{}' is a list, by which Parquet files are not sorted",
                    column.name
                )));
            }
            let options = SortOptions { descending: column.descending, nulls_first: column.nulls_first };
            columns.push(index);
            fields.push(SortField::new_with_options(field.data_type().clone(), options));
        }
        Ok(Some(Self { columns, by: by.to_vec(), rows: RowConverter::new(fields)?, last: None, seen: 0 }))
    }

    /// What the file says; columns are told by their number among the leaves, which are as many as the columns.
    pub fn described(&self) -> Vec<SortingColumn> {
        let sorted = |(index, by): (&usize, &SortedBy)| SortingColumn {
            column_idx: i32::try_from(*index).unwrap_or(i32::MAX),
            descending: by.descending,
            nulls_first: by.nulls_first,
        };
        self.columns.iter().zip(&self.by).map(sorted).collect()
    }

    /// The next rows.
    pub fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys: Vec<ArrayRef> =
            self.columns.iter().filter_map(|index| batch.columns().get(*index)).map(normalize_equal).collect();
        let rows = self.rows.convert_columns(&keys)?;
        let mut before = self.last.as_ref().map(OwnedRow::row);
        for (number, row) in rows.iter().enumerate() {
            if before.is_some_and(|before| before > row) {
                let names: Vec<&str> = self.by.iter().map(|by| by.name.as_str()).collect();
                let place = self.seen + number as u64 + 1;
                return Err(Error::data(
                    format!("row {place} is not in the order of {} ", names.join(", ")).trim_end(),
                )
                .with_hint("sort what is written by ORDER BY, or leave sorting_columns out"));
            }
            before = Some(row);
        }
        self.last = before.map(|row| row.owned());
        self.seen += rows.num_rows() as u64;
        Ok(())
    }
}

/// The error of an option that names a column which is not there.
pub(super) fn unknown_column(option: &str, name: &str, schema: &SchemaRef) -> Error {
    let error = Error::usage(format!("{option} names '{name}', but there is no such column"));
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    match suggest(name, names()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint(format!("the columns are {}", names().collect::<Vec<_>>().join(", "))),
    }
}
