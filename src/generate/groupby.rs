//! `id1 … id6, v1 … v3`, as the group-by task "G1" of the h2o.ai db-benchmark has them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::random::Column;
use super::{Dataset, GenerateControl, GenerateSummary, Part, make_folder, write_parts};
use crate::error::{Error, Result};
use crate::io::write::{Existing, OutputFormat, WriteOptions};
use crate::types::TEXT;

/// What to generate.
#[derive(Clone, Debug)]
pub struct GroupbyOptions {
    /// Rows in all files together.
    pub rows: u64,
    /// The benchmark's K: distinct values of `id1`, `id2`, `id4` and `id5`; `id3` and `id6` have `rows / K`.
    pub groups: u64,
    /// Percent of the values of each `id` column, and of the rows of each `v` column, that are null.
    pub nulls: f64,
    /// The same seed gives the same values.
    pub seed: u64,
    /// How many files the rows are cut into, evenly.
    pub files: u64,
    /// The folder for the files, made where it is missing; for a single file also a path that ends in `.csv` or `.parquet`.
    pub output: PathBuf,
    /// CSV or Parquet.
    pub format: OutputFormat,
    /// What to do about files that exist.
    pub existing: Existing,
}

/// Writes `groupby.csv`, or `groupby-0000.csv` and so on.
///
/// # Errors
/// A usage error for options that do not fit or files that exist; what writing may meet; `Cancelled`.
pub fn groupby(options: &GroupbyOptions, control: &GenerateControl<'_>) -> Result<GenerateSummary> {
    if options.rows == 0 || options.groups == 0 || options.files == 0 {
        return Err(Error::usage("rows, groups and files must be at least 1"));
    }
    if options.files > options.rows || options.files > 100_000 {
        return Err(Error::usage(format!("{} rows make no {} files", options.rows, options.files)));
    }
    if !(0.0..=100.0).contains(&options.nulls) {
        return Err(Error::usage(format!("{} is no percentage of nulls", options.nulls)));
    }
    let dataset = Groupby::new(options);
    let write = WriteOptions::new(options.format, options.existing);
    write_parts(&dataset, &parts(options)?, &write, control)
}

fn parts(options: &GroupbyOptions) -> Result<Vec<Part>> {
    let extension = options.format.extension();
    if options.files == 1 && OutputFormat::from_path(&options.output) == Some(options.format) {
        return Ok(vec![(options.output.clone(), 0..options.rows)]);
    }
    make_folder(&options.output)?;
    if options.files == 1 {
        return Ok(vec![(options.output.join(format!("groupby.{extension}")), 0..options.rows)]);
    }
    let bound = |file: u64| {
        let rows = u128::from(options.rows) * u128::from(file) / u128::from(options.files);
        u64::try_from(rows).unwrap_or(options.rows)
    };
    let width = (options.files - 1).to_string().len().max(4);
    let name = |file: u64| options.output.join(format!("groupby-{file:0width$}.{extension}"));
    Ok((0..options.files).map(|file| (name(file), bound(file)..bound(file + 1))).collect())
}

struct Groupby {
    schema: SchemaRef,
    groups: u64,
    /// Distinct values of the columns of many groups.
    many: u64,
    nulls: f64,
    seed: u64,
}

impl Groupby {
    fn new(options: &GroupbyOptions) -> Self {
        let texts = ["id1", "id2", "id3"].map(|name| Field::new(name, TEXT, true));
        let ints = ["id4", "id5", "id6", "v1", "v2"].map(|name| Field::new(name, DataType::Int64, true));
        let fields = texts.into_iter().chain(ints).chain([Field::new("v3", DataType::Float64, true)]);
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            groups: options.groups,
            many: (options.rows / options.groups).max(1),
            nulls: options.nulls / 100.0,
            seed: options.seed,
        }
    }

    /// The value of an `id` column, from 1. As in the benchmark it is values that are null, and with them all their rows.
    fn id(&self, column: u64, distinct: u64) -> impl Fn(u64) -> Option<i64> {
        let (values, missing) = self.columns(column);
        let nulls = self.nulls;
        move |row| {
            let value = values.below(row, distinct) + 1;
            (!missing.happens(value, nulls)).then_some(value as i64)
        }
    }

    /// The value of a `v` column; here rows are null.
    fn value(&self, column: u64, distinct: u64) -> impl Fn(u64) -> Option<i64> {
        let (values, missing) = self.columns(column);
        let nulls = self.nulls;
        move |row| (!missing.happens(row, nulls)).then(|| (values.below(row, distinct) + 1) as i64)
    }

    fn columns(&self, column: u64) -> (Column, Column) {
        (Column::new(self.seed, column), Column::new(self.seed, column + 100))
    }

    /// `id042` and the like.
    fn text(&self, column: u64, distinct: u64, width: usize, rows: Range<u64>) -> ArrayRef {
        let id = self.id(column, distinct);
        let mut builder = StringViewBuilder::with_capacity((rows.end - rows.start) as usize);
        let mut text = String::new();
        for row in rows {
            match id(row) {
                Some(value) => {
                    let mut buffer = itoa::Buffer::new();
                    let digits = buffer.format(value);
                    text.clear();
                    text.push_str("id");
                    text.extend(std::iter::repeat_n('0', width.saturating_sub(digits.len())));
                    text.push_str(digits);
                    builder.append_value(&text);
                }
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }
}

impl Dataset for Groupby {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn batch(&self, rows: Range<u64>) -> Result<RecordBatch> {
        let ints = |value: &dyn Fn(u64) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.clone().map(value).collect::<Int64Array>())
        };
        let (uniform, missing) = self.columns(9);
        // Six decimals, as the benchmark rounds to.
        let v3 = |row: u64| {
            (!missing.happens(row, self.nulls)).then(|| uniform.below(row, 100_000_001) as f64 / 1_000_000.0)
        };
        let columns: Vec<ArrayRef> = vec![
            self.text(1, self.groups, 3, rows.clone()),
            self.text(2, self.groups, 3, rows.clone()),
            self.text(3, self.many, 10, rows.clone()),
            ints(&self.id(4, self.groups)),
            ints(&self.id(5, self.groups)),
            ints(&self.id(6, self.many)),
            ints(&self.value(7, 5)),
            ints(&self.value(8, 15)),
            Arc::new(rows.clone().map(v3).collect::<Float64Array>()),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
