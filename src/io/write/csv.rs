//! CSV and TSV, so that our own reader gets back what was written: RFC 4180 with LF, a null as nothing, an empty text
//! as `""`, a float that is not a number as `"NaN"`, and texts in quotes only where they must be.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use memchr::{memchr, memchr3};

use super::output::Output;
use super::text::TextColumn;
use super::{BatchWriter, CsvOptions, WriteSummary};
use crate::error::Result;

/// Bytes gathered before they are handed on.
const BUFFER_BYTES: usize = 1 << 20;

/// Turns batches into lines.
#[derive(Clone, Debug)]
pub(crate) struct CsvFormat {
    delimiter: u8,
    quote: u8,
    null: Vec<u8>,
    /// Whether values that are not text may need quotes too.
    check_all: bool,
}

impl CsvFormat {
    pub fn new(options: &CsvOptions) -> Self {
        let delimiter = options.delimiter.unwrap_or(b',');
        // Numbers, dates and truth values hold nothing else than these.
        let plain = |byte: u8| !byte.is_ascii_alphanumeric() && !b"+-.: ".contains(&byte);
        let check_all = !(plain(delimiter) && plain(options.quote) && options.null.is_empty());
        Self { delimiter, quote: options.quote, null: options.null.clone().into_bytes(), check_all }
    }

    /// Appends the line of column names.
    pub fn append_header(&self, schema: &SchemaRef, out: &mut Vec<u8>) {
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            self.append_text(field.name().as_bytes(), out);
        }
        out.push(b'\n');
    }

    /// Appends a line per row; calls `flush` with the buffer when much has gathered.
    pub fn append_rows(
        &self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        flush: &mut dyn FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(|array| Ok((array.logical_nulls(), TextColumn::new(array)?)))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, (nulls, column)) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.delimiter);
                }
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    out.extend_from_slice(&self.null);
                } else if let TextColumn::Text(texts) = column {
                    self.append_text(texts.value(row).as_bytes(), out);
                } else {
                    let start = out.len();
                    column.append(row, out);
                    // Without quotes it is read as missing, as others write what is missing.
                    let is_nan = column.is_float() && out[start..] == *b"NaN";
                    if is_nan || ((self.check_all || column.is_list()) && self.needs_quotes(&out[start..])) {
                        let value = out.split_off(start);
                        self.append_quoted(&value, out);
                    }
                }
            }
            out.push(b'\n');
            if out.len() >= BUFFER_BYTES {
                flush(out)?;
            }
        }
        Ok(())
    }

    fn append_text(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.needs_quotes(text) { self.append_quoted(text, out) } else { out.extend_from_slice(text) }
    }

    /// Unquoted and empty would be null; so would the null string.
    fn needs_quotes(&self, text: &[u8]) -> bool {
        text.is_empty()
            || memchr3(self.delimiter, self.quote, b'\n', text).is_some()
            || memchr(b'\r', text).is_some()
            || text == self.null
    }

    fn append_quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        let mut rest = text;
        while let Some(at) = memchr(self.quote, rest) {
            out.extend_from_slice(&rest[..=at]);
            out.push(self.quote);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.push(self.quote);
    }
}

/// Writes CSV or TSV.
pub(super) struct CsvWriter {
    format: CsvFormat,
    out: Output,
    buffer: Vec<u8>,
    rows: u64,
}

impl CsvWriter {
    pub fn new(mut out: Output, options: &CsvOptions, schema: &SchemaRef) -> Result<Self> {
        let format = CsvFormat::new(options);
        let mut buffer = Vec::new();
        if options.header {
            format.append_header(schema, &mut buffer);
            out.put(&buffer)?;
        }
        Ok(Self { format, out, buffer, rows: 0 })
    }
}

impl BatchWriter for CsvWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let Self { format, out, buffer, rows } = self;
        let mut flush = |buffer: &mut Vec<u8>| {
            out.put(buffer)?;
            buffer.clear();
            Ok(())
        };
        buffer.clear();
        format.append_rows(batch, buffer, &mut flush)?;
        flush(buffer)?;
        *rows += batch.num_rows() as u64;
        Ok(())
    }

    fn bytes_so_far(&mut self) -> u64 {
        self.out.bytes()
    }

    fn finish(mut self: Box<Self>) -> Result<WriteSummary> {
        self.out.flush_all()?;
        Ok(WriteSummary { rows: self.rows, bytes: self.out.bytes() })
    }
}
