//! Typed columns from the fields of many records: one loop per column and block, without a decision per row.

use std::str::{from_utf8, from_utf8_unchecked};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, PrimitiveBuilder,
    StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::Buffer;

use super::dialect::Dialect;
use super::nulls::Nulls;
use super::options::OnError;
use super::tokenizer::{Span, Tokens};
use super::values;
use crate::error::{Error, Result};
use crate::types::interval::parse_interval;
use crate::types::temporal::{MICROS_PER_SECOND, Zone};
use crate::types::{DataType, TIME, TimeUnit, sql_name};

/// Views of at most that many bytes hold their text themselves.
const INLINE: usize = 12;

/// Records of a block, and what is needed to read them.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The block.
    pub block: &'a Buffer,
    /// The fields of the records.
    pub tokens: &'a Tokens,
    /// Whether the records are known to be UTF-8.
    pub is_utf8: bool,
    /// The dialect.
    pub dialect: &'a Dialect,
    /// Which texts are null.
    pub nulls: &'a Nulls,
    /// The zone of timestamps whose text has none.
    pub zone: &'a Zone,
}

/// What did not fit, while the records of one batch are read.
#[derive(Debug)]
pub struct Failures {
    on_error: OnError,
    /// The first failure of the run by row, and then by column; only kept where it ends the query.
    pub first: Option<Failure>,
    /// All failures of the run that are recorded, in the order in which they were met.
    pub found: Vec<Failure>,
    /// Values that became null.
    pub nulled: u64,
    /// Whether each row of the batch is rejected; as long as the last one that is.
    pub rejected: Vec<bool>,
    /// Rows of the batch from earlier runs.
    pub base: usize,
}

/// A row of a run that does not fit, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The row in the run.
    pub row: usize,
    /// The column's slot; `None` where the number of fields is wrong.
    pub slot: Option<usize>,
}

impl Failures {
    /// Nothing has failed yet.
    pub fn new(on_error: OnError) -> Self {
        Self { on_error, first: None, found: Vec::new(), nulled: 0, rejected: Vec::new(), base: 0 }
    }

    /// A value does not fit; the caller appends null in its place.
    #[cold]
    pub fn bad_value(&mut self, row: usize, slot: usize) {
        match self.on_error {
            OnError::Error => return self.fail(row, Some(slot)),
            OnError::Null => self.nulled += 1,
            OnError::Reject => self.reject(row),
            OnError::Widen => self.fail(row, Some(slot)),
        }
        self.found.push(Failure { row, slot: Some(slot) });
    }

    /// A row has too few fields, or too many.
    #[cold]
    pub fn ragged(&mut self, row: usize, fields: usize, expected: usize) {
        match self.on_error {
            OnError::Reject => self.reject(row),
            OnError::Null if fields < expected => self.nulled += (expected - fields) as u64,
            OnError::Error | OnError::Null | OnError::Widen => return self.fail(row, None),
        }
        self.found.push(Failure { row, slot: None });
    }

    fn fail(&mut self, row: usize, slot: Option<usize>) {
        if self.first.is_none_or(|first| (row, slot) < (first.row, first.slot)) {
            self.first = Some(Failure { row, slot });
        }
    }

    fn reject(&mut self, row: usize) {
        let row = self.base + row;
        if self.rejected.len() <= row {
            self.rejected.resize(row + 1, false);
        }
        self.rejected[row] = true;
    }
}

/// A column of a batch while it is read.
#[derive(Debug)]
pub struct ColumnReader {
    slot: usize,
    inferred: bool,
    builder: Builder,
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    ZonedTimestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Text(StringViewBuilder),
}

impl ColumnReader {
    /// A column of `data_type` from the fields of a slot. Where the type was only inferred, text that says more than
    /// its value, such as `007` for a number, does not fit: how much was sampled must not change what is read.
    pub fn new(slot: usize, data_type: &DataType, inferred: bool) -> Result<Self> {
        let builder = match data_type {
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Builder::Int8(Int8Builder::new()),
            DataType::Int16 => Builder::Int16(Int16Builder::new()),
            DataType::Int32 => Builder::Int32(Int32Builder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::Float32 => Builder::Float32(Float32Builder::new()),
            DataType::Float64 => Builder::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()), *precision, *scale)
            }
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let builder = TimestampMicrosecondBuilder::new().with_data_type(data_type.clone());
                if zone.is_some() { Builder::ZonedTimestamp(builder) } else { Builder::Timestamp(builder) }
            }
            DataType::Interval(_) => Builder::Interval(IntervalMonthDayNanoBuilder::new()),
            DataType::Utf8View => Builder::Text(StringViewBuilder::new()),
            time if *time == TIME => Builder::Time(Time64MicrosecondBuilder::new()),
            other => return Err(Error::internal(format!("CSV has no values of type {}", sql_name(other)))),
        };
        Ok(Self { slot, inferred, builder })
    }

    /// Appends the records of a run.
    pub fn append(&mut self, run: &Run<'_>, failures: &mut Failures) {
        let strict = self.inferred;
        let is_code = |text: &[u8]| strict && values::is_code(text);
        // "0.5" starts with a zero and is no code.
        let is_float_code =
            |text: &[u8]| is_code(text) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'+');
        let cells = Cells { run, slot: self.slot };
        match &mut self.builder {
            Builder::Boolean(builder) => cells.read(
                failures,
                |value| builder.append_option(value),
                |text| values::boolean(text).or_else(|| if strict { None } else { boolean_word(text) }),
            ),
            Builder::Int8(builder) => cells.primitive(builder, failures, |text| integer(text, is_code)),
            Builder::Int16(builder) => cells.primitive(builder, failures, |text| integer(text, is_code)),
            Builder::Int32(builder) => cells.primitive(builder, failures, |text| integer(text, is_code)),
            Builder::Int64(builder) => cells.primitive(builder, failures, |text| integer(text, is_code)),
            Builder::Float32(builder) => {
                cells.primitive(builder, failures, |text| values::float(text).filter(|_| !is_float_code(text)))
            }
            Builder::Float64(builder) => {
                cells.primitive(builder, failures, |text| values::float(text).filter(|_| !is_float_code(text)))
            }
            Builder::Decimal(builder, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                cells.primitive(builder, failures, |text| {
                    values::decimal(text, precision, scale).filter(|_| !is_float_code(text))
                });
            }
            Builder::Date(builder) => cells.primitive(builder, failures, values::date),
            Builder::Time(builder) => cells.primitive(builder, failures, values::time),
            Builder::Timestamp(builder) => cells.primitive(builder, failures, |text| match values::timestamp(text)? {
                (local, None) => Some(local),
                // A zone is not dropped in silence; UTC is, where the user asked for it.
                (local, Some(0)) if !strict => Some(local),
                _ => None,
            }),
            Builder::ZonedTimestamp(builder) => {
                let zone = run.zone;
                cells.primitive(builder, failures, |text| match values::timestamp(text)? {
                    (local, Some(seconds)) => local.checked_sub(seconds.checked_mul(MICROS_PER_SECOND)?),
                    (local, None) if !strict => Some(zone.to_utc(local)),
                    _ => None,
                });
            }
            Builder::Interval(builder) => {
                cells.primitive(builder, failures, |text| parse_interval(from_utf8(text).ok()?, None).ok());
            }
            Builder::Text(builder) => cells.text(builder, failures),
        }
    }

    /// The column, and an empty one to go on with.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Int8(builder) => Arc::new(builder.finish()),
            Builder::Int16(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => Arc::new(builder.finish()),
            Builder::Int64(builder) => Arc::new(builder.finish()),
            Builder::Float32(builder) => Arc::new(builder.finish()),
            Builder::Float64(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, _, _) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) | Builder::ZonedTimestamp(builder) => Arc::new(builder.finish()),
            Builder::Interval(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

#[inline]
fn integer<T: atoi_simd::Parse>(text: &[u8], is_code: impl Fn(&[u8]) -> bool) -> Option<T> {
    if is_code(text) { None } else { values::integer(text) }
}

/// The other words for truth values that PostgreSQL reads, for columns that the user declared.
fn boolean_word(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text));
    match () {
        () if is(&["t", "yes", "y", "on", "1"]) => Some(true),
        () if is(&["f", "no", "n", "off", "0"]) => Some(false),
        () => None,
    }
}

/// The fields of one column in a run.
struct Cells<'a> {
    run: &'a Run<'a>,
    slot: usize,
}

impl Cells<'_> {
    /// Parses each field and appends the value, or null.
    #[inline]
    fn read<V>(&self, failures: &mut Failures, mut append: impl FnMut(Option<V>), parse: impl Fn(&[u8]) -> Option<V>) {
        let mut scratch = Vec::new();
        for (row, span) in self.run.tokens.column(self.slot).enumerate() {
            let text = values::trim(span.text(self.run.block, self.run.dialect, &mut scratch));
            // A field that the record does not have reads as empty.
            if self.run.nulls.is_null(text) {
                append(None);
                continue;
            }
            let value = parse(text);
            if value.is_none() {
                failures.bad_value(row, self.slot);
            }
            append(value);
        }
    }

    #[inline]
    fn primitive<T: ArrowPrimitiveType>(
        &self,
        builder: &mut PrimitiveBuilder<T>,
        failures: &mut Failures,
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) {
        self.read(failures, |value| builder.append_option(value), parse);
    }

    /// Appends text. Long text is a view into the block, which the column then shares; nothing is copied but what had to
    /// be put together from an escaped field.
    fn text(&self, builder: &mut StringViewBuilder, failures: &mut Failures) {
        let Run { block, tokens, is_utf8, dialect, nulls, .. } = *self.run;
        let mut shared = None;
        let mut scratch = Vec::new();
        for (row, span) in tokens.column(self.slot).enumerate() {
            if span.is_missing() || (!span.is_quoted() && nulls.is_null_text(span.raw(block))) {
                builder.append_null();
                continue;
            }
            let text = span.text(block, dialect, &mut scratch);
            // SAFETY: the records of the run are UTF-8 as a whole, and a field is cut from them at ASCII bytes.
            let text = if is_utf8 && !span.is_complex() {
                Some(unsafe { from_utf8_unchecked(text) })
            } else {
                from_utf8(text).ok()
            };
            match text {
                None => {
                    failures.bad_value(row, self.slot);
                    builder.append_null();
                }
                Some(text) if text.len() <= INLINE || span.is_complex() => builder.append_value(text),
                Some(_) => {
                    let shared = *shared.get_or_insert_with(|| builder.append_block(block.clone()));
                    // SAFETY: `shared` is the block, the span lies within it, and its text was found to be UTF-8.
                    unsafe { builder.append_view_unchecked(shared, span.start() as u32, span.len() as u32) };
                }
            }
        }
    }
}

/// The raw text of a row's field in a run.
pub fn raw_field<'a>(run: &Run<'a>, row: usize, slot: usize) -> &'a [u8] {
    run.tokens.column(slot).nth(row).unwrap_or(Span::MISSING).raw(run.block)
}
