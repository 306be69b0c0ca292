//! Values that are not written in the plain way: the parsers of the user's formats, chosen once per column and run.

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::{Cells, ColumnReader, Failures, Run, Strictness, never, with_type};
use crate::error::Result;
use crate::io::csv::formats::Formats;
use crate::types::DataType;

impl ColumnReader {
    /// The column of the records of a run, whose values are written as the formats say.
    pub(super) fn read_formatted(&self, run: &Run<'_>, formats: &Formats, failures: &mut Failures) -> Result<ArrayRef> {
        if formats.is_plain() {
            return self.read_plain(run, failures);
        }
        let rules = Strictness::new(self.inferred, run.zone);
        // Seconds since 1970 are in UTC, as timestamps without a zone are read too.
        let local = Strictness { is_strict: self.inferred && !formats.is_epoch(), ..rules };
        let cells = Cells { run, slot: self.slot, failures };
        let with_type = |array: PrimitiveArray<TimestampMicrosecondType>| with_type(array, &self.data_type);
        Ok(match &self.data_type {
            DataType::Int8 => {
                cells.primitive::<Int8Type>(never, |text| formats.number(text, |text| rules.integer(text)))
            }
            DataType::Int16 => {
                cells.primitive::<Int16Type>(never, |text| formats.number(text, |text| rules.integer(text)))
            }
            DataType::Int32 => {
                cells.primitive::<Int32Type>(never, |text| formats.number(text, |text| rules.integer(text)))
            }
            DataType::Int64 => {
                cells.primitive::<Int64Type>(never, |text| formats.number(text, |text| rules.integer(text)))
            }
            DataType::Float32 => {
                cells.primitive::<Float32Type>(never, |text| formats.number(text, |text| rules.float(text)))
            }
            DataType::Float64 => {
                cells.primitive::<Float64Type>(never, |text| formats.number(text, |text| rules.float(text)))
            }
            DataType::Decimal128(precision, scale) => {
                let decimal = |text: &[u8]| rules.decimal(text, *precision, *scale);
                let array = cells.primitive_array::<Decimal128Type>(never, |text| formats.number(text, decimal));
                super::with_type(array, &self.data_type)
            }
            DataType::Date32 => cells.primitive::<Date32Type>(never, |text| formats.date(text)),
            DataType::Timestamp(_, None) => {
                with_type(cells.primitive_array(never, |text| local.local(formats.timestamp(text)?)))
            }
            DataType::Timestamp(_, Some(_)) => {
                with_type(cells.primitive_array(never, |text| rules.moment(formats.timestamp(text)?)))
            }
            _ => return self.read_plain(run, cells.failures),
        })
    }
}
