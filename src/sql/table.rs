//! What stands in FROM: tables and views by name, files, table functions and subqueries.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use sqlparser::ast::{self, ObjectName, ObjectNamePart, TableFactor};

use super::bind::Binder;
use super::option::{TableArguments, table_arguments};
use super::query::refuse;
use super::span::{at, name_span, not_yet, query_anchor, span};
use super::{CatalogEntry, FileFormat};
use crate::config::suggest;
use crate::error::{Error, Result, Span};
use crate::io::options::{OptionValue, Options};
use crate::io::parquet::ParquetFacts;
use crate::plan::{PlanBuilder, Values};

/// Table functions, for "did you mean".
const TABLE_FUNCTIONS: &[&str] = &[
    "read_csv",
    "read_parquet",
    "read_json",
    "read_arrow",
    "parquet_metadata",
    "parquet_schema",
    "range",
    "generate_series",
    "rejects",
];

/// Rows that `range` and `generate_series` may make, since they are made at once.
const MAX_SERIES: i128 = 10_000_000;

/// Endings by which a name is taken for a file that lacks its quotes.
const FILE_ENDINGS: &[&str] = &[
    "csv", "tsv", "txt", "parquet", "pq", "gz", "zst", "lz4", "bz2", "xz", "json", "jsonl", "ndjson", "arrow",
    "feather", "ipc",
];

impl Binder<'_> {
    /// One item of FROM.
    pub(super) fn table_factor(&mut self, factor: &TableFactor) -> Result<PlanBuilder> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                refuse(
                    name_span(name),
                    &[
                        (!with_hints.is_empty() || !index_hints.is_empty(), "hints for tables are"),
                        (version.is_some(), "versions of tables are"),
                        (*with_ordinality, "WITH ORDINALITY is"),
                        (!partitions.is_empty(), "PARTITION is"),
                        (json_path.is_some(), "paths into tables are"),
                        (sample.is_some(), "TABLESAMPLE is"),
                    ],
                )?;
                let rows = match args {
                    None => self.table(name)?,
                    Some(ast::TableFunctionArgs { args, settings }) => {
                        refuse(name_span(name), &[(settings.is_some(), "SETTINGS is")])?;
                        self.table_function(name, args)?
                    }
                };
                match alias {
                    Some(alias) => self.named(rows, alias),
                    None => Ok(rows),
                }
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                refuse(query_anchor(subquery), &[(*lateral, "LATERAL is"), (sample.is_some(), "TABLESAMPLE is")])?;
                // The names of the tables inside are not seen outside.
                let rows = PlanBuilder::from_plan(self.query(subquery)?.build());
                match alias {
                    Some(alias) => self.named(rows, alias),
                    None => Ok(rows),
                }
            }
            TableFactor::NestedJoin { .. } => Err(not_yet("joins are", None)),
            TableFactor::Function { name, .. } => Err(not_yet("LATERAL is", name_span(name))),
            TableFactor::UNNEST { .. } => Err(not_yet("UNNEST is", None)),
            TableFactor::Pivot { .. } => Err(not_yet("PIVOT is", None)),
            TableFactor::Unpivot { .. } | TableFactor::UnpivotExpr { .. } => Err(not_yet("UNPIVOT is", None)),
            TableFactor::MatchRecognize { .. } => Err(not_yet("MATCH_RECOGNIZE is", None)),
            TableFactor::TableFunction { .. } => Err(not_yet("FROM TABLE(…) is", None)),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => Err(not_yet("JSON_TABLE is", None)),
            TableFactor::XmlTable { .. } => Err(not_yet("XMLTABLE is", None)),
            TableFactor::SemanticView { .. } => Err(not_yet("SEMANTIC_VIEW is", None)),
        }
    }

    /// `rows AS alias (columns)`.
    pub(super) fn named(&self, rows: PlanBuilder, alias: &ast::TableAlias) -> Result<PlanBuilder> {
        let ast::TableAlias { explicit: _, name, columns, at: index } = alias;
        refuse(
            span(name.span),
            &[
                (columns.iter().any(|column| column.data_type.is_some()), "types in an alias are"),
                (index.is_some(), "AT in an alias is"),
            ],
        )?;
        let columns: Vec<String> = columns.iter().map(|column| column.name.value.clone()).collect();
        rows.alias(&name.value, &columns).map_err(|error| at(error, span(name.span)))
    }

    /// A table, view or WITH query by its name, or a file by its path in single quotes.
    pub(super) fn table(&self, name: &ObjectName) -> Result<PlanBuilder> {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] if ident.quote_style == Some('\'') => {
                let place = self.file_span(&ident.value);
                let rows = self.open(FileFormat::Detect, std::slice::from_ref(&ident.value), &Options::new(), place)?;
                match file_alias(&ident.value) {
                    Some(alias) => rows.alias(alias, &[]),
                    None => Ok(rows),
                }
            }
            [ObjectNamePart::Identifier(ident)] => self.table_by_name(ident),
            parts => {
                let idents: Vec<&str> = parts.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
                let joined = idents.join(".");
                match is_path(&joined) {
                    true => Err(self.unknown(&joined, name_span(name))),
                    false => Err(not_yet("schemas (names with a dot) are", name_span(name))),
                }
            }
        }
    }

    pub(super) fn table_by_name(&self, ident: &ast::Ident) -> Result<PlanBuilder> {
        let name = ident.value.as_str();
        let cte = self.ctes.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let rows = match (cte, self.catalog.entry(name)) {
            (Some((_, plan)), _) => PlanBuilder::from_plan(plan.clone()),
            (None, Some(CatalogEntry::Table(table))) => PlanBuilder::scan(table),
            (None, Some(CatalogEntry::View(view))) => {
                let place = span(ident.span);
                PlanBuilder::from_plan(self.view(name, &view).map_err(|error| at(error, place))?)
            }
            (None, None) => return Err(self.unknown(name, span(ident.span))),
        };
        rows.alias(name, &[])
    }

    /// There is no such table: with what may have been meant.
    pub(super) fn unknown(&self, name: &str, place: Option<Span>) -> Error {
        let error = at(Error::sql(format!("there is no table or view '{name}'")), place);
        if is_path(name) {
            return error.with_hint(format!("the path of a file goes into single quotes: FROM '{name}'"));
        }
        let known = self.catalog.names();
        let candidates = self.ctes.iter().map(|(cte, _)| cte.as_str()).chain(known.iter().map(String::as_str));
        match suggest(name, candidates) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if known.is_empty() => error.with_hint("there are none yet; a file is read with FROM 'path'"),
            None => error.with_hint("SHOW TABLES lists those there are; a file is read with FROM 'path'"),
        }
    }

    fn open(
        &self,
        format: FileFormat,
        patterns: &[String],
        options: &Options,
        place: Option<Span>,
    ) -> Result<PlanBuilder> {
        let table = self.catalog.open_files(format, patterns, options).map_err(|error| at(error, place))?;
        Ok(PlanBuilder::scan(table))
    }

    fn table_function(&self, name: &ObjectName, args: &[ast::FunctionArg]) -> Result<PlanBuilder> {
        let place = name_span(name);
        let called = match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => ident.value.to_ascii_lowercase(),
            _ => return Err(not_yet("functions in schemas are", place)),
        };
        let format = match called.as_str() {
            "read_csv" | "read_csv_auto" | "scan_csv" => FileFormat::Csv,
            "read_parquet" | "scan_parquet" | "parquet_scan" => FileFormat::Parquet,
            "read_json" | "read_json_auto" | "read_ndjson" | "read_ndjson_auto" | "scan_ndjson" => FileFormat::Json,
            "read_arrow" | "read_ipc" | "read_feather" | "scan_ipc" | "scan_arrow" => FileFormat::Arrow,
            "parquet_metadata" => FileFormat::ParquetFacts(ParquetFacts::Metadata),
            "parquet_schema" => FileFormat::ParquetFacts(ParquetFacts::Schema),
            "range" | "generate_series" => {
                let arguments = table_arguments(args).map_err(|error| at(error, place))?;
                return series(&called, &arguments, place)?.alias(&called, &[]);
            }
            "rejects" if args.is_empty() => return PlanBuilder::scan(self.catalog.rejects()).alias(&called, &[]),
            "rejects" => return Err(at(Error::sql("rejects takes no arguments"), place)),
            _ => {
                let error = at(Error::sql(format!("there is no table function '{called}'")), place);
                return Err(match suggest(&called, TABLE_FUNCTIONS.iter().copied()) {
                    Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                    None => error.with_hint(format!("there are {}", TABLE_FUNCTIONS.join(", "))),
                });
            }
        };
        let TableArguments { positional, mut options } = table_arguments(args).map_err(|error| at(error, place))?;
        let wrong = |place| {
            at(Error::sql(format!("{called} takes a path, or a list of paths, and options by name")), place)
                .with_hint(format!("write {called}('data/*.csv') or {called}(['a.csv', 'b.csv'], option = value)"))
        };
        let [(paths, path_span)] = positional.as_slice() else {
            return Err(wrong(positional.get(1).and_then(|(_, span)| *span).or(place)));
        };
        let patterns = match paths {
            OptionValue::Text(path) => vec![path.clone()],
            OptionValue::List(items) if !items.is_empty() => {
                let paths = items.iter().map(|item| match item {
                    OptionValue::Text(path) => Some(path.clone()),
                    _ => None,
                });
                paths.collect::<Option<Vec<_>>>().ok_or_else(|| wrong(*path_span))?
            }
            _ => return Err(wrong(*path_span)),
        };
        if called.contains("ndjson") && !options.iter().any(|(name, _)| name == "format") {
            options.push(("format".into(), OptionValue::Text("newline_delimited".into())));
        }
        self.open(format, &patterns, &options, path_span.or(place))?.alias(&called, &[])
    }
}

/// The table's name that a path gives, where it is one file whose name can stand in SQL: `weather` of 'data/weather.csv'.
fn file_alias(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    let stem = file.split('.').next()?;
    let fits = stem.chars().all(|c| c.is_alphanumeric() || c == '_') && stem.starts_with(|c: char| !c.is_numeric());
    (fits && !stem.is_empty() && !path.contains(['*', '?', '['])).then_some(stem)
}

/// Whether a name is most likely a path that lacks its single quotes.
fn is_path(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    name.contains(['/', '\\', '*']) || ending.is_some_and(|ending| FILE_ENDINGS.contains(&ending.as_str()))
}

/// `range(stop)`, `range(start, stop[, step])` without the last value, `generate_series` with it.
fn series(called: &str, arguments: &TableArguments, place: Option<Span>) -> Result<PlanBuilder> {
    let wrong = || at(Error::sql(format!("{called} takes one to three whole numbers: start, stop, step")), place);
    let whole = |value: &OptionValue| match value {
        OptionValue::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
        _ => None,
    };
    if !arguments.options.is_empty() {
        return Err(wrong());
    }
    let numbers: Option<Vec<i64>> = arguments.positional.iter().map(|(value, _)| whole(value)).collect();
    let (start, stop, step) = match numbers.ok_or_else(wrong)?.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] if *step != 0 => (*start, *stop, *step),
        _ => return Err(wrong()),
    };
    // In 128 bits, where nothing overflows.
    let distance = (i128::from(stop) - i128::from(start)) * i128::from(step.signum());
    let closed = distance + i128::from(called == "generate_series");
    let rows = if closed <= 0 { 0 } else { (closed - 1) / i128::from(step.unsigned_abs()) + 1 };
    if rows > MAX_SERIES {
        return Err(not_yet(&format!("{called} of more than {MAX_SERIES} rows is"), place));
    }
    let values = Int64Array::from_iter_values((0..i64::try_from(rows).unwrap_or(0)).map(|row| start + row * step));
    let batch = RecordBatch::try_from_iter([(called, Arc::new(values) as ArrayRef)])?;
    Ok(PlanBuilder::from_plan(Values::plan(batch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_file_names_its_table() {
        assert_eq!(file_alias("data/weather.csv"), Some("weather"));
        assert_eq!(file_alias("weather.csv.gz"), Some("weather"));
        for none in ["data/*.csv", "data/2013-01.csv", "1.csv", "data/", ".csv", ""] {
            assert_eq!(file_alias(none), None, "{none}");
        }
    }

    #[test]
    fn series_end_before_or_at_their_stop() {
        let rows = |called: &str, numbers: &[f64]| {
            let positional = numbers.iter().map(|number| (OptionValue::Number(*number), None)).collect();
            let arguments = TableArguments { positional, options: Options::new() };
            match series(called, &arguments, None)?.build() {
                crate::plan::LogicalPlan::Values(values) => Ok(values.batch.num_rows()),
                _ => Err(Error::internal("no values")),
            }
        };
        assert_eq!(rows("range", &[5.0]).unwrap(), 5);
        assert_eq!(rows("generate_series", &[1.0, 5.0]).unwrap(), 5);
        assert_eq!(rows("range", &[1.0, 10.0, 3.0]).unwrap(), 3);
        assert_eq!(rows("generate_series", &[1.0, 10.0, 3.0]).unwrap(), 4);
        assert_eq!(rows("generate_series", &[5.0, 1.0, -2.0]).unwrap(), 3);
        assert_eq!(rows("range", &[5.0, 1.0]).unwrap(), 0);
        assert!(rows("range", &[1.0, 2.0, 0.0]).is_err());
        assert!(rows("range", &[1e15]).is_err());
        assert!(rows("range", &[]).is_err());
    }
}
