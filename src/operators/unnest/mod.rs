//! Unnest: a row for each item of lists, in batches of bounded size however long the lists are.
//!
//! A batch of input is kept with its lists and gone through, output batch by output batch, only while somebody takes them.
//! Items that lie one behind another, as those of a single column of lists mostly do, are not copied.

mod pieces;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, UInt32Array};
use arrow::compute::take;

use crate::batch::{record_batch, shown_bytes};
use crate::context::{CancelToken, QueryContext};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::expr::BoundExpr;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::operators::{Operator, OperatorFactory, Output};
use crate::types::{SchemaRef, is_list};
use pieces::{Items, Place};

/// Bytes of lists that one batch of output repeats, at most, beside its items.
const REPEATED_BYTES: u64 = 8 << 20;

/// What is unnested.
#[derive(Debug)]
pub struct UnnestFactory {
    /// The columns of the input that are repeated for each item.
    pub passed: Vec<usize>,
    /// Expressions of lists, at least one.
    pub lists: Vec<BoundExpr>,
    /// Whether a last column numbers the items of each row.
    pub numbers_items: bool,
    /// Whether a row without items stays, once.
    pub keeps_empty: bool,
    /// What passes, the items, the numbers.
    pub schema: SchemaRef,
    /// What the operator counts.
    pub metrics: Arc<OperatorMetrics>,
}

impl OperatorFactory for UnnestFactory {
    fn create(&self, context: &QueryContext) -> Result<Box<dyn Operator>> {
        let list = |expr: &BoundExpr| {
            let is_made = !matches!(expr, BoundExpr::Column { .. });
            Ok((Evaluator::new(expr, &context.config)?, is_made))
        };
        Ok(Box::new(Unnest {
            passed: self.passed.clone(),
            lists: self.lists.iter().map(list).collect::<Result<_>>()?,
            numbers_items: self.numbers_items,
            keeps_empty: self.keeps_empty,
            schema: self.schema.clone(),
            batch_size: context.config.batch_size.max(1),
            cancel: context.cancel.clone(),
            memory: context.memory.reservation("unnest", &self.metrics),
            current: None,
        }))
    }
}

struct Unnest {
    // What it is for.
    passed: Vec<usize>,
    /// The lists, and whether they are made here, and not the input's.
    lists: Vec<(Evaluator, bool)>,
    numbers_items: bool,
    keeps_empty: bool,
    schema: SchemaRef,
    batch_size: usize,
    cancel: CancelToken,
    /// The lists that are made here.
    memory: MemoryReservation,
    current: Option<Current>,
}

/// A batch that is being unnested.
struct Current {
    passed: Vec<ArrayRef>,
    lists: Vec<ListArray>,
    rows: usize,
    /// Bytes of lists that each row repeats, where it does.
    repeated: Option<Vec<u64>>,
    /// How far it is.
    at: Place,
}

impl Operator for Unnest {
    fn push(&mut self, input: RecordBatch, _: Output<'_>) -> Result<()> {
        let missing = || Error::internal("an unnesting of a column that its input has not");
        let mut lists = Vec::with_capacity(self.lists.len());
        for (list, is_made) in &self.lists {
            let list = list.evaluate_array(&input)?;
            if *is_made {
                self.memory.grow(shown_bytes(&list))?;
            }
            let list = list.as_list_opt::<i32>().cloned();
            lists.push(list.ok_or_else(|| Error::internal("an unnesting of what is no list"))?);
        }
        let passed = self.passed.iter().map(|&column| input.columns().get(column).cloned().ok_or_else(missing));
        let passed = passed.collect::<Result<Vec<_>>>()?;
        let rows = input.num_rows();
        let repeated = repeated_bytes(&passed, rows);
        self.current = Some(Current { passed, lists, rows, repeated, at: Place::default() });
        Ok(())
    }

    fn advance(&mut self, out: Output<'_>) -> Result<bool> {
        self.cancel.check()?;
        let Some(current) = &mut self.current else { return Ok(false) };
        let piece = current.next(self.batch_size, self.keeps_empty, self.numbers_items);
        if piece.rows.is_empty() {
            self.current = None;
            self.memory.free();
            return Ok(false);
        }
        let rows = piece.rows.len();
        let indices = UInt32Array::from(piece.rows);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for column in &current.passed {
            columns.push(take(column, &indices, None)?);
        }
        for (items, list) in piece.items.into_iter().zip(&current.lists) {
            columns.push(items.of(list.values())?);
        }
        if self.numbers_items {
            columns.push(Arc::new(Int64Array::from(piece.numbers)) as ArrayRef);
        }
        out(record_batch(&self.schema, columns, rows)?)?;
        Ok(true)
    }
}

/// Bytes of lists that each row has among columns that are repeated for each item; `None` where there are none. Other types are a
/// few bytes each, texts among them, which are shown and not copied.
fn repeated_bytes(columns: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let mut bytes: Option<Vec<u64>> = None;
    for column in columns.iter().filter(|column| is_list(column.data_type())) {
        let Some(lists) = column.as_list_opt::<i32>() else { continue };
        let item = shown_bytes(lists.values()) / (lists.values().len() as u64).max(1) + 1;
        let bytes = bytes.get_or_insert_with(|| vec![0; rows]);
        for (bytes, ends) in bytes.iter_mut().zip(lists.value_offsets().windows(2)) {
            *bytes += item * u64::try_from(ends[1] - ends[0]).unwrap_or(0);
        }
    }
    bytes
}

/// The rows of a batch of output.
struct Piece {
    /// For each the row of the input.
    rows: Vec<u32>,
    /// For each list.
    items: Vec<Items>,
    /// The number of each item in its row.
    numbers: Vec<Option<i64>>,
}

impl Current {
    /// The rows that follow, `most` of them or fewer; none at the end.
    fn next(&mut self, most: usize, keeps_empty: bool, numbers_items: bool) -> Piece {
        let mut piece =
            Piece { rows: Vec::new(), items: vec![Items::default(); self.lists.len()], numbers: Vec::new() };
        let mut bytes_left = REPEATED_BYTES;
        while self.at.row < self.rows && piece.rows.len() < most {
            let Place { row, item } = self.at;
            let longest = self.lists.iter().map(|list| length(list, row)).max().unwrap_or(0);
            let all = longest.max(usize::from(keeps_empty));
            let mut count = (all - item).min(most - piece.rows.len());
            if let Some(bytes) = self.repeated.as_ref().and_then(|bytes| bytes.get(row)).filter(|bytes| **bytes > 0) {
                let fitting = usize::try_from(bytes_left / bytes).unwrap_or(usize::MAX);
                count = count.min(fitting.max(usize::from(piece.rows.is_empty())));
                bytes_left = bytes_left.saturating_sub(bytes * count as u64);
                if count == 0 && item < all {
                    break;
                }
            }
            for (items, list) in piece.items.iter_mut().zip(&self.lists) {
                let own = length(list, row).saturating_sub(item).min(count);
                let start = list.value_offsets().get(row).map_or(0, |start| *start as usize) + item;
                items.add(start, own, count - own);
            }
            if numbers_items {
                // Of a row without items there is none that has a number.
                piece.numbers.extend((item..item + count).map(|item| (item < longest).then_some(item as i64 + 1)));
            }
            piece.rows.extend(std::iter::repeat_n(row as u32, count));
            self.at =
                if item + count == all { Place { row: row + 1, item: 0 } } else { Place { row, item: item + count } };
        }
        piece
    }
}

/// The number of items of the list at a row; none of null.
fn length(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { usize::try_from(list.value_length(row)).unwrap_or(0) }
}
