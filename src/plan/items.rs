//! The items of SELECT: what `*` stands for, and whole columns that lie in several parts.

use super::scope::{Scope, ScopeColumn, is_part_of};
use super::unnest::list_fields;
use crate::config::suggest;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::functions::scalar::UNNEST;

/// An item of the projection after wildcards were expanded.
pub(super) struct Item {
    pub expr: Expr,
    pub name: String,
}

/// The items with those that stand for several columns taken apart: `*`, and whole columns that lie in several parts.
///
/// # Errors
/// Where a column is not there, or none is left.
pub(super) fn expand_wildcards(projection: &[Expr], scope: &Scope) -> Result<Vec<Item>> {
    let mut items = Vec::with_capacity(projection.len());
    for expr in projection {
        match expr.unspanned() {
            Expr::Wildcard { table, exclude, replace } => {
                expand(table.as_deref(), exclude, replace, scope, &mut items).map_err(|error| spanned(error, expr))?;
            }
            _ => match parts(expr, scope).map_err(|error| spanned(error, expr))? {
                Some(fields) => items.extend(fields),
                None => items.push(Item { name: expr.output_name(), expr: expr.clone() }),
            },
        }
    }
    if items.is_empty() {
        return Err(Error::sql("SELECT has no columns"));
    }
    Ok(items)
}

/// The parts of a whole struct, list of structs or map, with its name in front of theirs; or each unnested: `unnest(list)`, under
/// their own names unless they have another one in front.
fn parts(item: &Expr, scope: &Scope) -> Result<Option<Vec<Item>>> {
    let (inner, alias) = match item.unspanned() {
        Expr::Alias(inner, alias) => (inner.unspanned(), Some(alias.clone())),
        other => (other, None),
    };
    let (fields, prefix, is_unnested) = match inner {
        Expr::Column { table, name } => match scope.find(table.as_deref(), name)? {
            Some(_) => return Ok(None),
            None => (scope.fields(table.as_deref(), name), alias.or_else(|| Some(inner.output_name())), false),
        },
        Expr::Call { name, args, .. } if name == UNNEST => match args.as_slice() {
            [list] => (list_fields(list, scope)?.unwrap_or_default(), alias, true),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let items = fields.into_iter().filter_map(|(field, index)| {
        let column = scope.columns().get(index)?;
        let column = Expr::Column { table: column.table.clone(), name: column.name.clone() };
        let name = prefix.as_ref().map_or(field.clone(), |prefix| format!("{prefix}.{field}"));
        Some(Item { expr: if is_unnested { Expr::call(UNNEST, vec![column]) } else { column }, name })
    });
    let items: Vec<Item> = items.collect();
    Ok((!items.is_empty()).then_some(items))
}

fn expand(
    table: Option<&str>,
    exclude: &[String],
    replace: &[(Expr, String)],
    scope: &Scope,
    items: &mut Vec<Item>,
) -> Result<()> {
    let mut columns: Vec<(&ScopeColumn, &str)> = scope
        .columns()
        .iter()
        .filter(|column| column.is_of(table))
        .map(|column| (column, column.name.as_str()))
        .collect();
    // The fields of a struct, by their own names.
    if let (true, Some(path)) = (columns.is_empty(), table) {
        let (above, name) = path.split_once('.').map_or((None, path), |(above, name)| (Some(above), name));
        let mut fields = scope.fields(above, name);
        if fields.is_empty() {
            fields = scope.fields(None, path);
        }
        let field = |(field, index): (String, usize)| {
            let column = scope.columns().get(index)?;
            Some((column, column.name.get(column.name.len() - field.len()..)?))
        };
        columns = fields.into_iter().filter_map(field).collect();
    }
    if columns.is_empty() {
        return Err(match table {
            Some(table) => Error::sql(format!("there is no table '{table}' here")),
            None => Error::sql("SELECT * without FROM"),
        });
    }
    let replaced = replace.iter().map(|(_, name)| (name, false));
    for (name, takes_parts) in exclude.iter().map(|name| (name, true)).chain(replaced) {
        let is_meant = |column: &str| column.eq_ignore_ascii_case(name) || (takes_parts && is_part_of(column, name));
        if !columns.iter().any(|(_, column)| is_meant(column)) {
            let error = Error::sql(format!("there is no column '{name}' to leave out or replace"));
            return Err(match suggest(name, columns.iter().map(|(_, column)| *column)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error,
            });
        }
    }
    for (column, shown) in columns {
        if exclude.iter().any(|name| name.eq_ignore_ascii_case(shown) || is_part_of(shown, name)) {
            continue;
        }
        let replaced = replace.iter().find(|(_, name)| name.eq_ignore_ascii_case(shown));
        let expr = match replaced {
            Some((expr, _)) => expr.clone(),
            None => Expr::Column { table: column.table.clone(), name: column.name.clone() },
        };
        items.push(Item { expr, name: shown.to_string() });
    }
    Ok(())
}

/// Adds the place of an expression, where it is known, to an error about it.
pub(super) fn spanned(error: Error, expr: &Expr) -> Error {
    match expr {
        Expr::Spanned(inner, span) => spanned(error, inner).with_span(*span),
        Expr::Alias(inner, _) => spanned(error, inner),
        _ => error,
    }
}
