//! Where row groups end: told by the rows alone, so that neither batches, nor threads, nor memory show in the file.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ArrowNativeType, DataType};

use crate::io::write::ParquetOptions;

/// Counts the rows of the row group under construction.
#[derive(Debug)]
pub(super) struct Borders {
    most_rows: usize,
    most_bytes: u64,
    rows: usize,
    bytes: u64,
}

impl Borders {
    pub fn new(options: &ParquetOptions) -> Self {
        let most_bytes = options.row_group_bytes as u64;
        Self { most_rows: options.row_group_rows.max(1), most_bytes: most_bytes.max(1), rows: 0, bytes: 0 }
    }

    /// How many of the `rows` rows from `from` on (at least one) go into the row group, and whether it ends with them.
    pub fn take(&mut self, columns: &[ArrayRef], from: usize, rows: usize) -> Taken {
        let rows = rows.min(self.most_rows - self.rows);
        let mut taken =
            Taken { rows, ends: false, bytes: columns.iter().map(|column| size(column, from, rows)).collect() };
        let all = self.bytes.saturating_add(taken.bytes.iter().sum());
        if all < self.most_bytes {
            self.bytes = all;
        } else {
            // It ends with the row that fills it up.
            let last = (0..rows).position(|row| {
                self.bytes += columns.iter().map(|column| size(column, from + row, 1)).sum::<u64>();
                self.bytes >= self.most_bytes
            });
            taken.rows = last.map_or(rows, |row| row + 1);
            taken.bytes = columns.iter().map(|column| size(column, from, taken.rows)).collect();
        }
        self.rows += taken.rows;
        taken.ends = self.rows >= self.most_rows || self.bytes >= self.most_bytes;
        if taken.ends {
            (self.rows, self.bytes) = (0, 0);
        }
        taken
    }
}

/// Rows of one row group.
#[derive(Debug)]
pub(super) struct Taken {
    pub rows: usize,
    /// Whether the row group ends with them.
    pub ends: bool,
    /// Of each column.
    pub bytes: Vec<u64>,
}

/// How large some values of a column are, whatever memory they lie in: as Parquet stores them when it encodes them plainly.
fn size(array: &ArrayRef, from: usize, rows: usize) -> u64 {
    if let Some(lists) = array.as_list_opt::<i32>() {
        let offsets = lists.value_offsets();
        let place = |row: usize| offsets.get(row).map_or(0, |offset| offset.as_usize());
        let (start, end) = (place(from), place(from + rows));
        return 4 * rows as u64 + size(lists.values(), start, end.saturating_sub(start));
    }
    if let Some(texts) = array.as_string_view_opt() {
        let views = texts.views().get(from..from + rows).unwrap_or_default();
        // The length is the lowest word of a view.
        let length = |view: &u128| u64::from(*view as u32);
        let long: u64 = match texts.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => {
                views.iter().zip(from..).filter(|(_, row)| nulls.is_valid(*row)).map(|(view, _)| length(view)).sum()
            }
            None => views.iter().map(length).sum(),
        };
        return 4 * rows as u64 + long;
    }
    let width = match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => 1,
        DataType::FixedSizeBinary(width) => u64::from(width.unsigned_abs()),
        other => other.primitive_width().unwrap_or(16) as u64,
    };
    width * rows as u64
}
