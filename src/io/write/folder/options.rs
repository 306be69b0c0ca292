//! How a result is laid out as a folder of files: by which columns, and where a file ends.

use crate::config::suggest;
use crate::error::{Error, Result};
use crate::io::option_values::{boolean, count, text};
use crate::io::options::OptionValue;
use crate::types::{SchemaRef, is_list, parse_bytes};

/// What files are called, if nothing is said.
const USUAL_NAMES: &str = "data_{i}";

/// A layout of several files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderOptions {
    /// Columns whose values make folders, outermost first.
    pub partition_by: Vec<String>,
    /// Whether files hold these columns too.
    pub write_partition_columns: bool,
    /// About how many bytes a file may have before the next one begins.
    pub file_bytes: Option<u64>,
    /// How many rows a file may have.
    pub file_rows: Option<u64>,
    /// The files' names, `{i}` being a number from 0 and `{uuid}` a random one.
    pub file_names: String,
    /// An option that says nothing without those above.
    dependent: Option<&'static str>,
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self {
            partition_by: Vec::new(),
            write_partition_columns: false,
            file_bytes: None,
            file_rows: None,
            file_names: USUAL_NAMES.into(),
            dependent: None,
        }
    }
}

impl FolderOptions {
    /// The options' names, aliases left out.
    pub(in crate::io::write) const NAMES: [&str; 5] =
        ["partition_by", "write_partition_columns", "file_size_bytes", "rows_per_file", "filename_pattern"];

    /// Reads an option; false where it is none of these.
    ///
    /// # Errors
    /// A usage error for a value that does not fit.
    pub(in crate::io::write) fn read(&mut self, name: &str, value: &OptionValue) -> Result<bool> {
        match name {
            "partition_by" | "partition_on" | "partition_cols" => self.partition_by = names(name, value)?,
            "write_partition_columns" => {
                self.write_partition_columns = boolean(name, value)?;
                self.dependent = Some("write_partition_columns");
            }
            "file_size_bytes" | "file_size" => {
                self.file_bytes = Some(match value {
                    OptionValue::Text(text) => parse_bytes(text)?.max(1),
                    _ => count(name, value)?,
                });
            }
            "rows_per_file" | "max_rows_per_file" => self.file_rows = Some(count(name, value)?),
            "filename_pattern" => {
                self.file_names = file_names(text(name, value)?)?;
                self.dependent = Some("filename_pattern");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the output is a folder, and not a file.
    pub fn is_wanted(&self) -> bool {
        !self.partition_by.is_empty() || self.file_bytes.is_some() || self.file_rows.is_some()
    }

    /// Checks that no option is there in vain.
    pub(in crate::io::write) fn check(&self) -> Result<()> {
        let is_vain = match self.dependent {
            Some("write_partition_columns") => self.partition_by.is_empty(),
            Some(_) => !self.is_wanted(),
            None => false,
        };
        match self.dependent.filter(|_| is_vain) {
            Some(name) => Err(Error::usage(format!("the option '{name}' has no meaning for a single file"))
                .with_hint("write PARTITION_BY (column) or FILE_SIZE_BYTES '100MB' for a folder of files")),
            None => Ok(()),
        }
    }

    /// The columns whose values make folders, as positions in a schema.
    ///
    /// # Errors
    /// A usage error for a column that is not there, comes twice or is a list, and where files would have no column.
    pub fn partition_columns(&self, schema: &SchemaRef) -> Result<Vec<usize>> {
        let fields = schema.fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let columns = self.partition_places(&names)?;
        if let Some(list) = columns.iter().find(|column| is_list(fields[**column].data_type())) {
            let name = names[*list];
            return Err(Error::usage(format!("the column '{name}' is a list, which is no name of a folder"))
                .with_hint("partition by one of its items"));
        }
        if columns.len() == fields.len() && !self.write_partition_columns {
            return Err(Error::usage("all columns are partitions, so that files would have none").with_hint(
                "keep them in the files too: WRITE_PARTITION_COLUMNS of COPY, --write-partition-columns of convert",
            ));
        }
        Ok(columns)
    }

    /// The columns whose values make folders, as positions among the names of all columns.
    ///
    /// # Errors
    /// A usage error for a column that is not there or comes twice.
    pub fn partition_places(&self, names: &[&str]) -> Result<Vec<usize>> {
        let mut columns = Vec::with_capacity(self.partition_by.len());
        for name in &self.partition_by {
            if name.is_empty() {
                return Err(Error::usage("a column without a name cannot name a folder").with_hint("name it by AS"));
            }
            let places = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
                names.iter().enumerate().filter(|(_, known)| is_it(known)).map(|(place, _)| place).collect()
            };
            let exact = places(&|known| known == name);
            let found = if exact.is_empty() { places(&|known| known.eq_ignore_ascii_case(name)) } else { exact };
            let column = match found.as_slice() {
                [column] => *column,
                [] => {
                    let error = Error::usage(format!("there is no column '{name}' to partition by"));
                    return Err(match suggest(name, names.iter().copied()) {
                        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                        None => error.with_hint(format!("columns are {}", names.join(", "))),
                    });
                }
                _ => {
                    return Err(Error::usage(format!("several columns are called '{name}'"))
                        .with_hint("rename one by AS to partition by it"));
                }
            };
            if columns.contains(&column) {
                return Err(Error::usage(format!("the partitions name the column '{name}' twice")));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// The columns that files hold, of so many, where those are partitions.
    pub fn file_columns(&self, columns: usize, partitions: &[usize]) -> Vec<usize> {
        (0..columns).filter(|column| self.write_partition_columns || !partitions.contains(column)).collect()
    }
}

fn names(name: &str, value: &OptionValue) -> Result<Vec<String>> {
    let wrong = || {
        Error::usage(format!("the option '{name}' names columns"))
            .with_hint("write PARTITION_BY (year, month), or partition_by = ['year', 'month']")
    };
    let found = match value {
        OptionValue::Text(name) => vec![name.clone()],
        OptionValue::List(items) => {
            let texts = items.iter().map(|item| match item {
                OptionValue::Text(name) => Some(name.clone()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn file_names(pattern: &str) -> Result<String> {
    let refuse = |what: &str| Err(Error::usage(format!("the option 'filename_pattern' {what}: '{pattern}'")));
    if pattern.contains(['/', '\0']) {
        return refuse("names files and no folders").map_err(|error| error.with_hint("folders come from PARTITION_BY"));
    }
    if pattern.starts_with(['.', '_']) {
        return refuse("gives names that readers of folders leave out")
            .map_err(|error| error.with_hint("begin with another character than . and _"));
    }
    if !pattern.contains("{i}") && !pattern.contains("{uuid}") {
        return refuse("gives all files one name")
            .map_err(|error| error.with_hint(format!("write '{pattern}_{{i}}', or {{uuid}} for a random name")));
    }
    Ok(pattern.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_give_no_names_are_refused() {
        assert!(file_names("{uuid}-{i}").is_ok());
        for wrong in ["a/{i}", "_{i}", ".{i}", "data"] {
            assert_eq!(file_names(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
