//! `schema`, `head` and `describe`: questions about files, asked as SQL.

use std::io::Write;
use std::path::Path;

use super::check::SchemaFileRequest;
use super::report::Failure;
use super::runner::Runner;
use crate::error::{Error, Result};
use crate::io::options::{OptionValue, Options};
use crate::io::write::{AtomicFile, Existing};

/// Files as one relation of SQL, with the options they are read with.
pub fn relation(inputs: &[String], read: &Options) -> String {
    let is_parquet = |input: &String| input.ends_with(".parquet") || input.ends_with(".pq");
    let is_json = |input: &String| [".json", ".jsonl", ".ndjson"].iter().any(|ending| input.contains(ending));
    let is_arrow = |input: &String| [".arrow", ".feather", ".ipc"].iter().any(|ending| input.ends_with(ending));
    let function = match inputs {
        [input] if read.is_empty() => return sql_text(input),
        _ if inputs.iter().all(is_parquet) => "read_parquet",
        _ if inputs.iter().all(is_json) => "read_json",
        _ if inputs.iter().all(is_arrow) => "read_arrow",
        _ => "read_csv",
    };
    let list = inputs.iter().map(|input| sql_text(input)).collect::<Vec<_>>().join(", ");
    let options: String = read.iter().map(|(name, value)| format!(", {name} = {}", sql_value(value))).collect();
    format!("{function}([{list}]{options})")
}

fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
    runner.query(&format!("SUMMARIZE SELECT * FROM {relation}"))
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
}
