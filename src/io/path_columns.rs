//! Columns that the path of a file gives, and that are the same in all of its rows: the path itself, by the option `filename`, and
//! partitions such as `year=2024` ([`hive`](super::hive)). Tables of all formats have them from here.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::Field;

use super::hive::{
    HiveOptions, HivePartitioning, PartitionColumn, add_partitions, files_to_read, parse_hive_types, partition_columns,
};
use super::option_values::boolean;
use super::options::OptionValue;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::BoundExpr;
use crate::types::{Scalar, TEXT};

/// Which columns paths give.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathOptions {
    /// The name of the column with the path of each row's file.
    pub filename: Option<String>,
    /// How folders called `name=value` are read.
    pub hive: HiveOptions,
}

impl PathOptions {
    /// The names of the options, aliases left out.
    pub const NAMES: [&'static str; 4] = ["filename", "union_by_name", "hive_partitioning", "hive_types"];

    /// Takes an option of formats whose files are always matched by the names of columns; false for one that is none of these.
    ///
    /// # Errors
    /// A usage error for a value that does not fit.
    pub fn take(&mut self, name: &str, value: &OptionValue) -> Result<bool> {
        match name {
            "filename" | "include_file_paths" | "include_path_column" => {
                let wrong = || Error::usage(format!("the option '{name}' is true, false, or the name of a column"));
                self.filename = filename(value).ok_or_else(wrong)?;
            }
            "union_by_name" if boolean(name, value)? => {}
            "union_by_name" => {
                return Err(Error::usage("columns of several files are always matched by name")
                    .with_hint("leave union_by_name out"));
            }
            "hive_partitioning" => {
                let wrong = || Error::usage("the option 'hive_partitioning' is true, false or 'auto'");
                self.hive.partitioning = HivePartitioning::parse(value).ok_or_else(wrong)?;
            }
            "hive_types" => {
                self.hive.types = parse_hive_types(value)?.ok_or_else(|| {
                    Error::usage("the option 'hive_types' is a map of names: hive_types = {'year': 'INTEGER'}")
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads the option `filename`: a truth value, or the name of the column; `None` for anything else.
pub fn filename(value: &OptionValue) -> Option<Option<String>> {
    match value {
        OptionValue::Boolean(false) => Some(None),
        OptionValue::Boolean(true) => Some(Some("filename".into())),
        OptionValue::Text(text) => match text.to_ascii_lowercase().as_str() {
            "" => None,
            "false" => Some(None),
            "true" => Some(Some("filename".into())),
            _ => Some(Some(text.clone())),
        },
        _ => None,
    }
}

/// The columns of a table that stand in the paths of its files.
#[derive(Clone, Debug, Default)]
pub struct PathColumns {
    /// The index of each, with a value for every file that was opened: that with the path first, where it was asked for.
    columns: Vec<(usize, ArrayRef)>,
    has_filename: bool,
}

impl PathColumns {
    /// Adds the columns to those that stand in files.
    ///
    /// # Errors
    /// A usage error for a name that is taken, and for partitions that are not there; a data error for a partition whose
    /// value does not fit its type.
    pub fn add<'a>(
        paths: impl Iterator<Item = &'a Path> + Clone,
        options: &PathOptions,
        fields: &mut Vec<Field>,
        config: &Config,
    ) -> Result<Self> {
        let partitions = partition_columns(paths.clone(), &options.hive, config)?;
        Self::with_partitions(paths, options.filename.as_deref(), partitions, fields)
    }

    /// Adds the column with the path, and partitions that are known already: behind all others, or in the place of a column that
    /// files have by the name of a partition. The path wins.
    ///
    /// # Errors
    /// A usage error, where the name `filename` is taken.
    pub fn with_partitions<'a>(
        paths: impl Iterator<Item = &'a Path>,
        filename: Option<&str>,
        partitions: Vec<PartitionColumn>,
        fields: &mut Vec<Field>,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(partitions.len() + 1);
        if let Some(name) = filename {
            let taken = if fields.iter().any(|field| field.name() == name) {
                Some("the files")
            } else {
                let is_partition = partitions.iter().any(|partition| partition.name.eq_ignore_ascii_case(name));
                is_partition.then_some("the paths of the files")
            };
            if let Some(whose) = taken {
                return Err(Error::usage(format!("{whose} have a column '{name}' already"))
                    .with_hint("name the column with their paths otherwise: filename = 'path'"));
            }
            let paths = paths.map(Path::to_string_lossy);
            columns.push((fields.len(), Arc::new(StringViewArray::from_iter_values(paths)) as ArrayRef));
            fields.push(Field::new(name, TEXT, true));
        }
        columns.extend(add_partitions(fields, partitions));
        Ok(Self { columns, has_filename: filename.is_some() })
    }

    /// Whether a column is one of these.
    pub fn contains(&self, column: usize) -> bool {
        self.columns.iter().any(|(known, _)| *known == column)
    }

    /// The partitions: the index of each column, and its value in each file.
    pub fn partitions(&self) -> &[(usize, ArrayRef)] {
        self.columns.get(usize::from(self.has_filename)..).unwrap_or_default()
    }

    /// The value that a column has in all rows of a file, by the file's place among those that were opened; `None` where the file itself holds
    /// the column.
    pub fn constant(&self, column: usize, file: usize) -> Option<Scalar> {
        let (_, values) = self.columns.iter().find(|(known, _)| *known == column)?;
        // A text of its own: what is given out must not hold on to those of all files.
        let text = values.as_string_view_opt().filter(|texts| file < texts.len() && texts.is_valid(file));
        Some(text.map_or_else(|| Scalar::from_array(values, file), |texts| Scalar::text(texts.value(file))))
    }

    /// Which of some files, by their places among those that were opened, may hold rows that the conditions keep.
    ///
    /// # Errors
    /// An internal error for a file that was not opened.
    pub fn files_to_read(
        &self,
        files: impl ExactSizeIterator<Item = usize>,
        filters: &[BoundExpr],
        config: &Arc<Config>,
    ) -> Result<Vec<bool>> {
        let asked = |column: usize| filters.iter().any(|filter| filter.columns().contains(&column));
        let columns: Vec<_> = self.columns.iter().filter(|(column, _)| asked(*column)).collect();
        if columns.is_empty() {
            return Ok(vec![true; files.len()]);
        }
        let count = files.len();
        let places = UInt32Array::from_iter_values(files.map(|file| u32::try_from(file).unwrap_or(u32::MAX)));
        let of_files = |(column, values): &(usize, ArrayRef)| Ok((*column, take(values, &places, None)?));
        let constants = columns.into_iter().map(of_files).collect::<Result<Vec<_>>>()?;
        Ok(files_to_read(count, &constants, filters, config))
    }
}
