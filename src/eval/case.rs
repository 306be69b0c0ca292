//! CASE and COALESCE: each branch is evaluated over the rows that reach it, and the pieces are put together.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, interleave, is_null};
use arrow::datatypes::UInt32Type;

use super::node::Node;
use super::rows::Rows;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::functions::scalar::Value;
use crate::functions::scalar::kernel::where_true;
use crate::types::{DataType, Scalar};

/// `CASE WHEN … THEN … ELSE … END`.
pub(super) fn case(
    branches: &[(Node, Node)],
    otherwise: Option<&Node>,
    data_type: &DataType,
    rows: &Rows<'_>,
    config: &Config,
) -> Result<Value> {
    let mut pieces = Pieces::new(data_type, rows.len());
    let mut remaining = rows.clone();
    for (condition, result) in branches {
        if remaining.len() == 0 {
            break;
        }
        let mask = match condition.evaluate(&remaining, config)? {
            Value::Scalar(value) => match value.as_bool() {
                Some(true) => BooleanArray::from(BooleanBuffer::new_set(remaining.len())),
                _ => continue,
            },
            Value::Array(array) => match array.as_boolean_opt() {
                Some(mask) => where_true(mask),
                None if *array.data_type() == DataType::Null => continue,
                None => return Err(Error::internal(format!("a condition of type {}", array.data_type()))),
            },
        };
        match mask.true_count() {
            0 => continue,
            count if count == remaining.len() => {
                let value = result.evaluate(&remaining, config)?;
                return pieces.finish_with(value, remaining.len());
            }
            _ => {
                let hit = remaining.select(&mask)?;
                pieces.take(&mask, result.evaluate(&hit, config)?)?;
                remaining = remaining.select(&BooleanArray::from(!mask.values()))?;
            }
        }
    }
    match otherwise {
        Some(otherwise) if remaining.len() > 0 => {
            let value = otherwise.evaluate(&remaining, config)?;
            pieces.finish_with(value, remaining.len())
        }
        _ => pieces.finish(),
    }
}

/// The first value that is not null; a later argument is evaluated only where all before it were.
pub(super) fn coalesce(inputs: &[Node], data_type: &DataType, rows: &Rows<'_>, config: &Config) -> Result<Value> {
    let mut pieces = Pieces::new(data_type, rows.len());
    let mut remaining = rows.clone();
    for (index, input) in inputs.iter().enumerate() {
        if remaining.len() == 0 {
            break;
        }
        let value = input.evaluate(&remaining, config)?;
        if let Value::Scalar(scalar) = &value {
            if scalar.is_null() {
                continue;
            }
            return pieces.finish_with(value, remaining.len());
        }
        let missing = is_null(value.values())?;
        if index + 1 == inputs.len() || missing.true_count() == 0 {
            return pieces.finish_with(value, remaining.len());
        }
        let present = BooleanArray::from(!missing.values());
        let kept = filter(value.values(), &present)?;
        pieces.take(&present, Value::Array(kept))?;
        remaining = remaining.select(&missing)?;
    }
    pieces.finish()
}

/// The results of branches, and which rows they are for.
struct Pieces<'a> {
    data_type: &'a DataType,
    /// The rows, numbered from 0, that no branch has taken yet.
    open: UInt32Array,
    /// For each row the piece and the place in it; piece 0 is a single null.
    places: Vec<(usize, usize)>,
    pieces: Vec<ArrayRef>,
}

impl<'a> Pieces<'a> {
    fn new(data_type: &'a DataType, rows: usize) -> Self {
        let open = UInt32Array::from_iter_values((0..rows).filter_map(|row| u32::try_from(row).ok()));
        Self { data_type, open, places: vec![(0, 0); rows], pieces: vec![new_null_array(data_type, 1)] }
    }

    /// Gives the open rows of the mask their values.
    fn take(&mut self, mask: &BooleanArray, value: Value) -> Result<()> {
        let rows = filter(&self.open, mask)?;
        self.place(rows.as_primitive::<UInt32Type>(), &value);
        let rest = filter(&self.open, &BooleanArray::from(!mask.values()))?;
        self.open = rest.as_primitive::<UInt32Type>().clone();
        Ok(())
    }

    fn place(&mut self, rows: &UInt32Array, value: &Value) {
        let piece = self.pieces.len();
        let stride = usize::from(!value.is_scalar());
        for (index, row) in rows.values().iter().enumerate() {
            if let Some(place) = self.places.get_mut(*row as usize) {
                *place = (piece, index * stride);
            }
        }
        self.pieces.push(typed(value.values(), self.data_type));
    }

    /// The last value is for all rows that are still open, of which there are `remaining`.
    fn finish_with(mut self, value: Value, remaining: usize) -> Result<Value> {
        if remaining == self.places.len() {
            return Ok(match value {
                Value::Scalar(scalar) if scalar.is_null() => Value::Scalar(Scalar::null(self.data_type)),
                Value::Array(array) => Value::Array(typed(&array, self.data_type)),
                value => value,
            });
        }
        let open = self.open.clone();
        self.place(&open, &value);
        self.finish()
    }

    fn finish(self) -> Result<Value> {
        if self.pieces.len() == 1 {
            return Ok(Value::Scalar(Scalar::null(self.data_type)));
        }
        let pieces: Vec<&dyn Array> = self.pieces.iter().map(AsRef::as_ref).collect();
        Ok(Value::Array(interleave(&pieces, &self.places)?))
    }
}

/// A branch that is the bare word NULL takes the type of the others.
fn typed(array: &ArrayRef, data_type: &DataType) -> ArrayRef {
    if *array.data_type() == DataType::Null && *data_type != DataType::Null {
        new_null_array(data_type, array.len())
    } else {
        array.clone()
    }
}
