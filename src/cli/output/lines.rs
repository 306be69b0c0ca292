//! Formats for the eye that need no layout, and so stream: Markdown, and one value a line.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::ResultWriter;
use super::cells::{NULL, on_one_line, width};
use super::target::{OutputBytes, write_error};
use crate::error::Result;
use crate::types::is_numeric;
use crate::types::temporal::format_value;

/// A table in GitHub's Markdown. Columns are not padded, since that would need all rows first.
pub struct MarkdownWriter {
    out: OutputBytes,
}

impl MarkdownWriter {
    /// Writes the names and the alignment: numbers to the right.
    pub fn new(schema: &Schema, mut out: OutputBytes) -> Result<Self> {
        let mut text = String::new();
        for field in schema.fields() {
            text.push_str("| ");
            push_markdown(&mut text, field.name());
            text.push(' ');
        }
        text.push_str("|\n");
        for field in schema.fields() {
            text.push_str(if is_numeric(field.data_type()) { "|---:" } else { "|:---" });
        }
        text.push_str("|\n");
        out.write_all(text.as_bytes()).map_err(|error| write_error(&error))?;
        Ok(Self { out })
    }
}

impl ResultWriter for MarkdownWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for array in batch.columns() {
                text.push_str("| ");
                push_markdown(&mut text, format_value(array, row).as_deref().unwrap_or(NULL));
                text.push(' ');
            }
            text.push_str("|\n");
        }
        self.out.write_all(text.as_bytes()).map_err(|error| write_error(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.out.flush().map_err(|error| write_error(&error))
    }
}

fn push_markdown(text: &mut String, content: &str) {
    for c in content.chars() {
        match c {
            '|' => text.push_str("\\|"),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("<br>"),
            '\r' => {}
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
}

/// `name = value` lines with a blank line between rows, for rows too wide for a table.
pub struct LineWriter {
    labels: Vec<String>,
    first: bool,
    out: OutputBytes,
}

impl LineWriter {
    /// Names are aligned at the equals sign.
    pub fn new(schema: &Schema, out: OutputBytes) -> Self {
        let names: Vec<_> = schema.fields().iter().map(|field| on_one_line(field.name())).collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let labels = names.iter().map(|name| format!("{}{name} = ", " ".repeat(widest - width(name)))).collect();
        Self { labels, first: true, out }
    }
}

impl ResultWriter for LineWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            if !std::mem::take(&mut self.first) {
                text.push('\n');
            }
            for (label, array) in self.labels.iter().zip(batch.columns()) {
                text.push_str(label);
                match format_value(array, row) {
                    Some(value) => text.push_str(&on_one_line(&value)),
                    None => text.push_str(NULL),
                }
                text.push('\n');
            }
        }
        self.out.write_all(text.as_bytes()).map_err(|error| write_error(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.out.flush().map_err(|error| write_error(&error))
    }
}
