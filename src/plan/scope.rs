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

    /// The column of that name, with or without its table. The exact spelling wins over one that differs in case.
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

    /// The columns of that name, spelled exactly so where there is one.
    fn named(&self, table: Option<&str>, name: &str) -> Vec<usize> {
        let of_table = |column: &ScopeColumn| match (table, &column.table) {
            (None, _) => true,
            (Some(wanted), Some(table)) => table.eq_ignore_ascii_case(wanted),
            (Some(_), None) => false,
        };
        let known = self.by_name.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        let indices = |is_exact: bool| -> Vec<usize> {
            let same = |column: &ScopeColumn| of_table(column) && (!is_exact || column.name == name);
            known.iter().copied().filter(|&index| same(&self.columns[index])).collect()
        };
        let exact = indices(true);
        if exact.is_empty() { indices(false) } else { exact }
    }

    fn qualified(&self, index: usize) -> String {
        let column = &self.columns[index];
        match &column.table {
            Some(table) => format!("{table}.{}", column.name),
            None => format!("{} (column {})", column.name, index + 1),
        }
    }

    fn unknown(&self, table: Option<&str>, name: &str) -> Error {
        let above = table.map_or(format!("{name}."), |table| format!("{table}."));
        let fields = self.columns.iter().map(|column| column.name.as_str());
        let fields: Vec<&str> = fields.filter(|known| known.starts_with(&above)).take(20).collect();
        if !fields.is_empty() {
            let wanted = table.map_or(name.to_string(), |table| format!("{table}.{name}"));
            return Error::sql(format!("there is no column '{wanted}'"))
                .with_hint(format!("the fields there are {}", fields.join(", ")));
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
}
