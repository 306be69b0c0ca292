//! How a result is laid out as a folder of files: by which columns, and where a file ends.

use super::super::OutputFormat;
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
        let mut columns = Vec::with_capacity(self.partition_by.len());
        for name in &self.partition_by {
            if name.is_empty() {
                return Err(Error::usage("a column without a name cannot name a folder").with_hint("name it by AS"));
            }
            let exact: Vec<usize> = (0..fields.len()).filter(|index| fields[*index].name() == name).collect();
            let found = match exact.is_empty() {
                true => (0..fields.len()).filter(|index| fields[*index].name().eq_ignore_ascii_case(name)).collect(),
                false => exact,
            };
            let column = match found.as_slice() {
                [column] => *column,
                [] => {
                    let error = Error::usage(format!("there is no column '{name}' to partition by"));
                    let known = fields.iter().map(|field| field.name().as_str());
                    return Err(match suggest(name, known.clone()) {
                        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                        None => error.with_hint(format!("columns are {}", known.collect::<Vec<_>>().join(", "))),
                    });
                }
                _ => {
                    return Err(Error::usage(format!("several columns are called '{name}'"))
                        .with_hint("rename one by AS to partition by it"));
                }
            };
            if columns.contains(&column) {
                return Err(Error::usage(format!("PARTITION_BY names the column '{name}' twice")));
            }
            if is_list(fields[column].data_type()) {
                return Err(Error::usage(format!("the column '{name}' is a list, which is no name of a folder"))
                    .with_hint("partition by one of its items"));
            }
            columns.push(column);
        }
        if columns.len() == fields.len() && !self.write_partition_columns {
            return Err(Error::usage("all columns are partitions, so that files would have none")
                .with_hint("keep them in the files too by WRITE_PARTITION_COLUMNS"));
        }
        Ok(columns)
    }

    /// The name of a file.
    pub(super) fn file_name(&self, number: u64, format: OutputFormat) -> String {
        let mut name = self.file_names.replace("{i}", &number.to_string());
        if name.contains("{uuid}") {
            name = name.replace("{uuid}", &uuid());
        }
        let ending = format!(".{}", format.extension());
        if name.ends_with(&ending) { name } else { name + &ending }
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

/// A random identifier of version 4: the keys of the standard library's hash maps are random.
fn uuid() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(3 << 62) | 1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & ((1 << 48) - 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let of = |pattern: &str| FolderOptions { file_names: pattern.into(), ..FolderOptions::default() };
        assert_eq!(of("data_{i}").file_name(7, OutputFormat::Parquet), "data_7.parquet");
        assert_eq!(of("{i}.csv").file_name(0, OutputFormat::Csv), "0.csv");
        let (first, second) =
            (of("{uuid}").file_name(0, OutputFormat::Csv), of("{uuid}").file_name(0, OutputFormat::Csv));
        assert_ne!(first, second);
        assert_eq!((first.len(), &first[14..15]), (40, "4"), "{first}");
        for wrong in ["a/{i}", "_{i}", ".{i}", "data"] {
            assert_eq!(file_names(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
