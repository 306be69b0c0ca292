//! What is converted: files as one table, cut into the parts that become outputs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::Manifest;
use super::place::Place;
use super::{ConvertOptions, Layout};
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::csv::{CsvOptions, CsvTable};
use crate::io::glob::expand;
use crate::io::ipc::ArrowTable;
use crate::io::json::{JsonOptions, JsonTable};
use crate::io::parquet::ParquetTable;
use crate::io::source::Table;
use crate::session::catalog::{check_run, open_arrow, open_csv, open_json, open_parquet, read_endings, resolved};
use crate::session::{RunOptions, Session};
use crate::sql::FileFormat;
use crate::types::SchemaRef;

/// All inputs as one table.
pub(super) enum Inputs {
    Csv(Arc<CsvTable>),
    Parquet(Arc<ParquetTable>),
    Json(Arc<JsonTable>),
    Arrow(Arc<ArrowTable>),
}

/// The inputs of one output, or of several that are made together.
pub(super) struct Part {
    pub table: Arc<dyn Table>,
    pub files: Vec<PathBuf>,
    /// Takes the checksum of each file.
    pub contents: Vec<Arc<ContentSum>>,
}

impl Session {
    /// Opens the inputs. What a conversion to this place made, or is making, is none, also where it lies in a folder that
    /// is read.
    pub(super) fn inputs(
        &self,
        convert: &ConvertOptions,
        options: &RunOptions,
        place: &Place,
        known: Option<&Manifest>,
    ) -> Result<Inputs> {
        let made: HashSet<PathBuf> =
            known.iter().flat_map(|known| known.files()).map(|path| place.root.join(path)).collect();
        let is_ours = |file: &PathBuf| {
            let whole = file.canonicalize().unwrap_or_else(|_| file.clone());
            made.contains(&whole) || place.is_in_room(&whole)
        };
        let files = expand(&convert.inputs, &read_endings(&convert.inputs))?;
        let others: Vec<PathBuf> = files.iter().filter(|file| !is_ours(file)).cloned().collect();
        if others.is_empty() {
            return Err(Error::data(format!(
                "'{}' holds nothing but outputs of this conversion",
                convert.inputs.join("', '")
            )));
        }
        let patterns = if others.len() == files.len() { convert.inputs.clone() } else { names_of(&others)? };
        let config = self.config();
        let memory = self.runtime().memory;
        let format = resolved(FileFormat::Detect, &patterns)?;
        check_run(format, options, &patterns)?;
        Ok(match format {
            FileFormat::Parquet => Inputs::Parquet(open_parquet(&patterns, &convert.read, &config)?),
            FileFormat::Arrow => Inputs::Arrow(open_arrow(&patterns, &convert.read, &config)?),
            FileFormat::Json => {
                Inputs::Json(open_json(&patterns, JsonOptions::parse(&convert.read)?, &config, &memory)?)
            }
            _ => Inputs::Csv(open_csv(&patterns, CsvOptions::parse(&convert.read)?, &config, &memory)?),
        })
    }
}

/// Files as patterns that mean them alone.
fn names_of(files: &[PathBuf]) -> Result<Vec<String>> {
    let name = |file: &PathBuf| {
        let no_text =
            || Error::usage(format!("the name of '{}' is no UTF-8", file.display())).with_hint("rename the file");
        file.to_str().map(String::from).ok_or_else(no_text)
    };
    files.iter().map(name).collect()
}

impl Inputs {
    /// Whether the conversion may have to start again with wider types.
    pub fn may_widen(&self) -> bool {
        matches!(self, Self::Csv(table) if table.may_widen())
    }

    /// The files of all inputs.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Csv(table) => table.files().map(Path::to_path_buf).collect(),
            Self::Parquet(table) => table.files().to_vec(),
            Self::Json(table) => table.files().map(Path::to_path_buf).collect(),
            Self::Arrow(table) => table.files().to_vec(),
        }
    }

    /// The columns of all inputs together.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Csv(table) => table.schema().clone(),
            Self::Parquet(table) => table.schema().clone(),
            Self::Json(table) => table.schema().clone(),
            Self::Arrow(table) => table.schema().clone(),
        }
    }

    /// The input of each output, in order.
    pub fn parts(&self, layout: Layout) -> Vec<Part> {
        let of = |table: Arc<dyn Table>, files: Vec<PathBuf>, contents: Option<Vec<Arc<ContentSum>>>| {
            let contents = contents.unwrap_or_else(|| files.iter().map(|_| Arc::default()).collect());
            Part { table, files, contents }
        };
        let csv = |table: &CsvTable| {
            let (table, contents) = table.with_content_sums();
            let files = table.files().map(Path::to_path_buf).collect();
            of(table, files, Some(contents))
        };
        let all: Arc<dyn Table> = match self {
            Self::Csv(table) if layout != Layout::PerFile => return vec![csv(table)],
            Self::Csv(table) => {
                return (0..table.files().len()).filter_map(|index| Some(csv(&*table.for_file(index)?))).collect();
            }
            Self::Parquet(table) => table.clone(),
            Self::Json(table) => table.clone(),
            Self::Arrow(table) => table.clone(),
        };
        let files = self.files();
        if layout != Layout::PerFile {
            return vec![of(all, files, None)];
        }
        let one = |index: usize| -> Option<Arc<dyn Table>> {
            Some(match self {
                Self::Csv(table) => table.for_file(index)?,
                Self::Parquet(table) => table.for_file(index)?,
                Self::Json(table) => table.for_file(index)?,
                Self::Arrow(table) => table.for_file(index)?,
            })
        };
        let parts = files.into_iter().enumerate();
        parts.filter_map(|(index, file)| Some(of(one(index)?, vec![file], None))).collect()
    }
}
