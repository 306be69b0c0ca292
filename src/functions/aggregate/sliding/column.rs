//! The values of an argument in the rows that windows can still reach, by the number of the row.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use super::not_held;
use crate::batch::{array_memory, compact_array};
use crate::error::Result;
use crate::functions::aggregate::values::Values;

/// A column of a stream of rows, without those that nobody asks for any more. Pieces go as a whole.
#[derive(Debug, Default)]
pub struct HeldColumn {
    pieces: VecDeque<Piece>,
    bytes: u64,
}

#[derive(Debug)]
struct Piece {
    /// The number of its first row.
    first: u64,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
    bytes: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }
}

impl HeldColumn {
    /// Takes the values of the rows from number `first` on, which follow those that were taken before.
    ///
    /// # Errors
    /// Where Arrow cannot copy them.
    pub fn push(&mut self, first: u64, values: &ArrayRef) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let values = compact_array(values)?;
        let bytes = array_memory(&values);
        let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        self.bytes += bytes;
        self.pieces.push_back(Piece { first, values, nulls, bytes });
        Ok(())
    }

    /// Forgets rows before that number.
    pub fn release(&mut self, before: u64) {
        while let Some(piece) = self.pieces.front()
            && piece.end() <= before
        {
            self.bytes -= piece.bytes;
            self.pieces.pop_front();
        }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn piece(&self, row: u64) -> Result<&Piece> {
        // Mostly it is one of the last rows that is asked for.
        let last = self.pieces.back().filter(|piece| piece.first <= row);
        let piece = last.or_else(|| {
            let behind = self.pieces.partition_point(|piece| piece.first <= row);
            self.pieces.get(behind.checked_sub(1)?)
        });
        piece.filter(|piece| row < piece.end()).ok_or_else(|| not_held(row))
    }

    /// The value in a row where it is not null.
    pub(super) fn value<V: Values>(&self, row: u64) -> Result<V::Item<'_>> {
        let piece = self.piece(row)?;
        Ok(V::read(V::column(&piece.values), (row - piece.first) as usize))
    }
}

/// Reads rows one after another.
pub(super) struct Reader<'a, V: Values> {
    column: &'a HeldColumn,
    at: Option<ReaderPiece<'a, V>>,
}

struct ReaderPiece<'a, V: Values> {
    first: u64,
    end: u64,
    values: &'a V::Array,
    nulls: Option<&'a NullBuffer>,
}

impl<'a, V: Values> Reader<'a, V> {
    pub(super) fn new(column: &'a HeldColumn) -> Self {
        Self { column, at: None }
    }

    /// The value in a row; `None` for null.
    #[inline]
    pub(super) fn value(&mut self, row: u64) -> Result<Option<V::Item<'a>>> {
        let piece = match &self.at {
            Some(piece) if (piece.first..piece.end).contains(&row) => piece,
            _ => self.seek(row)?,
        };
        let index = (row - piece.first) as usize;
        let is_valid = piece.nulls.is_none_or(|nulls| nulls.is_valid(index));
        Ok(is_valid.then(|| V::read(piece.values, index)))
    }

    #[inline(never)]
    fn seek(&mut self, row: u64) -> Result<&ReaderPiece<'a, V>> {
        let Piece { first, values, nulls, .. } = self.column.piece(row)?;
        let end = first + values.len() as u64;
        let values = V::column(values);
        Ok(self.at.insert(ReaderPiece { first: *first, end, values, nulls: nulls.as_ref() }))
    }
}

/// How many of the rows from `start` to before `end` are not null.
pub(super) fn count_valid(column: &HeldColumn, start: u64, end: u64) -> Result<u64> {
    let mut count = 0;
    let mut row = start;
    while row < end {
        let piece = column.piece(row)?;
        let stop = piece.end().min(end);
        let (offset, length) = ((row - piece.first) as usize, (stop - row) as usize);
        let nulls = match &piece.nulls {
            None => 0,
            Some(nulls) if length == 1 => usize::from(nulls.is_null(offset)),
            Some(nulls) => nulls.slice(offset, length).null_count(),
        };
        count += (length - nulls) as u64;
        row = stop;
    }
    Ok(count)
}
