//! Binding: a parsed statement becomes a [`Statement`] over plans.

use std::path::PathBuf;

use arrow::datatypes::SchemaRef;
use sqlparser::ast;

use super::definition;
use super::option::copy_options;
use super::parse::{Ast, Parsed, Rows};
use super::span::{not_yet, span};
use super::{Catalog, Statement, View};
use crate::config::Config;
use crate::error::{Error, Result, Span};
use crate::expr::Expr;
use crate::plan::{LogicalPlan, PlanBuilder, Select};
use crate::types::DataType;
use crate::types::temporal::now_micros;

/// Binds a statement: tables are looked up, files are opened for their columns, nothing is read or computed but
/// constants.
///
/// # Errors
/// An SQL error with its place for unknown names, types that do not fit and what is not supported; data errors where
/// files cannot be opened. Spans count from the start of the statement's own text.
pub fn bind(parsed: &Parsed, catalog: &dyn Catalog, config: &Config) -> Result<Statement> {
    let mut binder = Binder { catalog, config, now: now_micros(), ctes: Vec::new(), views: Vec::new(), parsed };
    match parsed.ast.as_ref() {
        Ast::Sql(statement) => binder.statement(statement, &parsed.text),
        Ast::CreateTable { create, query } => binder.create_table(create, query.as_deref()),
        Ast::Explain { analyze, query } => {
            Ok(Statement::Explain { analyze: *analyze, plan: binder.query(query)?.build() })
        }
        Ast::Describe(rows) => Ok(Statement::Describe { schema: binder.rows(rows)?.build().schema().clone() }),
        Ast::Summarize(rows) => Ok(Statement::Query(binder.rows(rows)?.summarize()?.build())),
        Ast::ShowTables => Ok(Statement::ShowTables),
        Ast::ShowFunctions => Ok(Statement::ShowFunctions),
        Ast::ShowSettings(name) => Ok(Statement::ShowSettings { name: name.clone() }),
        Ast::Set { name, value } => Ok(Statement::Set { name: name.clone(), value: value.clone() }),
        Ast::Copy { rows, columns, target, options } => {
            let mut built = binder.rows(rows)?;
            if !columns.is_empty() {
                let projection = columns.iter().map(|column| super::expression::column(None, column)).collect();
                built = built.select(&Select { projection, ..Select::default() })?;
            }
            let options = copy_options(options)?;
            Ok(Statement::Copy { plan: built.build(), target: PathBuf::from(target), options })
        }
    }
}

/// What binding carries along.
pub(super) struct Binder<'a> {
    pub(super) catalog: &'a dyn Catalog,
    pub(super) config: &'a Config,
    /// When the statement began, in microseconds since the epoch.
    pub(super) now: i64,
    /// The queries of WITH that are visible, innermost last.
    pub(super) ctes: Vec<(String, LogicalPlan)>,
    /// The views that are being bound, outermost first: none of them may come again.
    pub(super) views: Vec<String>,
    /// The statement, or the definition of the view.
    pub(super) parsed: &'a Parsed,
}

impl Binder<'_> {
    /// Where a file is named in the text: the parser keeps no places of texts that stand for tables.
    pub(super) fn file_span(&self, path: &str) -> Option<Span> {
        self.parsed.files.iter().find(|(known, _)| known == path).map(|(_, span)| *span)
    }

    fn rows(&mut self, rows: &Rows) -> Result<PlanBuilder> {
        match rows {
            Rows::Query(query) => self.query(query),
            Rows::Table(factor) => self.table_factor(factor),
        }
    }

    fn statement(&mut self, statement: &ast::Statement, text: &str) -> Result<Statement> {
        match statement {
            ast::Statement::Query(query) => Ok(Statement::Query(self.query(query)?.build())),
            ast::Statement::CreateView(create) => {
                let (name, or_replace, plan) = self.create_view(create)?;
                let view = View { definition: self.parsed.clone(), schema: plan.schema().clone() };
                Ok(Statement::CreateView { name, or_replace, view })
            }
            ast::Statement::Insert(insert) => self.insert(insert),
            ast::Statement::Drop {
                object_type,
                if_exists,
                names,
                cascade,
                restrict: _,
                purge,
                temporary: _,
                table,
            } => {
                if *cascade || *purge || table.is_some() {
                    return Err(not_yet("DROP with CASCADE, PURGE or ON is", None));
                }
                let [name] = names.as_slice() else {
                    return Err(not_yet("DROP of several tables at once is", None));
                };
                self.drop(*object_type, name, *if_exists)
            }
            _ => {
                let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
                Err(not_yet(&format!("{first} is"), None))
            }
        }
    }

    /// The rows of `INSERT`, brought to the columns and types of the table.
    fn insert(&mut self, insert: &ast::Insert) -> Result<Statement> {
        let definition::InsertInto { name, columns, source } = definition::insert_into(insert)?;
        let place = span(name.span);
        let schema = self.insertable(name)?;
        let targets = definition::insert_targets(&schema, columns, &name.value)?;
        let plan = match source.body.as_ref() {
            ast::SetExpr::Values(values) if is_plain(source) => {
                let types: Vec<DataType> =
                    targets.iter().map(|&index| schema.field(index).data_type().clone()).collect();
                self.values(values, Some(&types))?.build()
            }
            _ => self.query(source)?.build(),
        };
        let given = plan.schema().fields().len();
        if targets.len() != given {
            let message = format!("INSERT names {} columns and gives {given}", targets.len());
            return Err(super::span::at(Error::sql(message), place));
        }
        let names: Vec<String> = (1..=given).map(|index| format!("column{index}")).collect();
        let projection = definition::insert_projection(&schema, &targets, &names);
        let built = PlanBuilder::from_plan(plan).alias("source", &names)?;
        let plan = built.select(&Select { projection, ..Select::default() })?.build();
        Ok(Statement::Insert { name: name.value.clone(), plan })
    }

    /// The columns of a table that rows can be added to.
    fn insertable(&self, name: &ast::Ident) -> Result<SchemaRef> {
        match self.catalog.entry(&name.value) {
            Some(super::CatalogEntry::Table(table)) => Ok(table.schema().clone()),
            Some(super::CatalogEntry::View(_)) => {
                let message = format!("'{}' is a view: rows go into tables", name.value);
                Err(super::span::at(Error::sql(message), span(name.span)))
            }
            None => Err(self.unknown(&name.value, span(name.span))),
        }
    }
}

/// Whether a query is its body alone, without WITH, ORDER BY or LIMIT.
fn is_plain(query: &ast::Query) -> bool {
    let ast::Query { with, order_by, limit_clause, fetch, .. } = query;
    with.is_none() && order_by.is_none() && limit_clause.is_none() && fetch.is_none()
}

/// The column of that name, for projections that are made here.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column { table: None, name: name.to_string() }
}
