//! Tables in boxes. Columns are laid out by what is in them, and fitted into the terminal: first long texts are cut,
//! then columns in the middle are left out. A number is never cut, since it would be another number.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::cells::{ELLIPSIS, NULL, clip, on_one_line, width};
use super::target::{OutputBytes, write_error};
use super::{ResultWriter, is_laid_out};
use crate::error::Result;
use crate::types::temporal::format_value;
use crate::types::{format_count, is_numeric, sql_name};

/// Columns in the middle are left out before any text or name is cut below this width.
const LEAST_TEXT: usize = 12;
/// What a column takes beside its text: a blank on each side and a line.
const FRAME: usize = 3;

/// How a table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether types stand below the names.
    pub types: bool,
    /// The width to fit in; `None` is as wide as it takes.
    pub width: Option<usize>,
    /// Rows shown at most; 0 is all.
    pub max_rows: usize,
    /// Whether names are bold, and types and nulls dim.
    pub color: bool,
}

/// Keeps the first rows as text, and counts all.
pub struct TableWriter {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    total: u64,
    style: Style,
    plain: bool,
    out: OutputBytes,
}

struct Column {
    name: String,
    type_name: String,
    is_text: bool,
    right: bool,
    /// The width of the widest cell.
    cells: usize,
}

impl Column {
    /// The width at which nothing is cut.
    fn natural(&self, style: Style) -> usize {
        let head = if style.types { width(&self.name).max(width(&self.type_name)) } else { width(&self.name) };
        head.max(self.cells).max(1)
    }

    /// The width below which it is not cut.
    fn least(&self, style: Style) -> usize {
        let legible = self.natural(style).min(LEAST_TEXT);
        if self.is_text { legible } else { legible.max(self.cells) }
    }
}

impl TableWriter {
    /// A table with those columns.
    pub fn new(schema: &Schema, style: Style, out: OutputBytes) -> Self {
        let column = |name: &str, data_type: &DataType| Column {
            name: on_one_line(name).into_owned(),
            type_name: short_name(data_type),
            is_text: !(is_numeric(data_type) || data_type.is_temporal() || *data_type == DataType::Boolean),
            right: is_numeric(data_type),
            cells: 0,
        };
        let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
        let plain = is_laid_out(schema);
        Self { columns, rows: Vec::new(), total: 0, style, plain, out }
    }

    fn render(&self) -> String {
        if self.plain {
            return self
                .rows
                .iter()
                .flatten()
                .flatten()
                .map(|line| format!("{}\n", line.trim_end_matches('\n')))
                .collect();
        }
        if self.columns.is_empty() {
            return format!("({} rows without columns)\n", format_count(self.total));
        }
        let shown = self.layout();
        let hidden = self.columns.len() - shown.iter().filter(|slot| matches!(slot, Slot::Column { .. })).count();
        let mut text = String::new();
        self.rule(&mut text, &shown, ['┌', '┬', '┐']);
        self.line(&mut text, &shown, |column| (column.name.as_str(), Paint::Bold));
        if self.style.types {
            self.line(&mut text, &shown, |column| (column.type_name.as_str(), Paint::Dim));
        }
        self.rule(&mut text, &shown, ['├', '┼', '┤']);
        for row in &self.rows {
            self.row(&mut text, &shown, row);
        }
        self.rule(&mut text, &shown, ['└', '┴', '┘']);
        text.push_str(&self.footer(hidden));
        text
    }

    /// `… 12,345 rows, showing 40`, where something is not shown.
    fn footer(&self, hidden: usize) -> String {
        let mut parts = Vec::new();
        if self.total > self.rows.len() as u64 {
            parts.push(format!("{} rows, showing {}", format_count(self.total), self.rows.len()));
        }
        if hidden > 0 {
            parts.push(format!("{} columns, showing {}", self.columns.len(), self.columns.len() - hidden));
        }
        if parts.is_empty() { String::new() } else { format!("{ELLIPSIS} {}\n", parts.join("; ")) }
    }

    /// Which columns are shown, and how wide.
    fn layout(&self) -> Vec<Slot> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let Some(limit) = self.style.width else {
            return all.iter().map(|&index| self.slot(index, usize::MAX)).collect();
        };
        if let Some(cap) = self.cap(&all, limit.saturating_sub(1)) {
            return all.iter().map(|&index| self.slot(index, cap)).collect();
        }
        // Columns are kept from both ends inwards, one more as long as all kept ones fit.
        let room = limit.saturating_sub(1 + FRAME + width(ELLIPSIS));
        let inwards = (0..self.columns.len()).map(|n| if n % 2 == 0 { n / 2 } else { self.columns.len() - 1 - n / 2 });
        let mut kept = vec![0];
        let mut cap = self.cap(&kept, room).unwrap_or(0);
        for index in inwards.skip(1) {
            kept.push(index);
            match self.cap(&kept, room) {
                Some(fitting) => cap = fitting,
                None => {
                    kept.pop();
                    break;
                }
            }
        }
        kept.sort_unstable();
        let gap = kept.windows(2).position(|pair| pair[1] != pair[0] + 1).map_or(kept.len(), |position| position + 1);
        let mut slots: Vec<Slot> = kept.iter().map(|&index| self.slot(index, cap)).collect();
        if kept.len() < self.columns.len() {
            slots.insert(gap, Slot::Gap);
        }
        slots
    }

    /// The largest width to cut texts to so that the columns take no more than `room`; none, if even the least is too much.
    fn cap(&self, indices: &[usize], room: usize) -> Option<usize> {
        let taken = |cap: usize| -> usize { indices.iter().map(|&index| self.slot(index, cap).width() + FRAME).sum() };
        if taken(0) > room {
            return None;
        }
        let widest = indices.iter().map(|&index| self.columns[index].natural(self.style)).max().unwrap_or(0);
        (0..=widest).rev().find(|&cap| taken(cap) <= room)
    }

    fn slot(&self, index: usize, cap: usize) -> Slot {
        let column = &self.columns[index];
        Slot::Column { index, width: column.natural(self.style).min(cap.max(column.least(self.style))) }
    }

    fn rule(&self, text: &mut String, slots: &[Slot], [left, middle, right]: [char; 3]) {
        for (position, slot) in slots.iter().enumerate() {
            text.push(if position == 0 { left } else { middle });
            text.extend(std::iter::repeat_n('─', slot.width() + 2));
        }
        text.push(right);
        text.push('\n');
    }

    fn line<'a>(&'a self, text: &mut String, slots: &[Slot], cell: impl Fn(&'a Column) -> (&'a str, Paint)) {
        for slot in slots {
            match *slot {
                Slot::Column { index, width } => {
                    let column = &self.columns[index];
                    let (content, paint) = cell(column);
                    self.cell(text, content, width, column.right, paint);
                }
                Slot::Gap => self.cell(text, ELLIPSIS, slot.width(), false, Paint::Dim),
            }
        }
        text.push_str("│\n");
    }

    fn row(&self, text: &mut String, slots: &[Slot], row: &[Option<String>]) {
        for slot in slots {
            match *slot {
                Slot::Column { index, width } => {
                    let right = self.columns[index].right;
                    match row.get(index).and_then(Option::as_deref) {
                        Some(content) => self.cell(text, content, width, right, Paint::Plain),
                        None => self.cell(text, NULL, width, right, Paint::Dim),
                    }
                }
                Slot::Gap => self.cell(text, ELLIPSIS, slot.width(), false, Paint::Dim),
            }
        }
        text.push_str("│\n");
    }

    fn cell(&self, text: &mut String, content: &str, wide: usize, right: bool, paint: Paint) {
        let content = clip(content, wide);
        let padding = std::iter::repeat_n(' ', wide.saturating_sub(width(&content)));
        text.push_str("│ ");
        if right {
            text.extend(padding.clone());
        }
        let code = if self.style.color { paint.code() } else { "" };
        text.push_str(code);
        text.push_str(&content);
        if !code.is_empty() {
            text.push_str("\u{1b}[0m");
        }
        if !right {
            text.extend(padding);
        }
        text.push(' ');
    }
}

impl ResultWriter for TableWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.total += batch.num_rows() as u64;
        let room = match self.style.max_rows {
            0 => batch.num_rows(),
            most => most.saturating_sub(self.rows.len()).min(batch.num_rows()),
        };
        for row in 0..room {
            let mut texts = Vec::with_capacity(self.columns.len());
            for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
                let text = format_value(array, row).map(|text| {
                    // More than the terminal holds is never shown, so a huge value need not be kept.
                    let line = if self.plain { text.into() } else { on_one_line(&text) };
                    match self.style.width {
                        Some(limit) if !self.plain => clip(&line, limit).into_owned(),
                        _ => line.into_owned(),
                    }
                });
                column.cells = column.cells.max(text.as_deref().map_or(width(NULL), width));
                texts.push(text);
            }
            self.rows.push(texts);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let text = self.render();
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(|error| write_error(&error))
    }
}

/// A place in a line of the table.
#[derive(Clone, Copy)]
enum Slot {
    Column {
        index: usize,
        width: usize,
    },
    /// Stands for the columns left out.
    Gap,
}

impl Slot {
    fn width(&self) -> usize {
        match self {
            Self::Column { width, .. } => *width,
            Self::Gap => width(ELLIPSIS),
        }
    }
}

#[derive(Clone, Copy)]
enum Paint {
    Plain,
    Bold,
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
        }
    }
}

/// The name of the type; the long one of zoned timestamps would widen every column of them.
fn short_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(_, Some(_)) => "TIMESTAMPTZ".into(),
        other => sql_name(other),
    }
}
