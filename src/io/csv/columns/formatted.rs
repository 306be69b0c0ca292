//! Values that are not written in the plain way: the parsers of the user's formats, chosen once per column and run.

use super::{Builder, Cells, ColumnReader, Failures, Run, integer};
use crate::io::csv::formats::Formats;
use crate::io::csv::values;
use crate::types::temporal::MICROS_PER_SECOND;

impl ColumnReader {
    /// Appends the records of a run, as the formats say.
    pub(super) fn append_formatted(&mut self, run: &Run<'_>, formats: &Formats, failures: &mut Failures) {
        if formats.is_plain() {
            return self.append_plain(run, failures);
        }
        let strict = self.inferred;
        let is_code = |text: &[u8]| strict && values::is_code(text);
        let is_float_code =
            |text: &[u8]| is_code(text) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'+');
        let cells = Cells { run, slot: self.slot };
        match &mut self.builder {
            Builder::Int8(builder) => {
                cells.primitive(builder, failures, |text| formats.number(text, |text| integer(text, is_code)));
            }
            Builder::Int16(builder) => {
                cells.primitive(builder, failures, |text| formats.number(text, |text| integer(text, is_code)));
            }
            Builder::Int32(builder) => {
                cells.primitive(builder, failures, |text| formats.number(text, |text| integer(text, is_code)));
            }
            Builder::Int64(builder) => {
                cells.primitive(builder, failures, |text| formats.number(text, |text| integer(text, is_code)));
            }
            Builder::Float32(builder) => cells.primitive(builder, failures, |text| {
                formats.number(text, |text| values::float(text).filter(|_| !is_float_code(text)))
            }),
            Builder::Float64(builder) => cells.primitive(builder, failures, |text| {
                formats.number(text, |text| values::float(text).filter(|_| !is_float_code(text)))
            }),
            Builder::Decimal(builder, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                cells.primitive(builder, failures, |text| {
                    formats
                        .number(text, |text| values::decimal(text, precision, scale).filter(|_| !is_float_code(text)))
                });
            }
            Builder::Date(builder) => cells.primitive(builder, failures, |text| formats.date(text)),
            Builder::Timestamp(builder) => {
                // Seconds since 1970 are in UTC, as timestamps without a zone are read too.
                let takes_utc = !strict || formats.is_epoch();
                cells.primitive(builder, failures, |text| match formats.timestamp(text)? {
                    (local, None) => Some(local),
                    (local, Some(0)) if takes_utc => Some(local),
                    _ => None,
                });
            }
            Builder::ZonedTimestamp(builder) => {
                let zone = run.zone;
                cells.primitive(builder, failures, |text| match formats.timestamp(text)? {
                    (local, Some(seconds)) => local.checked_sub(seconds.checked_mul(MICROS_PER_SECOND)?),
                    (local, None) if !strict => Some(zone.to_utc(local)),
                    _ => None,
                });
            }
            Builder::Boolean(_) | Builder::Time(_) | Builder::Interval(_) | Builder::Text(_) => {
                self.append_plain(run, failures);
            }
        }
    }
}
