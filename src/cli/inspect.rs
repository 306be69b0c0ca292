//! `schema`, `head` and `describe`: questions about files, asked as SQL.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};

use super::check::SchemaFileRequest;
use super::report::Failure;
use super::runner::Runner;
use crate::error::{Error, Result};
use crate::io::options::{OptionValue, Options};
use crate::io::write::{AtomicFile, Existing};
use crate::session::Receiver;
use crate::types::temporal::format_value;
use crate::types::{Scalar, is_numeric, sql_name};

/// Files as one relation of SQL, with the options they are read with.
pub fn relation(inputs: &[String], read: &Options) -> String {
    let is_parquet = |input: &String| input.ends_with(".parquet") || input.ends_with(".pq");
    let function = match inputs {
        [input] if read.is_empty() => return sql_text(input),
        _ if inputs.iter().all(is_parquet) => "read_parquet",
        _ => "read_csv",
    };
    let list = inputs.iter().map(|input| sql_text(input)).collect::<Vec<_>>().join(", ");
    let options: String = read.iter().map(|(name, value)| format!(", {name} = {}", sql_value(value))).collect();
    format!("{function}([{list}]{options})")
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn sql_name_of(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

fn sql_value(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) => sql_text(text),
        OptionValue::Boolean(truth) => truth.to_string(),
        OptionValue::Number(number) => number.to_string(),
        OptionValue::List(items) => format!("[{}]", items.iter().map(sql_value).collect::<Vec<_>>().join(", ")),
        OptionValue::Map(items) => {
            let pairs = items.iter().map(|(key, value)| format!("{}: {}", sql_text(key), sql_value(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Columns and types.
pub fn schema(runner: &mut Runner, relation: &str) -> Result<(), Failure> {
    runner.query(&format!("DESCRIBE SELECT * FROM {relation}"))
}

/// Writes a schema file.
pub fn schema_file(runner: &mut Runner, request: &SchemaFileRequest) -> Result<(), Failure> {
    let text = runner.work(|session, _| session.csv_schema(&request.inputs, &request.read))?;
    let written = match &request.output {
        None => runner.output.say(&text),
        Some((path, existing)) => write_file(path, *existing, &text),
    };
    written.map_err(|error| runner.failure(error, None))
}

fn write_file(path: &Path, existing: Existing, text: &str) -> Result<()> {
    let file = AtomicFile::create(path, existing)?;
    let mut out = file.writer()?;
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Error::io("write", path, &error))?;
    file.commit()
}

/// The first rows.
pub fn head(runner: &mut Runner, relation: &str, rows: u64) -> Result<(), Failure> {
    runner.query(&format!("SELECT * FROM {relation} LIMIT {rows}"))
}

/// Figures of every column, by one pass over the files.
pub fn describe(runner: &mut Runner, relation: &str) -> Result<(), Failure> {
    let batch = figures(runner, relation).map_err(|error| runner.failure(error, None))?;
    let width = runner.terminal.width();
    runner.output.print(&batch, width).map_err(|error| runner.failure(error, None))
}

fn figures(runner: &mut Runner, relation: &str) -> Result<RecordBatch> {
    let mut columns = Collected::default();
    runner.collect(&format!("SELECT * FROM {relation} LIMIT 0"), &mut columns)?;
    let Some(schema) = columns.schema else {
        return Err(Error::internal("a query without columns"));
    };
    let wanted: Vec<Wanted> = schema.fields().iter().map(|field| Wanted::of(field.name(), field.data_type())).collect();
    let mut row = Collected::default();
    runner.collect(&aggregates(&wanted, relation), &mut row)?;
    transpose(&wanted, &row.batches)
}

/// A column, and which figures exist for its type.
struct Wanted {
    name: String,
    type_name: String,
    ordered: bool,
    mean: bool,
}

impl Wanted {
    fn of(name: &str, data_type: &DataType) -> Self {
        let ordered =
            !matches!(data_type, DataType::Null | DataType::Boolean | DataType::Interval(_) | DataType::List(_));
        Self { name: name.into(), type_name: sql_name(data_type), ordered, mean: is_numeric(data_type) }
    }

    fn aggregates(&self) -> Vec<String> {
        let column = sql_name_of(&self.name);
        let mut calls = vec![format!("count({column})")];
        if self.ordered {
            calls.extend([format!("min({column})"), format!("max({column})")]);
        }
        if self.mean {
            calls.push(format!("avg({column})"));
        }
        calls
    }
}

fn aggregates(wanted: &[Wanted], relation: &str) -> String {
    let calls: Vec<String> =
        std::iter::once("count(*)".to_string()).chain(wanted.iter().flat_map(Wanted::aggregates)).collect();
    // Results are read by position; names only must not clash.
    let list: Vec<String> = calls.iter().enumerate().map(|(index, call)| format!("{call} AS a{index}")).collect();
    format!("SELECT {} FROM {relation}", list.join(", "))
}

/// The one row of aggregates as one row a column.
fn transpose(wanted: &[Wanted], batches: &[RecordBatch]) -> Result<RecordBatch> {
    let row = batches.iter().find(|batch| batch.num_rows() == 1);
    let row = row.ok_or_else(|| Error::internal("aggregates without one row"))?;
    let mut values = row.columns().iter();
    let mut next = || values.next().ok_or_else(|| Error::internal("fewer aggregates than were asked for"));
    let integer = |array: &ArrayRef| Scalar::from_array(array, 0).as_i64().unwrap_or(0);
    let total = integer(next()?);
    let (mut counts, mut nulls) = (Vec::new(), Vec::new());
    let (mut least, mut greatest, mut means) = (Vec::new(), Vec::new(), Vec::new());
    for column in wanted {
        let count = integer(next()?);
        counts.push(count);
        nulls.push(total - count);
        let (low, high) = match column.ordered {
            true => (format_value(next()?, 0), format_value(next()?, 0)),
            false => (None, None),
        };
        least.push(low);
        greatest.push(high);
        means.push(if column.mean { Scalar::from_array(next()?, 0).as_f64() } else { None });
    }
    let names = wanted.iter().map(|column| Some(column.name.as_str()));
    let types = wanted.iter().map(|column| Some(column.type_name.as_str()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("column", Arc::new(StringViewArray::from_iter(names))),
        ("type", Arc::new(StringViewArray::from_iter(types))),
        ("count", Arc::new(Int64Array::from(counts))),
        ("nulls", Arc::new(Int64Array::from(nulls))),
        ("min", Arc::new(StringViewArray::from_iter(least))),
        ("max", Arc::new(StringViewArray::from_iter(greatest))),
        ("mean", Arc::new(Float64Array::from(means))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}

/// Keeps a small result.
#[derive(Default)]
struct Collected {
    schema: Option<SchemaRef>,
    batches: Vec<RecordBatch>,
}

impl Receiver for Collected {
    fn schema(&mut self, schema: &SchemaRef) -> Result<()> {
        self.schema = Some(schema.clone());
        Ok(())
    }

    fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.batches.push(batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_follows_the_endings() {
        let inputs = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        assert_eq!(relation(&inputs(&["data/*.csv"]), &Options::new()), "'data/*.csv'");
        assert_eq!(relation(&inputs(&["a.pq", "b.parquet"]), &Options::new()), "read_parquet(['a.pq', 'b.parquet'])");
        assert_eq!(relation(&inputs(&["a", "b.csv"]), &Options::new()), "read_csv(['a', 'b.csv'])");
    }

    #[test]
    fn relations_carry_options_and_quote_their_texts() {
        let read = vec![
            ("delim".to_string(), OptionValue::Text(";".into())),
            ("types".to_string(), OptionValue::Map(vec![("it's".into(), OptionValue::Text("BIGINT".into()))])),
            ("nullstr".to_string(), OptionValue::List(vec![OptionValue::Text("-".into())])),
            ("header".to_string(), OptionValue::Boolean(false)),
        ];
        assert_eq!(
            relation(&["o'clock.csv".into()], &read),
            "read_csv(['o''clock.csv'], delim = ';', types = {'it''s': 'BIGINT'}, nullstr = ['-'], header = false)"
        );
    }

    #[test]
    fn one_row_of_aggregates_becomes_one_row_a_column() {
        let wanted = [Wanted::of("a\"b", &DataType::Int64), Wanted::of("ok", &DataType::Boolean)];
        assert_eq!(
            aggregates(&wanted, "'x'"),
            r#"SELECT count(*) AS a0, count("a""b") AS a1, min("a""b") AS a2, max("a""b") AS a3, avg("a""b") AS a4, count("ok") AS a5 FROM 'x'"#
        );
        let integer = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let mean = Arc::new(Float64Array::from(vec![2.5])) as ArrayRef;
        let columns = [integer(10), integer(4), integer(1), integer(4), mean, integer(10)];
        let names = ["a0", "a1", "a2", "a3", "a4", "a5"];
        let row = RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap();
        let figures = transpose(&wanted, &[row]).unwrap();
        let texts: Vec<Vec<Option<String>>> =
            (0..2).map(|row| figures.columns().iter().map(|array| format_value(array, row)).collect()).collect();
        let first = ["a\"b", "BIGINT", "4", "6", "1", "4", "2.5"].map(|text| Some(text.to_string()));
        assert_eq!(texts[0], first);
        assert_eq!(texts[1][2..], [Some("10".into()), Some("0".into()), None, None, None]);
        assert!(transpose(&wanted, &[]).is_err());
    }
}
