//! Widening: what asks for wider types while files are read, and the schema that holds it too.
//!
//! A value that does not fit an inferred type still ends its query with an error. It is also noted here with what it looks
//! like, so that who started the query can open the same table with wider types and start again. Each time at least one
//! column moves up the lattice of inferred types, or a decimal gets more digits behind the point, so there is an end.
//!
//! What a column showed before is known by its type alone. That is enough: a type that turns out too narrow for a value of
//! another row is met when that row is read again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::columns::Run;
use super::file::InputFile;
use super::infer::{Guess, Guesses};
use super::locate::{line_of, shortened};
use super::rules::{ColumnRules, Rules};
use super::tokens::Span;
use super::values::trim;
use crate::rejects::Chunk;
use crate::types::{DataType, Field, Schema, SchemaRef, TEXT, sql_name};

/// Where a value is that asks for a wider type: the start of its record. Ordered as the data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misfit {
    /// The piece of the scan's data.
    pub chunk: Chunk,
    /// Where in the file.
    pub offset: u64,
}

/// A column whose type was widened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widened {
    /// The column's name.
    pub column: String,
    /// The type it had.
    pub from: DataType,
    /// The type it has now.
    pub to: DataType,
    /// The file of the value that did not fit, or of the first of them that was met.
    pub file: PathBuf,
    /// Its line.
    pub line: Option<u64>,
    /// The field's text, shortened.
    pub raw: String,
}

impl std::fmt::Display for Widened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { column, from, to, file, line, raw } = self;
        write!(f, "column \"{column}\" was widened from {} to {} by {raw:?} in ", sql_name(from), sql_name(to))?;
        write!(f, "'{}'", file.display())?;
        line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// What asks for wider types. Shared by all scans of a table.
#[derive(Debug)]
pub(super) struct Widening {
    zone: String,
    /// How fields are to be understood.
    rules: Arc<Rules>,
    /// The first value of each column that looks like that.
    found: Mutex<BTreeMap<(usize, Guess), Value>>,
}

#[derive(Clone, Debug)]
struct Value {
    place: Misfit,
    input: Arc<InputFile>,
    raw: String,
    /// What its column showed with it.
    seen: Guesses,
    /// And with all others that look like that.
    all: Guesses,
}

impl Widening {
    /// Nothing asks yet. Timestamps are shown in `zone`.
    pub(super) fn new(zone: &str, rules: Rules) -> Self {
        Self { zone: zone.into(), rules: Arc::new(rules), found: Mutex::default() }
    }

    /// The same, for the table with wider types.
    pub(super) fn fresh(&self) -> Self {
        Self { zone: self.zone.clone(), rules: self.rules.clone(), found: Mutex::default() }
    }

    /// What the reader of a column has to know: see [`Rules::for_reader`].
    pub(super) fn rules_for_reader(&self, field: &Field) -> Option<Arc<ColumnRules>> {
        self.rules.for_reader(field.name(), field.data_type())
    }

    /// The value of a row and slot of a run does not fit the type of its column.
    pub(super) fn add(
        &self,
        (column, field): (usize, &Field),
        place: Misfit,
        run: &Run<'_>,
        (row, slot): (usize, usize),
        input: &Arc<InputFile>,
    ) {
        let mut scratch = Vec::new();
        let span = run.tokens.column(slot).get(row).copied().unwrap_or(Span::MISSING);
        let text = trim(span.text(run.block, run.dialect, &mut scratch));
        let rules = self.rules.of(field.name());
        let guess = rules.guess(text, span.is_quoted());
        // As a decimal reads it, so that the type does not depend on which value was met first.
        let is_fraction = matches!(guess, Guess::Point | Guess::Float);
        let fraction = if is_fraction { rules.formats.number(text, Guesses::of_fraction) } else { None };
        let seen = fraction.unwrap_or_else(|| {
            let mut seen = Guesses::default();
            rules.look_at(&mut seen, text, span.is_quoted());
            seen
        });
        let mut found = self.found();
        let value = || Value { place, input: input.clone(), raw: shortened(text), seen, all: seen };
        let known = found.entry((column, guess)).or_insert_with(value);
        known.all.merge(seen);
        if place < known.place {
            *known = Value { all: known.all, ..value() };
        }
    }

    /// Where the first value is.
    pub(super) fn first(&self) -> Option<Misfit> {
        self.found().values().map(|value| value.place).min()
    }

    /// The schema that holds all values too, or those of one row, and what is different; `None` where nothing is.
    pub(super) fn apply(&self, schema: &Schema, row: Option<Misfit>) -> Option<(SchemaRef, Vec<Widened>)> {
        let found = self.found();
        let mut widened = Vec::new();
        let mut fields = Vec::with_capacity(schema.fields().len());
        for (column, field) in schema.fields().iter().enumerate() {
            let from = field.data_type();
            let of_column = found.range((column, Guess::Null)..(column + 1, Guess::Null));
            let asked = of_column.filter(|(_, value)| row.is_none_or(|row| value.place == row));
            let asked: Vec<&Value> = asked.map(|(_, value)| value).collect();
            let seen = |value: &Value| if row.is_some() { value.seen } else { value.all };
            let with = |values: &[&Value]| {
                let mut all = Guesses::of_type(from);
                values.iter().for_each(|value| all.merge(seen(value)));
                self.rules.of(field.name()).data_type(all, &self.zone)
            };
            let all = with(&asked);
            // The one to tell is the first that asks for as much alone.
            let enough = asked.iter().filter(|value| with(&[value]) == all);
            let first = enough.min_by_key(|value| value.place).or(asked.first());
            // What looks like its type and yet is none of its values has a spelling that only text can keep.
            let to = if all == *from { TEXT } else { all.clone() };
            let may_widen = *from != TEXT && self.rules.of(field.name()).may_widen_to(&to);
            let Some(first) = first.filter(|_| may_widen) else {
                fields.push(field.clone());
                continue;
            };
            widened.push(Widened {
                column: field.name().clone(),
                from: from.clone(),
                to: to.clone(),
                file: first.input.path().to_path_buf(),
                line: line_of(&first.input, first.place.offset),
                raw: first.raw.clone(),
            });
            fields.push(Arc::new(Field::new(field.name(), to, field.is_nullable())));
        }
        (!widened.is_empty()).then(|| (Arc::new(Schema::new(fields)) as SchemaRef, widened))
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<(usize, Guess), Value>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
