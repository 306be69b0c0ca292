//! Typed columns from the fields of many records: one loop per column and block, without a decision per row.

mod formatted;

use std::str::from_utf8;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, NullBufferBuilder, PrimitiveArray, StringViewArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::filter;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::dialect::Dialect;
use super::nulls::Nulls;
use super::options::OnError;
use super::rules::ColumnRules;
use super::tokens::{Span, Tokens};
use super::{decimal_float, digits, values};
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
        Self { on_error, first: None, found: Vec::new(), nulled: 0, rejected: Vec::new() }
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

    /// A row cannot be read.
    #[cold]
    pub fn broken(&mut self, row: usize) {
        match self.on_error {
            OnError::Reject => self.reject(row),
            OnError::Error | OnError::Null | OnError::Widen => return self.fail(row, None),
        }
        self.found.push(Failure { row, slot: None });
    }

    /// Leaves of the first `rows` of a batch those that are not rejected, and says how many they are.
    ///
    /// # Errors
    /// An internal error for columns of another length.
    pub fn keep(&self, columns: &mut [ArrayRef], rows: usize) -> Result<usize> {
        for column in columns.iter_mut().filter(|column| column.len() > rows) {
            *column = column.slice(0, rows);
        }
        if self.rejected.is_empty() {
            return Ok(rows);
        }
        let keeps = |row: usize| !self.rejected.get(row).copied().unwrap_or(false);
        let mask = BooleanArray::from_iter((0..rows).map(|row| Some(keeps(row))));
        for column in columns {
            *column = filter(column, &mask)?;
        }
        Ok(mask.true_count())
    }

    /// How many rows are rejected.
    pub fn rejected(&self) -> usize {
        self.rejected.iter().filter(|rejected| **rejected).count()
    }

    fn fail(&mut self, row: usize, slot: Option<usize>) {
        if self.first.is_none_or(|first| (row, slot) < (first.row, first.slot)) {
            self.first = Some(Failure { row, slot });
        }
    }

    fn reject(&mut self, row: usize) {
        if self.rejected.len() <= row {
            self.rejected.resize(row + 1, false);
        }
        self.rejected[row] = true;
    }
}

/// Reads the column of one slot.
#[derive(Debug)]
pub struct ColumnReader {
    slot: usize,
    inferred: bool,
    data_type: DataType,
    /// Nulls and formats of the column, where they are not the usual ones.
    rules: Option<Arc<ColumnRules>>,
}

impl ColumnReader {
    /// A column of `data_type` from the fields of a slot. Where the type was only inferred, text that says more than
    /// its value, such as `007` for a number, does not fit: how much was sampled must not change what is read.
    ///
    /// # Errors
    /// An internal error for a type that CSV has no values of.
    pub fn new(slot: usize, data_type: &DataType, inferred: bool) -> Result<Self> {
        use DataType as T;
        match data_type {
            T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Decimal128(_, _) => {}
            T::Date32 | T::Timestamp(TimeUnit::Microsecond, _) | T::Interval(_) | T::Utf8View => {}
            time if *time == TIME => {}
            other => return Err(Error::internal(format!("CSV has no values of type {}", sql_name(other)))),
        }
        Ok(Self { slot, inferred, data_type: data_type.clone(), rules: None })
    }

    /// The same, for a column with nulls or formats of its own.
    pub fn with_rules(self, rules: Option<Arc<ColumnRules>>) -> Self {
        Self { rules, ..self }
    }

    /// The column of the records of a run.
    pub fn read(&self, run: &Run<'_>, failures: &mut Failures) -> Result<ArrayRef> {
        match &self.rules {
            None => self.read_plain(run, failures),
            Some(rules) => self.read_formatted(&Run { nulls: &rules.nulls, ..*run }, &rules.formats, failures),
        }
    }

    /// The column of the records of a run, whose values are written in the plain way.
    fn read_plain(&self, run: &Run<'_>, failures: &mut Failures) -> Result<ArrayRef> {
        let cells = Cells { run, slot: self.slot, failures };
        let rules = Strictness::new(self.inferred, run.zone);
        Ok(match &self.data_type {
            DataType::Boolean => {
                let (values, nulls) = cells.values(never, |text| rules.boolean(text));
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            DataType::Int8 => cells.primitive::<Int8Type>(narrow, |text| rules.integer(text)),
            DataType::Int16 => cells.primitive::<Int16Type>(narrow, |text| rules.integer(text)),
            DataType::Int32 => cells.primitive::<Int32Type>(narrow, |text| rules.integer(text)),
            DataType::Int64 => cells.primitive::<Int64Type>(digits::integer, |text| rules.integer(text)),
            DataType::Float32 => cells.primitive::<Float32Type>(never, |text| rules.float(text)),
            DataType::Float64 => doubles(cells, |text| rules.float(text)),
            DataType::Decimal128(precision, scale) => {
                let decimal = |text: &[u8]| rules.decimal(text, *precision, *scale);
                with_type(cells.primitive_array::<Decimal128Type>(never, decimal), &self.data_type)
            }
            DataType::Date32 => {
                let mut reader = values::DateReader::default();
                cells.primitive::<Date32Type>(|block, start, end| reader.date(block.get(start..end)?), values::date)
            }
            DataType::Timestamp(_, None) => {
                let mut reader = values::DateReader::default();
                let fast = |block: &[u8], start: usize, end: usize| reader.timestamp(block.get(start..end)?);
                let general = |text: &[u8]| rules.local(values::timestamp(text)?);
                with_type(cells.primitive_array::<TimestampMicrosecondType>(fast, general), &self.data_type)
            }
            DataType::Timestamp(_, Some(_)) => {
                let general = |text: &[u8]| rules.moment(values::timestamp(text)?);
                with_type(cells.primitive_array::<TimestampMicrosecondType>(never, general), &self.data_type)
            }
            DataType::Interval(_) => {
                let interval = |text: &[u8]| parse_interval(from_utf8(text).ok()?, None).ok();
                cells.primitive::<IntervalMonthDayNanoType>(never, interval)
            }
            DataType::Utf8View => cells.text()?,
            _ => cells.primitive::<Time64MicrosecondType>(never, values::time),
        })
    }
}

fn with_type<T: ArrowPrimitiveType>(array: PrimitiveArray<T>, data_type: &DataType) -> ArrayRef {
    Arc::new(array.with_data_type(data_type.clone()))
}

/// Doubles, by the best instructions that the machine has.
fn doubles(cells: Cells<'_>, general: impl Fn(&[u8]) -> Option<f64>) -> ArrayRef {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        fn by_vectors(cells: Cells<'_>, general: impl Fn(&[u8]) -> Option<f64>) -> ArrayRef {
            cells.primitive::<Float64Type>(|block, start, end| decimal_float::avx2::parse(block, start, end), general)
        }
        if decimal_float::avx2::is_available() {
            // SAFETY: the machine has the instructions.
            return unsafe { by_vectors(cells, general) };
        }
    }
    cells.primitive::<Float64Type>(decimal_float::parse, general)
}

/// For types without a fast way.
fn never<V>(_: &[u8], _: usize, _: usize) -> Option<V> {
    None
}

fn narrow<T: TryFrom<i64>>(block: &[u8], start: usize, end: usize) -> Option<T> {
    T::try_from(digits::integer(block, start, end)?).ok()
}

/// How far a text may be from the one way to write a value. Where the type was only inferred, it may not say more than
/// its value.
#[derive(Clone, Copy)]
pub struct Strictness<'a> {
    is_strict: bool,
    /// The zone of timestamps whose text has none.
    zone: &'a Zone,
}

impl<'a> Strictness<'a> {
    /// Whether texts must be in the one way, and the zone of timestamps whose text has none.
    pub fn new(is_strict: bool, zone: &'a Zone) -> Self {
        Self { is_strict, zone }
    }

    pub fn boolean(self, text: &[u8]) -> Option<bool> {
        values::boolean(text).or_else(|| if self.is_strict { None } else { boolean_word(text) })
    }

    #[inline]
    pub fn integer<T: atoi_simd::Parse>(self, text: &[u8]) -> Option<T> {
        if self.is_strict && values::is_code(text) { None } else { values::integer(text) }
    }

    #[inline]
    pub fn float<T: fast_float2::FastFloat + Into<f64> + Copy>(self, text: &[u8]) -> Option<T> {
        let says_more = || self.is_code(text) || self.is_strict && values::is_wide_integer(text);
        values::float(text).filter(|_| !says_more())
    }

    pub fn decimal(self, text: &[u8], precision: u8, scale: i8) -> Option<i128> {
        values::decimal(text, precision, scale).filter(|_| !self.is_code(text))
    }

    /// `0.5` starts with a zero and is no code.
    fn is_code(self, text: &[u8]) -> bool {
        self.is_strict && values::is_code(text) && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'+')
    }

    /// Local time without a zone. A zone is not dropped in silence; UTC is, where the user asked for it.
    pub fn local(self, (local, zone): (i64, Option<i64>)) -> Option<i64> {
        match zone {
            None => Some(local),
            Some(0) if !self.is_strict => Some(local),
            Some(_) => None,
        }
    }

    /// The moment.
    pub fn moment(self, (local, zone): (i64, Option<i64>)) -> Option<i64> {
        match zone {
            Some(seconds) => local.checked_sub(seconds.checked_mul(MICROS_PER_SECOND)?),
            None if !self.is_strict => Some(self.zone.to_utc(local)),
            None => None,
        }
    }
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
    failures: &'a mut Failures,
}

impl Cells<'_> {
    /// Reads each field: by `fast`, which is given the block and where the field is in it, and where that gives no value
    /// by `general`, which is given the text without blanks around it.
    #[inline(always)]
    fn values<V: Default>(
        self,
        mut fast: impl FnMut(&[u8], usize, usize) -> Option<V>,
        general: impl Fn(&[u8]) -> Option<V>,
    ) -> (Vec<V>, Option<NullBuffer>) {
        let Run { block, tokens, dialect, nulls, .. } = *self.run;
        let spans = tokens.column(self.slot);
        let mut values = Vec::with_capacity(spans.len());
        let mut validity = NullBufferBuilder::new(spans.len());
        // Where a number can mean null, each is looked at.
        let is_plain = !nulls.may_be_numbers();
        let mut scratch = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            if is_plain
                && !span.is_complex()
                && let Some(value) = fast(block, span.start(), span.start() + span.len())
            {
                values.push(value);
                continue;
            }
            let text = values::trim(span.text(block, dialect, &mut scratch));
            // A field that the record does not have reads as empty.
            let is_null = nulls.is_null(text);
            let is_value = !is_null || (span.is_quoted() && nulls.is_quoted_nan(text));
            let value = if is_value { general(text) } else { None };
            if value.is_none() {
                validity.append_n_non_nulls(row - validity.len());
                validity.append_null();
                if !is_null && !span.is_missing() {
                    self.failures.bad_value(row, self.slot);
                }
            }
            values.push(value.unwrap_or_default());
        }
        validity.append_n_non_nulls(spans.len() - validity.len());
        (values, validity.finish())
    }

    #[inline(always)]
    fn primitive_array<T: ArrowPrimitiveType>(
        self,
        fast: impl FnMut(&[u8], usize, usize) -> Option<T::Native>,
        general: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> PrimitiveArray<T> {
        let (values, nulls) = self.values(fast, general);
        PrimitiveArray::new(ScalarBuffer::from(values), nulls)
    }

    #[inline(always)]
    fn primitive<T: ArrowPrimitiveType>(
        self,
        fast: impl FnMut(&[u8], usize, usize) -> Option<T::Native>,
        general: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> ArrayRef {
        Arc::new(self.primitive_array::<T>(fast, general))
    }

    /// Text as views. Long text is a view into the block, which the column then shares; nothing is copied but what had
    /// to be put together from an escaped field.
    fn text(self) -> Result<ArrayRef> {
        let Run { block, tokens, dialect, nulls, .. } = *self.run;
        let spans = tokens.column(self.slot);
        let mut views = Vec::with_capacity(spans.len());
        let mut validity = NullBufferBuilder::new(spans.len());
        // The block is the first buffer; texts that had to be put together are in the second.
        let (mut joined, mut scratch) = (Vec::new(), Vec::new());
        let mut shows_block = false;
        for (row, span) in spans.iter().enumerate() {
            if span.is_missing() || nulls.is_null_text(span.raw(block), span.is_quoted()) {
                validity.append_n_non_nulls(row - validity.len());
                validity.append_null();
                views.push(0);
                continue;
            }
            let text = span.text(block, dialect, &mut scratch);
            let is_inline = text.len() <= INLINE;
            let view = match (is_inline, span.is_complex()) {
                (true, _) => inline_view(block, *span, text),
                (_, false) => long_view(text, BLOCK, span.start()),
                (_, true) => long_view(text, JOINED, joined.len()),
            };
            if (!is_inline || view & NOT_ASCII != 0) && from_utf8(text).is_err() {
                validity.append_n_non_nulls(row - validity.len());
                validity.append_null();
                self.failures.bad_value(row, self.slot);
                views.push(0);
                continue;
            }
            views.push(view);
            match (is_inline, span.is_complex()) {
                (true, _) => {}
                (_, false) => shows_block = true,
                (_, true) => joined.extend_from_slice(text),
            }
        }
        validity.append_n_non_nulls(spans.len() - validity.len());
        let buffers: Vec<Buffer> = match (shows_block, joined.is_empty()) {
            (false, true) => Vec::new(),
            (true, true) => vec![block.clone()],
            (false, false) => vec![Buffer::from_vec(Vec::<u8>::new()), joined.into()],
            (true, false) => vec![block.clone(), joined.into()],
        };
        // SAFETY: every view was made from a text that is UTF-8 and lies in its buffer where the view says, or is zero.
        Ok(Arc::new(unsafe { StringViewArray::new_unchecked(views.into(), buffers.into(), validity.finish()) }))
    }
}

/// The high bits of the text in an inline view.
const NOT_ASCII: u128 = 0x8080_8080_8080_8080_8080_8080 << 32;

/// The buffers of a column of text.
const BLOCK: u32 = 0;
const JOINED: u32 = 1;

/// The view of a text of at most 12 bytes: its length, and its bytes.
#[inline]
fn inline_view(block: &[u8], span: Span, text: &[u8]) -> u128 {
    let length = text.len();
    let bytes = match block.get(span.start()..).and_then(|rest| rest.first_chunk::<16>()) {
        Some(bytes) if !span.is_complex() => u128::from_le_bytes(*bytes) & ((1 << (8 * length)) - 1),
        _ => {
            let mut bytes = [0; 16];
            bytes[..length].copy_from_slice(text);
            u128::from_le_bytes(bytes)
        }
    };
    (bytes << 32) | length as u128
}

/// The view of a longer text: its length, its first four bytes, and where it is.
#[inline]
fn long_view(text: &[u8], buffer: u32, offset: usize) -> u128 {
    let prefix = text.first_chunk().map_or(0, |prefix| u32::from_le_bytes(*prefix));
    let [length, prefix, buffer, offset] = [text.len() as u32, prefix, buffer, offset as u32].map(u128::from);
    length | (prefix << 32) | (buffer << 64) | (offset << 96)
}

/// The raw text of a row's field in a run.
pub fn raw_field<'a>(run: &Run<'a>, row: usize, slot: usize) -> &'a [u8] {
    run.tokens.column(slot).get(row).unwrap_or(&Span::MISSING).raw(run.block)
}
