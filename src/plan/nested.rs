//! Calls over columns that lie in several parts: a map `m` is the lists `m.key` and `m.value`, a list of structs `items` is a list
//! for each field. What is called over one of them is called over its parts.

use super::Scope;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::functions::scalar::{MAP_EXTRACT_VALUE, MAP_KEYS, MAP_VALUES};

/// The call over parts that is meant; `None` where the first argument is an expression or a column as others.
///
/// # Errors
/// Where it is a list of structs and a field has to be said.
pub(super) fn over_parts(name: &str, args: &[Expr], scope: &Scope) -> Result<Option<Expr>> {
    let Some((Expr::Column { table, name: column }, rest)) =
        args.split_first().map(|(first, rest)| (first.unspanned(), rest))
    else {
        return Ok(None);
    };
    if scope.find(table.as_deref(), column)?.is_some() {
        return Ok(None);
    }
    let path = table.as_ref().map_or(column.clone(), |table| format!("{table}.{column}"));
    match (name, rest) {
        ("list_extract" | "array_extract" | "list_element" | "element_at" | MAP_EXTRACT_VALUE, [key]) => {
            if let Some((keys, values)) = map_entries(&path, scope) {
                return Ok(Some(Expr::call(MAP_EXTRACT_VALUE, vec![keys, values, key.clone()])));
            }
            let fields = scope.fields(None, &path);
            Err(match fields.first() {
                Some((field, _)) => Error::sql(format!("'{path}' has several fields, and {name} takes one"))
                    .with_hint(format!("write {path}[…].{field} or {name}({path}.{field}, …)")),
                None => return Ok(None),
            })
        }
        (MAP_KEYS, []) => Ok(map_entries(&path, scope).map(|(keys, _)| keys)),
        (MAP_VALUES, []) => Ok(map_entries(&path, scope).map(|(_, values)| values)),
        ("length" | "len" | "cardinality" | "array_length" | "list_length", []) => {
            Ok(map_entries(&path, scope).map(|(keys, _)| Expr::call(name, vec![keys])))
        }
        _ => Ok(None),
    }
}

/// The keys of the map that a path names or goes through, and the values, or the field of them that the path ends in.
fn map_entries(path: &str, scope: &Scope) -> Option<(Expr, Expr)> {
    let ends = std::iter::once(path.len()).chain(path.rmatch_indices('.').map(|(end, _)| end));
    for end in ends {
        let (map, field) = path.split_at(end);
        let (keys, values) = (format!("{map}.key"), format!("{map}.value{field}"));
        let is_there = |name: &String| matches!(scope.find(None, name), Ok(Some(_)));
        if is_there(&keys) && is_there(&values) {
            let column = |name| Expr::Column { table: None, name };
            return Some((column(keys), column(values)));
        }
    }
    None
}
