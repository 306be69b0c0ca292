//! CREATE, INSERT and DROP.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{self, ColumnOption, ObjectName, ObjectNamePart, ObjectType};

use super::bind::{Binder, column};
use super::literal::data_type;
use super::parse::Ast;
use super::query::refuse;
use super::span::{at, name_span, not_yet, span};
use super::{CatalogEntry, Statement, View};
use crate::config::suggest;
use crate::error::{Error, Result, Span};
use crate::expr::Expr;
use crate::plan::LogicalPlan;
use crate::types::{DataType, Scalar};

impl Binder<'_> {
    /// Name, whether to replace, and the rows of a view.
    pub(super) fn create_view(&mut self, create: &ast::CreateView) -> Result<(String, bool, LogicalPlan)> {
        let ast::CreateView {
            or_alter,
            or_replace,
            materialized,
            secure,
            name,
            name_before_not_exists: _,
            columns,
            query,
            options,
            cluster_by,
            comment,
            with_no_schema_binding,
            if_not_exists,
            // Views live as long as the session in any case.
            temporary: _,
            copy_grants,
            to,
            params,
        } = create;
        let place = name_span(name);
        refuse(
            place,
            &[
                (*or_alter, "CREATE OR ALTER is"),
                (*materialized, "materialized views are"),
                (*secure || *copy_grants || params.is_some(), "this form of CREATE VIEW is"),
                (*options != ast::CreateTableOptions::None, "options of views are"),
                (!cluster_by.is_empty() || *with_no_schema_binding || to.is_some(), "this form of CREATE VIEW is"),
                (comment.is_some(), "COMMENT is"),
                (*if_not_exists, "CREATE VIEW IF NOT EXISTS is"),
                (columns.iter().any(|c| c.data_type.is_some() || c.options.is_some()), "types of a view's columns are"),
            ],
        )?;
        let name = single(name)?;
        self.views.push(name.value.clone());
        let built = self.query(query);
        self.views.pop();
        let mut built = built?;
        if !columns.is_empty() {
            let names: Vec<String> = columns.iter().map(|column| column.name.value.clone()).collect();
            let given = built.scope().columns().len();
            if names.len() > given && given > 0 {
                let message = format!("the view names {} columns and its query gives {given}", names.len());
                return Err(at(Error::sql(message), place));
            }
            built = built.alias(&name.value, &names)?;
        }
        let plan = built.build();
        distinct_names(plan.schema().fields().iter().map(|field| field.name().as_str()), place)?;
        Ok((name.value.clone(), *or_replace, plan))
    }

    /// The rows of a view as they are now.
    pub(super) fn view(&self, name: &str, view: &View) -> Result<LogicalPlan> {
        if self.views.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Error::sql(format!("the view '{name}' reads itself")));
        }
        let mut binder = Binder {
            catalog: self.catalog,
            config: self.config,
            now: self.now,
            ctes: Vec::new(),
            views: self.views.clone(),
            parsed: &view.definition,
        };
        let bound = match view.definition.ast.as_ref() {
            Ast::Sql(statement) => match statement.as_ref() {
                ast::Statement::CreateView(create) => binder.create_view(create),
                _ => Err(Error::internal(format!("the view '{name}' is defined by another statement"))),
            },
            _ => Err(Error::internal(format!("the view '{name}' is defined by another statement"))),
        };
        // Places in the definition mean nothing in the statement that uses the view.
        let bound = bound.map_err(|error| {
            Error::sql(format!("the view '{name}' cannot be read: {}", error.kind().message))
                .with_hint(error.kind().hint.clone().unwrap_or_else(|| "make it anew by CREATE OR REPLACE VIEW".into()))
        });
        bound.map(|(_, _, plan)| plan)
    }

    pub(super) fn create_table(&mut self, create: &ast::CreateTable, query: Option<&ast::Query>) -> Result<Statement> {
        let place = name_span(&create.name);
        refuse(
            place,
            &[
                (create.external, "external tables are"),
                (!create.constraints.is_empty(), "constraints of tables are"),
                (create.like.is_some() || create.clone.is_some(), "CREATE TABLE LIKE is"),
                (create.partition_by.is_some(), "PARTITION BY of tables is"),
            ],
        )?;
        // The dialects of the world add some sixty clauses: whatever is set besides what is read here is refused.
        let plain = CreateTableBuilder::new(create.name.clone())
            .or_replace(create.or_replace)
            .temporary(create.temporary)
            .if_not_exists(create.if_not_exists)
            .columns(create.columns.clone())
            // The parser sets an empty one.
            .hive_formats(create.hive_formats.as_ref().map(|_| ast::HiveFormat::default()))
            .build();
        refuse(place, &[(*create != plain, "this form of CREATE TABLE is")])?;
        let name = single(&create.name)?.value.clone();
        let (or_replace, if_not_exists) = (create.or_replace, create.if_not_exists);
        if let Some(query) = query {
            refuse(place, &[(!create.columns.is_empty(), "columns with CREATE TABLE … AS are")])?;
            let plan = self.query(query)?.build();
            distinct_names(plan.schema().fields().iter().map(|field| field.name().as_str()), place)?;
            return Ok(Statement::CreateTableAs { name, or_replace, if_not_exists, plan });
        }
        if create.columns.is_empty() {
            return Err(at(Error::sql("a table needs columns"), place)
                .with_hint("write CREATE TABLE t (name type, …) or CREATE TABLE t AS SELECT …"));
        }
        let mut fields = Vec::with_capacity(create.columns.len());
        for ast::ColumnDef { name, data_type: written, options } in &create.columns {
            let place = span(name.span);
            let plain = options.iter().all(|option| matches!(option.option, ColumnOption::Null));
            refuse(place, &[(!plain, "constraints and defaults of columns are")])?;
            let data_type = data_type(written, self.config).map_err(|error| at(error, place))?;
            fields.push(Field::new(&name.value, data_type, true));
        }
        distinct_names(create.columns.iter().map(|column| column.name.value.as_str()), place)?;
        Ok(Statement::CreateTable { name, or_replace, if_not_exists, schema: Arc::new(Schema::new(fields)) })
    }

    pub(super) fn drop(&self, kind: ObjectType, name: &ObjectName, if_exists: bool) -> Result<Statement> {
        let place = name_span(name);
        let wanted = match kind {
            ObjectType::Table => "table",
            ObjectType::View => "view",
            other => return Err(not_yet(&format!("DROP {other} is"), place)),
        };
        let name = single(name)?;
        let found = match self.catalog.entry(&name.value) {
            Some(CatalogEntry::Table(_)) => "table",
            Some(CatalogEntry::View(_)) => "view",
            None if if_exists => wanted,
            None => return Err(self.unknown(&name.value, place)),
        };
        if found != wanted {
            return Err(at(Error::sql(format!("'{}' is a {found}", name.value)), place).with_hint(format!(
                "write DROP {} {}",
                found.to_ascii_uppercase(),
                name.value
            )));
        }
        Ok(Statement::Drop { name: name.value.clone(), if_exists })
    }
}

/// A name of one part.
fn single(name: &ObjectName) -> Result<&ast::Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(ident),
        _ => Err(not_yet("schemas (names with a dot) are", name_span(name))),
    }
}

/// No name twice, since a column could then not be named.
fn distinct_names<'n>(names: impl Iterator<Item = &'n str>, place: Option<Span>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.to_lowercase()) {
            return Err(at(Error::sql(format!("there would be two columns called '{name}'")), place)
                .with_hint("give one of them another name with AS"));
        }
    }
    Ok(())
}

/// What an INSERT of the supported form names.
pub(super) struct InsertInto<'s> {
    pub(super) name: &'s ast::Ident,
    pub(super) columns: &'s [ObjectName],
    pub(super) source: &'s ast::Query,
}

/// Reads INSERT INTO … VALUES or SELECT, and refuses all else.
pub(super) fn insert_into(insert: &ast::Insert) -> Result<InsertInto<'_>> {
    let ast::Insert {
        insert_token,
        optimizer_hints: _,
        or,
        ignore,
        into: _,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword: _,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let place = span(insert_token.0.span);
    let several = multi_table_insert_type.is_some()
        || !multi_table_into_clauses.is_empty()
        || !multi_table_when_clauses.is_empty()
        || multi_table_else_clause.is_some();
    refuse(
        place,
        &[
            (or.is_some() || *ignore || *replace_into || on.is_some(), "INSERT with ON CONFLICT, IGNORE or REPLACE is"),
            (*overwrite, "INSERT OVERWRITE is"),
            (returning.is_some() || output.is_some(), "RETURNING is"),
            (table_alias.is_some() || insert_alias.is_some(), "an alias in INSERT is"),
            (partitioned.is_some() || !after_columns.is_empty(), "PARTITION in INSERT is"),
            (!assignments.is_empty(), "INSERT … SET is"),
            (priority.is_some() || settings.is_some() || format_clause.is_some() || several, "this form of INSERT is"),
        ],
    )?;
    let name = match table {
        ast::TableObject::TableName(name) => single(name)?,
        _ => return Err(not_yet("INSERT into a function or query is", place)),
    };
    match source {
        Some(source) => Ok(InsertInto { name, columns, source }),
        None => Err(not_yet("INSERT … DEFAULT VALUES is", span(name.span))),
    }
}

/// The table's columns that an INSERT gives, in its order.
pub(super) fn insert_targets(schema: &SchemaRef, columns: &[ObjectName], table: &str) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let mut targets = Vec::with_capacity(columns.len());
    for column in columns {
        let name = &single(column)?.value;
        let place = name_span(column);
        let Some(index) = schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name)) else {
            let error = at(Error::sql(format!("the table '{table}' has no column '{name}'")), place);
            let near = suggest(name, schema.fields().iter().map(|field| field.name().as_str()));
            return Err(match near {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error,
            });
        };
        if targets.contains(&index) {
            return Err(at(Error::sql(format!("INSERT names the column '{name}' twice")), place));
        }
        targets.push(index);
    }
    Ok(targets)
}

/// All columns of the table, made of those that are given, `names[i]` being for the column `targets[i]`.
pub(super) fn insert_projection(schema: &SchemaRef, targets: &[usize], names: &[String]) -> Vec<Expr> {
    let fields = schema.fields().iter().enumerate();
    let exprs = fields.map(|(index, field)| {
        let given = targets.iter().zip(names).find(|(target, _)| **target == index);
        let value = match given {
            Some((_, name)) => column(name),
            None => Expr::Literal(Scalar::null(&DataType::Null)),
        };
        value.cast(field.data_type().clone()).alias(field.name())
    });
    exprs.collect()
}
