//! Values that are not written in the plain way: the parsers of the user's formats, chosen once per column and run.

use arrow::array::ArrayRef;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::{Cells, ColumnReader, Failures, Run, integer, never, with_type};
use crate::error::Result;
use crate::io::csv::formats::Formats;
use crate::io::csv::values;
use crate::types::DataType;
use crate::types::temporal::MICROS_PER_SECOND;

impl ColumnReader {
    /// The column of the records of a run, whose values are written as the formats say.
    pub(super) fn read_formatted(&self, run: &Run<'_>, formats: &Formats, failures: &mut Failures) -> Result<ArrayRef> {
        if formats.is_plain() {
            return self.read_plain(run, failures);
        }
        let strict = self.inferred;
        let is_code = |text: &[u8]| strict && values::is_code(text);
        let is_float_code =
            |text: &[u8]| is_code(text) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'+');
        let is_rounded = |text: &[u8]| strict && values::is_wide_integer(text);
        let cells = Cells { run, slot: self.slot, failures };
        Ok(match &self.data_type {
            DataType::Int8 => {
                cells.primitive::<Int8Type>(never, |text| formats.number(text, |text| integer(text, is_code)))
            }
            DataType::Int16 => {
                cells.primitive::<Int16Type>(never, |text| formats.number(text, |text| integer(text, is_code)))
            }
            DataType::Int32 => {
                cells.primitive::<Int32Type>(never, |text| formats.number(text, |text| integer(text, is_code)))
            }
            DataType::Int64 => {
                cells.primitive::<Int64Type>(never, |text| formats.number(text, |text| integer(text, is_code)))
            }
            DataType::Float32 => cells.primitive::<Float32Type>(never, |text| {
                formats.number(text, |text| values::float(text).filter(|_| !is_float_code(text) && !is_rounded(text)))
            }),
            DataType::Float64 => cells.primitive::<Float64Type>(never, |text| {
                formats.number(text, |text| values::float(text).filter(|_| !is_float_code(text) && !is_rounded(text)))
            }),
            DataType::Decimal128(precision, scale) => {
                let decimal = |text: &[u8]| values::decimal(text, *precision, *scale).filter(|_| !is_float_code(text));
                let array = cells.primitive_array::<Decimal128Type>(never, |text| formats.number(text, decimal));
                with_type(array, &self.data_type)
            }
            DataType::Date32 => cells.primitive::<Date32Type>(never, |text| formats.date(text)),
            DataType::Timestamp(_, None) => {
                // Seconds since 1970 are in UTC, as timestamps without a zone are read too.
                let takes_utc = !strict || formats.is_epoch();
                let local = |text: &[u8]| match formats.timestamp(text)? {
                    (local, None) => Some(local),
                    (local, Some(0)) if takes_utc => Some(local),
                    _ => None,
                };
                with_type(cells.primitive_array::<TimestampMicrosecondType>(never, local), &self.data_type)
            }
            DataType::Timestamp(_, Some(_)) => {
                let moment = |text: &[u8]| match formats.timestamp(text)? {
                    (local, Some(seconds)) => local.checked_sub(seconds.checked_mul(MICROS_PER_SECOND)?),
                    (local, None) if !strict => Some(run.zone.to_utc(local)),
                    _ => None,
                };
                with_type(cells.primitive_array::<TimestampMicrosecondType>(never, moment), &self.data_type)
            }
            _ => return self.read_plain(run, cells.failures),
        })
    }
}
