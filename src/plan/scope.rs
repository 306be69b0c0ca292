//! Which columns an expression may name, and finding one by its name.

use std::collections::HashMap;

use crate::config::suggest;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::types::{DataType, SchemaRef};

/// A column that expressions may name.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeColumn {
    /// The alias of the table that it comes from.
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

/// The columns that expressions may name, in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    columns: Vec<ScopeColumn>,
    /// The columns of each name, by that name in lower case: files may have a hundred thousand, and `*` names them all.
    by_name: HashMap<String, Vec<usize>>,
}

/// Whether a column is a part of what has that name: `place.x` of `place`.
pub fn is_part_of(column: &str, whole: &str) -> bool {
    let parts = column.split_at_checked(whole.len());
    parts.is_some_and(|(above, rest)| rest.starts_with('.') && above.eq_ignore_ascii_case(whole))
}

impl ScopeColumn {
    /// Whether it is of the table of that alias, or any.
    pub fn is_of(&self, table: Option<&str>) -> bool {
        match (table, &self.table) {
            (None, _) => true,
            (Some(wanted), Some(table)) => table.eq_ignore_ascii_case(wanted),
            (Some(_), None) => false,
        }
    }
}

impl Scope {
    /// The columns of a schema, all from the table of that alias.
    pub fn new(schema: &SchemaRef, table: Option<&str>) -> Self {
        let columns = schema.fields().iter().map(|field| ScopeColumn {
            table: table.map(String::from),
            name: field.name().clone(),
            data_type: field.data_type().clone(),
        });
        columns.collect()
    }

    /// By index.
    pub fn columns(&self) -> &[ScopeColumn] {
        &self.columns
    }

    /// The column of that name, with or without its table. The exact spelling wins over one that differs in case, part by part
    /// in the name of a field.
    ///
    /// # Errors
    /// An SQL error where there is none (with a suggestion), or more than one.
    pub fn column(&self, table: Option<&str>, name: &str) -> Result<BoundExpr> {
        match self.find(table, name)? {
            Some(index) => {
                let column = &self.columns[index];
                Ok(BoundExpr::column(index, &column.name, &column.data_type))
            }
            None => Err(self.unknown(table, name)),
        }
    }

    /// The index of the column of that name; `None` where there is none.
    ///
    /// # Errors
    /// An SQL error where there are several.
    pub fn find(&self, table: Option<&str>, name: &str) -> Result<Option<usize>> {
        let mut found = self.named(table, name);
        if found.is_empty() {
            found = match (table, name.split_once('.')) {
                // `table.column` as one text, and `column.field` in two parts.
                (None, Some((table, column))) => self.named(Some(table), column),
                (Some(column), _) => self.named(None, &format!("{column}.{name}")),
                (None, None) => found,
            };
        }
        match found.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(*only)),
            several => {
                let names: Vec<String> = several.iter().map(|&index| self.qualified(index)).collect();
                Err(Error::sql(format!("the name '{name}' is ambiguous: {}", names.join(", ")))
                    .with_hint("write the table's alias before it, or rename the columns by AS"))
            }
        }
    }

    /// The columns of that name; where there are several, those of which the most parts are spelled exactly so.
    fn named(&self, table: Option<&str>, name: &str) -> Vec<usize> {
        let known = self.by_name.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        let of_table = |index: &&usize| self.columns.get(**index).is_some_and(|column| column.is_of(table));
        let exact = |index: &usize| {
            let own = self.columns.get(*index).map_or("", |column| &column.name);
            own.split('.').zip(name.split('.')).filter(|(own, wanted)| own == wanted).count()
        };
        let known: Vec<(usize, usize)> = known.iter().filter(of_table).map(|index| (*index, exact(index))).collect();
        let best = known.iter().map(|(_, exact)| *exact).max();
        known.into_iter().filter(|(_, exact)| Some(*exact) == best).map(|(index, _)| index).collect()
    }

    /// What lies below a column that is a struct, a list of structs or a map: the columns whose names begin with its name and a
    /// dot, by the rest of their names, with their indices.
    pub fn fields(&self, table: Option<&str>, name: &str) -> Vec<(String, usize)> {
        let below = |table: Option<&str>, path: &str| -> Vec<(String, usize)> {
            let field = |(index, column): (usize, &ScopeColumn)| {
                let is_below = is_part_of(&column.name, path) && column.is_of(table);
                is_below.then(|| (column.name.get(path.len() + 1..).unwrap_or_default().to_string(), index))
            };
            self.columns.iter().enumerate().filter_map(field).collect()
        };
        let found = below(table, name);
        match table {
            Some(column) if found.is_empty() => below(None, &format!("{column}.{name}")),
            _ => found,
        }
    }

    fn qualified(&self, index: usize) -> String {
        let column = &self.columns[index];
        match &column.table {
            Some(table) => format!("{table}.{}", column.name),
            None => format!("{} (column {})", column.name, index + 1),
        }
    }

    fn unknown(&self, table: Option<&str>, name: &str) -> Error {
        // Of a name with a table that may be a column, also what lies beside it.
        let below = |(table, name)| self.fields(table, name);
        let fields = [Some((table, name)), table.map(|table| (None, table))].into_iter().flatten().map(below);
        if let Some(fields) = fields.into_iter().find(|fields| !fields.is_empty()) {
            let wanted = table.map_or(name.to_string(), |table| format!("{table}.{name}"));
            let names = fields.iter().take(20).filter_map(|(_, index)| self.columns.get(*index));
            let names: Vec<&str> = names.map(|column| column.name.as_str()).collect();
            return Error::sql(format!("there is no column '{wanted}'"))
                .with_hint(format!("the fields there are {}", names.join(", ")));
        }
        if let Some(table) = table
            && !self.columns.iter().any(|column| column.table.as_deref().is_some_and(|t| t.eq_ignore_ascii_case(table)))
        {
            let tables = self.columns.iter().filter_map(|column| column.table.as_deref());
            let error = Error::sql(format!("there is no table '{table}' here"));
            return match suggest(table, tables) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error,
            };
        }
        let error = Error::sql(format!("there is no column '{name}'"));
        if self.columns.iter().any(|column| column.table.as_deref().is_some_and(|t| t.eq_ignore_ascii_case(name))) {
            return error.with_hint(format!("'{name}' is a table: {name}.* is all of its columns"));
        }
        let names = || self.columns.iter().map(|column| column.name.as_str());
        match suggest(name, names()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if self.columns.is_empty() => error.with_hint("there are no columns here: is FROM missing?"),
            None => {
                let shown: Vec<&str> = names().take(20).collect();
                let more = if self.columns.len() > shown.len() { ", …" } else { "" };
                error.with_hint(format!("the columns are {}{more}", shown.join(", ")))
            }
        }
    }
}

impl FromIterator<ScopeColumn> for Scope {
    fn from_iter<I: IntoIterator<Item = ScopeColumn>>(columns: I) -> Self {
        let columns: Vec<ScopeColumn> = columns.into_iter().collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            by_name.entry(column.name.to_ascii_lowercase()).or_default().push(index);
        }
        Self { columns, by_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_columns_are_found_one_by_one_at_once() {
        let column = |index: usize| ScopeColumn {
            table: Some("t".into()),
            name: format!("c{index}"),
            data_type: DataType::Int64,
        };
        let scope: Scope = (0..100_000).map(column).collect();
        for (index, column) in scope.columns().iter().enumerate() {
            assert_eq!(scope.find(Some("T"), &column.name).unwrap(), Some(index));
        }
        assert_eq!(scope.find(None, "C7").unwrap(), Some(7));
        assert_eq!(scope.find(Some("u"), "c7").unwrap(), None);
        assert_eq!(scope.find(None, "t.c7").unwrap(), Some(7));
    }
    #[test]
    fn fields_that_differ_in_case_only_are_told_apart_part_by_part() {
        let column =
            |name: &str| ScopeColumn { table: Some("t".into()), name: name.into(), data_type: DataType::Int64 };
        let scope: Scope = ["s.A", "s.a", "S.b", "s.b.c"].map(column).into_iter().collect();
        let find = |table: Option<&str>, name: &str| scope.find(table, name).unwrap();
        for (table, name) in [(Some("s"), "A"), (Some("S"), "A"), (None, "S.A"), (Some("t"), "S.A"), (None, "t.S.A")] {
            assert_eq!(find(table, name), Some(0), "{table:?} {name}");
        }
        assert_eq!(find(Some("S"), "a"), Some(1));
        assert_eq!(find(Some("S"), "B"), Some(2));
        assert!(Scope::from_iter(["x.A", "X.a"].map(column)).find(Some("x"), "a").is_err(), "either has one part so");
        assert_eq!(scope.fields(None, "s.B"), [("c".to_string(), 3)]);
        assert_eq!(scope.fields(Some("S"), "b"), [("c".to_string(), 3)]);
        assert_eq!(scope.fields(Some("T"), "s").len(), 4);
        assert!(scope.fields(None, "s.b.c").is_empty());
    }
}
