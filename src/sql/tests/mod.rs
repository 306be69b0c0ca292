//! Tests of SQL up to the expressions and options that plans are built from.

mod errors;
mod expressions;
mod statements;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use sqlparser::ast;

use super::expression::Converter;
use super::parse::Ast;
use super::{Catalog, CatalogEntry, FileFormat, Statement, bind, parse};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::io::options::Options;
use crate::io::source::{ScanRequest, Source, Table};
use crate::types::{DataType, TEXT};

/// A table without rows that shows how it was opened.
#[derive(Debug)]
struct Opened {
    how: String,
    schema: SchemaRef,
}

impl Opened {
    fn table(how: String) -> Arc<dyn Table> {
        let fields = vec![Field::new("a", DataType::Int64, true), Field::new("b", TEXT, true)];
        Arc::new(Self { how, schema: Arc::new(Schema::new(fields)) })
    }
}

impl Table for Opened {
    fn describe(&self) -> String {
        self.how.clone()
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, _: &ScanRequest, _: &QueryContext) -> Result<Arc<dyn Source>> {
        Err(Error::internal("tests of binding read nothing"))
    }
}

/// A catalog with the tables `flights` and `weather`, the view `delays`, and every file but `missing.csv`.
struct TestCatalog;

impl Catalog for TestCatalog {
    fn entry(&self, name: &str) -> Option<CatalogEntry> {
        match name.to_ascii_lowercase().as_str() {
            known @ ("flights" | "weather") => Some(CatalogEntry::Table(Opened::table(known.into()))),
            "delays" => match statement("CREATE VIEW delays AS SELECT * FROM flights") {
                Ok(Statement::CreateView { view, .. }) => Some(CatalogEntry::View(view)),
                other => panic!("no view: {other:?}"),
            },
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        ["flights", "weather", "delays"].map(String::from).to_vec()
    }

    fn open_files(&self, format: FileFormat, patterns: &[String], options: &Options) -> Result<Arc<dyn Table>> {
        if patterns.iter().any(|pattern| pattern == "missing.csv") {
            return Err(Error::data("no file matches 'missing.csv'"));
        }
        Ok(Opened::table(format!("{format:?} {patterns:?} {options:?}")))
    }

    fn rejects(&self) -> Arc<dyn Table> {
        Opened::table("rejects".into())
    }
}

fn config() -> Config {
    Config { time_zone: "Europe/Zurich".into(), ..Config::default() }
}

fn statement(sql: &str) -> Result<Statement> {
    let parsed = parse(sql)?;
    let first = parsed.first().ok_or_else(|| Error::internal("no statement"))?;
    bind(first, &TestCatalog, &config())
}

/// The first column of `SELECT {sql}`, converted.
fn expr(sql: &str) -> Result<Expr> {
    let parsed = parse(&format!("SELECT {sql}"))?;
    let parsed = parsed.first().ok_or_else(|| Error::internal("no statement"))?;
    let Ast::Sql(statement) = parsed.ast.as_ref() else { panic!("{sql} is no query") };
    let ast::Statement::Query(query) = statement.as_ref() else { panic!("{sql} is no query") };
    let ast::SetExpr::Select(select) = query.body.as_ref() else { panic!("{sql} is no SELECT") };
    assert_eq!(select.projection.len(), 1, "{sql}");
    let config = config();
    super::query::select_item(&mut Converter::new(&config, 0), &select.projection[0])
}
