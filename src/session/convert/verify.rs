//! Comparing outputs with what was read: rows, columns, types, and checksums of the values that are decoded again.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::header::FileColumns;
use super::manifest::{Header, Manifest, OutputRecord, Run, columns_differ};
use super::place::Place;
use super::plan::whole_path;
use super::{ConvertOptions, Layout};
use crate::batch::TableSum;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::csv::{CsvOptions, CsvTable};
use crate::io::hive::{HiveOptions, HivePartitioning, partition_columns};
use crate::io::ipc::ArrowTable;
use crate::io::json::{JsonOptions, JsonTable};
use crate::io::options::{OptionValue, Options};
use crate::io::parquet::ParquetTable;
use crate::io::source::Table;
use crate::io::summed::SummedTable;
use crate::io::write::{OutputFormat, WriteOptions};
use crate::plan::Scan;
use crate::session::{RunOptions, Session};
use crate::types::{SchemaRef, format_count, parse_type, sql_name};

/// How closely outputs are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Sizes, rows, columns and types.
    Count,
    /// Also every byte, and every value as it is decoded again.
    Checksum,
}

/// What to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The folder or file that was converted to.
    pub output: PathBuf,
    /// How closely.
    pub level: Verify,
    /// Inputs that are read again and compared too; empty for those that the manifest names.
    pub against: Option<Vec<String>>,
    /// The manifest, where it is not beside the output.
    pub manifest: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files that were looked at.
    pub files: u64,
    /// Rows that are recorded.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Inputs that were read again.
    pub inputs: u64,
    /// What is not as it is recorded.
    pub differences: Vec<Difference>,
}

/// Something that is not as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// What files should hold.
pub(super) struct Expected<'a> {
    header: &'a Header,
    sum: &'a TableSum,
    outputs: &'a [OutputRecord],
    /// Where columns stand.
    columns: FileColumns,
    /// Names and types of the columns of files.
    in_files: Vec<(String, String)>,
}

impl<'a> Expected<'a> {
    /// What a run recorded of a part.
    ///
    /// # Errors
    /// Those of options that do not fit.
    pub fn new(header: &'a Header, sum: &'a TableSum, outputs: &'a [OutputRecord]) -> Result<Self> {
        let columns = header.columns()?;
        let in_files = columns.in_files.iter().filter_map(|column| header.schema.get(*column).cloned()).collect();
        Ok(Self { header, sum, outputs, columns, in_files })
    }

    /// What the path of an output says of its rows: the sums of the columns that stand in it.
    fn add_path(&self, output: &OutputRecord, config: &Config, sum: &mut TableSum) -> Result<()> {
        if self.columns.in_paths.is_empty() {
            return Ok(());
        }
        let keys: Vec<&(String, String)> =
            self.columns.in_paths.iter().filter_map(|column| self.header.schema.get(*column)).collect();
        let types = keys.iter().map(|(name, kind)| Ok((name.clone(), parse_type(kind)?))).collect::<Result<_>>()?;
        let hive = HiveOptions { partitioning: HivePartitioning::Yes, types };
        let found = partition_columns(std::iter::once(output.path.as_path()), &hive, config)?;
        for (column, found) in self.columns.in_paths.iter().zip(found) {
            if let Some(sum) = sum.columns.get_mut(*column) {
                sum.add_constant(&found.values, output.rows)?;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Compares what a conversion made with its manifest, and with inputs that are read again if asked for. What differs
    /// is in the report and no error.
    ///
    /// # Errors
    /// Where there is no manifest, or files cannot be read for other reasons than what is in them.
    pub fn verify(&self, verify: &VerifyOptions, options: &RunOptions) -> Result<VerifyReport> {
        let place = Place::new(&verify.output, verify.output.is_file(), verify.manifest.as_deref())?;
        let Some(manifest) = Manifest::read(&place.manifest)? else {
            return Err(Error::usage(format!("there is no manifest of '{}'", verify.output.display())).with_hint(
                format!("the conversion that wrote it left '{}'; --manifest names another", place.manifest.display()),
            ));
        };
        let mut report = VerifyReport::default();
        let mut differ =
            |file: &Path, what: String| report.differences.push(Difference { file: file.to_path_buf(), what });
        if !manifest.is_done() {
            differ(&place.manifest, "the conversion is not done: --resume ends it".into());
        }
        for path in strangers(&place, &manifest)? {
            differ(&path, "is not in the manifest".into());
        }
        let progress = &options.progress;
        let all = manifest.outputs();
        progress.bytes_total.store(all.map(|output| output.size).sum(), Relaxed);
        for run in &manifest.runs {
            report.columns = run.header.schema.len() as u64;
            for part in &run.parts {
                report.files += part.outputs.len() as u64;
                report.rows += part.sum.rows;
                report.bytes += part.outputs.iter().map(|output| output.size).sum::<u64>();
                let files: Vec<PathBuf> = part.outputs.iter().map(|output| place.root.join(&output.path)).collect();
                let expected = Expected::new(&run.header, &part.sum, &part.outputs)?;
                let looked_at = |bytes| {
                    progress.bytes_done.fetch_add(bytes, Relaxed);
                };
                report.differences.extend(self.differences(&expected, &files, verify.level, options, &looked_at)?);
            }
            if let Some(inputs) = &verify.against {
                let (read, differences) = self.against(inputs, &place, &manifest, run, options)?;
                report.inputs += read;
                report.differences.extend(differences);
            }
        }
        Ok(report)
    }

    /// In what the files of a part differ from what they should hold. `looked_at` hears of the bytes of each file.
    pub(super) fn differences(
        &self,
        expected: &Expected<'_>,
        files: &[PathBuf],
        level: Verify,
        options: &RunOptions,
        looked_at: &dyn Fn(u64),
    ) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        let mut sum = TableSum::new(expected.header.schema.len());
        for (file, output) in files.iter().zip(expected.outputs) {
            options.cancel.check()?;
            looked_at(output.size);
            let mut differ = |what: String| differences.push(Difference { file: file.clone(), what });
            let size = match fs::metadata(file) {
                Ok(meta) => meta.len(),
                Err(error) => {
                    differ(format!("cannot be read: {error}"));
                    continue;
                }
            };
            if size != output.size {
                differ(format!("has {} bytes, and should have {}", format_count(size), format_count(output.size)));
                continue;
            }
            if level == Verify::Checksum && ContentSum::default().finish(file, size)? != output.checksum {
                differ("has other bytes than those that were written".into());
            }
            let found = self.decoded(expected, file, size, level, options).and_then(|(columns, found)| {
                expected.add_path(output, &self.config(), &mut sum)?;
                Ok((columns, found))
            });
            match found {
                Ok((columns, found)) => {
                    if let Some(difference) = columns_differ(&expected.in_files, &columns) {
                        differ(format!("has other columns: {difference}"));
                    }
                    if found.rows != output.rows {
                        let (found, written) = (format_count(found.rows), format_count(output.rows));
                        differ(format!("has {found} rows, and should have {written}"));
                    }
                    sum.rows += found.rows;
                    for (column, found) in expected.columns.in_files.iter().zip(&found.columns) {
                        if let Some(sum) = sum.columns.get_mut(*column) {
                            sum.merge(found);
                        }
                    }
                }
                Err(error) if error.exit_code() == 1 => differ(format!("cannot be read: {error}")),
                Err(error) => return Err(error),
            }
        }
        if level == Verify::Checksum
            && differences.is_empty()
            && let Some(what) = sum_difference(expected.header, &sum, expected.sum)
        {
            differences.push(Difference { file: files.first().cloned().unwrap_or_default(), what });
        }
        Ok(differences)
    }

    /// The columns of an output, and what they hold; at the level of counts only how many rows.
    fn decoded(
        &self,
        expected: &Expected<'_>,
        file: &Path,
        size: u64,
        level: Verify,
        options: &RunOptions,
    ) -> Result<(Vec<(String, String)>, TableSum)> {
        let (header, columns) = (expected.header, &expected.in_files);
        let (config, memory) = (self.config(), self.runtime().memory);
        let Some(format) = header.format() else {
            return Err(Error::data("the manifest names a format that is unknown"));
        };
        let is_text = !matches!(format, OutputFormat::Parquet | OutputFormat::Arrow);
        if size == 0 && is_text {
            // There is nothing that could tell columns.
            return Ok((columns.clone(), TableSum::new(columns.len())));
        }
        let file = vec![file.to_path_buf()];
        let no_hive = ("hive_partitioning".to_string(), OptionValue::Boolean(false));
        let table: Arc<dyn Table> = match format {
            OutputFormat::Parquet => ParquetTable::open(file, &vec![no_hive], &config)?,
            OutputFormat::Arrow => ArrowTable::open(file, &vec![no_hive], &config)?,
            OutputFormat::Csv | OutputFormat::Tsv => {
                let mut read = csv_options(header, columns, format)?;
                read.push(no_hive);
                CsvTable::open(file, CsvOptions::parse(&read)?, &config, &memory)?
            }
            OutputFormat::Json | OutputFormat::JsonLines => {
                let cut = if format == OutputFormat::Json { "array" } else { "newline_delimited" };
                let read = vec![typed(columns), ("format".into(), OptionValue::Text(cut.into())), no_hive];
                JsonTable::open(file, JsonOptions::parse(&read)?, &config, &memory)?
            }
        };
        let schema = columns_of(table.schema());
        if let Some(rows) = table.row_count().filter(|_| level == Verify::Count) {
            return Ok((schema, TableSum { rows, columns: Vec::new() }));
        }
        Ok((schema, self.sum_of(table, &[], options)?))
    }

    /// What a table holds, whose rows are all read.
    fn sum_of(&self, table: Arc<dyn Table>, in_paths: &[usize], options: &RunOptions) -> Result<TableSum> {
        let table = SummedTable::new(table, in_paths);
        // The progress is that of what is converted.
        let quiet = RunOptions { cancel: options.cancel.clone(), ..RunOptions::default() };
        let (plan, context) = self.lower(&Scan::all(table.clone()), &quiet)?;
        let outcome = crate::exec::run(plan.graph, &context, &self.runtime().threads, &mut |_| Ok(()));
        context.rejects.verdict(outcome, true)?;
        Ok(table.sum())
    }

    /// Reads the inputs of a run again: how many, and in what they differ from what was read before.
    fn against(
        &self,
        inputs: &[String],
        place: &Place,
        manifest: &Manifest,
        run: &Run,
        options: &RunOptions,
    ) -> Result<(u64, Vec<Difference>)> {
        let header = &run.header;
        let zone = header.setting("time_zone").unwrap_or_default();
        if zone != self.config().time_zone {
            return Err(Error::usage(format!("the inputs were read in the time zone '{zone}'"))
                .with_hint(format!("read them so again: --time-zone {zone}")));
        }
        let recorded = run.parts.iter().flat_map(|part| &part.inputs);
        let inputs: Vec<String> = match inputs {
            [] => recorded.filter_map(|input| input.path.to_str().map(String::from)).collect(),
            given => given.to_vec(),
        };
        let convert = ConvertOptions { inputs, read: header.given("read"), ..ConvertOptions::default() };
        let opened = self.inputs(&convert, &RunOptions::default(), place, Some(manifest))?;
        let schema = columns_of(&opened.schema());
        if let Some(difference) = columns_differ(&header.schema, &schema) {
            let file = PathBuf::from(convert.inputs.join(", "));
            return Ok((0, vec![Difference { file, what: format!("has other columns: {difference}") }]));
        }
        let mut tables = BTreeMap::new();
        for part in opened.parts(Layout::PerFile) {
            tables.extend(part.files.first().map(|file| (whole_path(file), part.table.clone())));
        }
        let in_paths = header.columns()?.in_paths;
        let (mut read, mut differences) = (0, Vec::new());
        for part in &run.parts {
            let mut sum = TableSum::new(header.schema.len());
            for input in &part.inputs {
                match tables.remove(&input.path) {
                    Some(table) => sum.merge(&self.sum_of(table, &in_paths, options)?),
                    None => {
                        let what = "was converted, and is no input now".into();
                        differences.push(Difference { file: input.path.clone(), what });
                        continue;
                    }
                }
                read += 1;
            }
            if let Some(what) = sum_difference(header, &sum, &part.sum) {
                let file = part.inputs.first().map_or(PathBuf::new(), |input| input.path.clone());
                differences.push(Difference { file, what: format!("is not what was converted: {what}") });
            }
        }
        if manifest.runs.len() == 1 {
            let left = tables.into_keys();
            differences.extend(left.map(|file| Difference { file, what: "was not converted".into() }));
        }
        Ok((read, differences))
    }
}

/// Names and types, as manifests have them.
fn columns_of(schema: &SchemaRef) -> Vec<(String, String)> {
    schema.fields().iter().map(|field| (field.name().clone(), sql_name(field.data_type()))).collect()
}

/// The option that says all columns and their types.
fn typed(columns: &[(String, String)]) -> (String, OptionValue) {
    let columns = columns.iter().map(|(name, kind)| (name.clone(), OptionValue::Text(kind.clone())));
    ("columns".into(), OptionValue::Map(columns.collect()))
}

/// How the CSV of an output is read as it was written: with its types, and no others for what means null.
fn csv_options(header: &Header, columns: &[(String, String)], format: OutputFormat) -> Result<Options> {
    let written = WriteOptions::parse(&header.given("write"))?.csv;
    let text = |byte: u8| OptionValue::Text(char::from(byte).to_string());
    let usual = if format == OutputFormat::Tsv { b'\t' } else { b',' };
    Ok(vec![
        typed(columns),
        ("header".into(), OptionValue::Boolean(written.header)),
        ("delim".into(), text(written.delimiter.unwrap_or(usual))),
        ("quote".into(), text(written.quote)),
        ("nullstr".into(), OptionValue::Text(written.null)),
    ])
}

/// Files of the outputs' format in the place that no run made: who reads the folder reads them too.
fn strangers(place: &Place, manifest: &Manifest) -> Result<Vec<PathBuf>> {
    let Some(format) = manifest.runs.first().and_then(|run| run.header.format()) else { return Ok(Vec::new()) };
    if place.file.is_some() || manifest.outputs().next().is_none() {
        return Ok(Vec::new());
    }
    let Some(folder) = place.root.to_str() else { return Ok(Vec::new()) };
    let made: HashSet<PathBuf> = manifest.outputs().map(|output| place.root.join(&output.path)).collect();
    // None at all is told file by file.
    let found = crate::io::glob::expand(&[folder.to_string()], &[format.extension()]).unwrap_or_default();
    Ok(found.into_iter().filter(|path| !made.contains(path)).collect())
}

fn sum_difference(header: &Header, found: &TableSum, expected: &TableSum) -> Option<String> {
    if found.rows != expected.rows {
        let (found, expected) = (format_count(found.rows), format_count(expected.rows));
        return Some(format!("it has {found} rows, and should have {expected}"));
    }
    let mut columns = header.schema.iter().zip(found.columns.iter().zip(&expected.columns));
    columns.find(|(_, (found, expected))| found != expected).map(|((name, _), (found, expected))| {
        if found.nulls == expected.nulls {
            format!("the column \"{name}\" holds other values")
        } else {
            let (found, expected) = (format_count(found.nulls), format_count(expected.nulls));
            format!("the column \"{name}\" has {found} nulls, and should have {expected}")
        }
    })
}
