//! Typed columns from the values of many records: one loop per column, without a decision on the type per row.

use std::str::from_utf8;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, NullBufferBuilder, PrimitiveArray, StringViewBuilder,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::syntax::{Kind, Value, items};
use crate::error::{Error, Result};
use crate::io::csv::columns::Strictness;
use crate::io::csv::values;
use crate::types::interval::parse_interval;
use crate::types::temporal::Zone;
use crate::types::{DataType, TIME, TimeUnit, sql_name};

/// Reads the values of one column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnReader<'a> {
    pub data_type: &'a DataType,
    /// The type was inferred: then a value of another kind does not fit, whatever its text says.
    pub inferred: bool,
    /// The zone of timestamps whose text has none.
    pub zone: &'a Zone,
}

impl ColumnReader<'_> {
    /// The column of values that lie in `text`; `bad` is told of each row whose value does not fit, which is null then.
    pub fn read(&self, text: &[u8], cells: &[Value], bad: &mut dyn FnMut(usize)) -> Result<ArrayRef> {
        let column = Cells { text, cells, bad, kinds: self.kinds() };
        let rules = Strictness::new(self.inferred, self.zone);
        Ok(match self.data_type {
            DataType::Boolean => {
                let (values, nulls) = column.values(|text| rules.boolean(text));
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            DataType::Int8 => column.primitive::<Int8Type>(|text| rules.integer(text)),
            DataType::Int16 => column.primitive::<Int16Type>(|text| rules.integer(text)),
            DataType::Int32 => column.primitive::<Int32Type>(|text| rules.integer(text)),
            DataType::Int64 => column.primitive::<Int64Type>(|text| rules.integer(text)),
            DataType::Float32 => column.primitive::<Float32Type>(|text| rules.float(text)),
            DataType::Float64 => column.primitive::<Float64Type>(|text| rules.float(text)),
            DataType::Decimal128(precision, scale) => {
                let array = column.array::<Decimal128Type>(|text| rules.decimal(text, *precision, *scale));
                Arc::new(array.with_data_type(self.data_type.clone()))
            }
            DataType::Date32 => column.primitive::<Date32Type>(values::date),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let moment = |text: &[u8]| {
                    let read = values::timestamp(text)?;
                    if zone.is_some() { rules.moment(read) } else { rules.local(read) }
                };
                let array = column.array::<TimestampMicrosecondType>(moment);
                Arc::new(array.with_data_type(self.data_type.clone()))
            }
            DataType::Interval(_) => {
                column.primitive::<IntervalMonthDayNanoType>(|text| parse_interval(from_utf8(text).ok()?, None).ok())
            }
            DataType::Utf8View => column.texts()?,
            time if *time == TIME => column.primitive::<Time64MicrosecondType>(values::time),
            DataType::List(item) => self.lists(item, text, cells, bad)?,
            other => return Err(Error::internal(format!("JSON has no values of type {}", sql_name(other)))),
        })
    }

    /// The kinds of values that the type is made of; all scalars, where it was declared.
    fn kinds(&self) -> Kinds {
        if !self.inferred {
            return Kinds { numbers: true, truths: true, texts: true };
        }
        let only = |numbers, truths, texts| Kinds { numbers, truths, texts };
        match self.data_type {
            DataType::Boolean => only(false, true, false),
            DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(_, _) | DataType::Interval(_) => {
                only(false, false, true)
            }
            _ => only(true, false, false),
        }
    }

    /// Lists; one with an item that does not fit does not fit itself.
    fn lists(&self, item: &Arc<Field>, text: &[u8], cells: &[Value], bad: &mut dyn FnMut(usize)) -> Result<ArrayRef> {
        let (mut all, mut rows, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(cells.len()));
        let mut fits = vec![true; cells.len()];
        for (row, cell) in cells.iter().enumerate() {
            let before = all.len();
            match cell.kind {
                Kind::Array => items(cell.raw(text), |value| all.push(value.behind(cell.start()))),
                Kind::Null => {}
                _ => fits[row] = false,
            }
            rows.resize(all.len(), row);
            lengths.push(all.len() - before);
        }
        let reader = ColumnReader { data_type: item.data_type(), inferred: self.inferred, zone: self.zone };
        let values = reader.read(text, &all, &mut |index| {
            if let Some(row) = rows.get(index) {
                fits[*row] = false;
            }
        })?;
        let mut validity = NullBufferBuilder::new(cells.len());
        for (row, (cell, fits)) in cells.iter().zip(&fits).enumerate() {
            validity.append(*fits && cell.kind != Kind::Null);
            if !fits {
                bad(row);
            }
        }
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(item.clone(), offsets, values, validity.finish())?))
    }
}

/// Kinds of scalars.
#[derive(Clone, Copy)]
struct Kinds {
    numbers: bool,
    truths: bool,
    texts: bool,
}

/// The values of one column.
struct Cells<'a> {
    text: &'a [u8],
    cells: &'a [Value],
    bad: &'a mut dyn FnMut(usize),
    kinds: Kinds,
}

impl Cells<'_> {
    fn values<V: Default>(self, parse: impl Fn(&[u8]) -> Option<V>) -> (Vec<V>, Option<NullBuffer>) {
        let mut values = Vec::with_capacity(self.cells.len());
        let mut validity = NullBufferBuilder::new(self.cells.len());
        let mut scratch = Vec::new();
        for (row, cell) in self.cells.iter().enumerate() {
            let may_fit = match cell.kind {
                Kind::Number => self.kinds.numbers,
                Kind::True | Kind::False => self.kinds.truths,
                Kind::Text | Kind::Escaped => self.kinds.texts,
                Kind::Null | Kind::Array | Kind::Object => false,
            };
            let scalar = if may_fit { cell.scalar(self.text, &mut scratch) } else { None };
            let value = scalar.and_then(&parse);
            validity.append(value.is_some());
            if value.is_none() && cell.kind != Kind::Null {
                (self.bad)(row);
            }
            values.push(value.unwrap_or_default());
        }
        (values, validity.finish())
    }

    fn array<T: ArrowPrimitiveType>(self, parse: impl Fn(&[u8]) -> Option<T::Native>) -> PrimitiveArray<T> {
        let (values, nulls) = self.values(parse);
        PrimitiveArray::new(ScalarBuffer::from(values), nulls)
    }

    fn primitive<T: ArrowPrimitiveType>(self, parse: impl Fn(&[u8]) -> Option<T::Native>) -> ArrayRef {
        Arc::new(self.array::<T>(parse))
    }

    /// Texts as they are, and everything else as it is written.
    fn texts(self) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.cells.len());
        let mut scratch = Vec::new();
        for (row, cell) in self.cells.iter().enumerate() {
            let bytes = match cell.kind {
                Kind::Null => None,
                Kind::Array | Kind::Object => Some(cell.raw(self.text)),
                _ => cell.scalar(self.text, &mut scratch),
            };
            match bytes.map(from_utf8) {
                None => builder.append_null(),
                Some(Ok(text)) => builder.try_append_value(text)?,
                Some(Err(_)) => {
                    builder.append_null();
                    (self.bad)(row);
                }
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}
