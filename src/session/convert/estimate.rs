//! A conversion that is only planned: what would become what, with which columns, and about how large.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::place::Place;
use super::plan::{ConvertPlan, Found, PlannedPart};
use super::{ConvertOptions, OnExisting};
use crate::error::Result;
use crate::io::source::{ScanRequest, Table};
use crate::io::write::{WriteSummary, create_writer};
use crate::metrics::OperatorMetrics;
use crate::plan::Scan;
use crate::session::{RunOptions, Session};
use crate::types::SchemaRef;

/// Parts that are sampled.
const SAMPLED_PARTS: usize = 6;
/// Batches of each that are.
const SAMPLED_BATCHES: usize = 32;

/// What a conversion would do.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// What would become what.
    pub outputs: Vec<PlannedOutput>,
    /// The columns of all outputs.
    pub schema: SchemaRef,
    /// Bytes of the inputs that would be read.
    pub bytes_in: u64,
    /// Rows of these: estimated from a sample, unless the files tell.
    pub rows: u64,
    /// Whether the number of rows is exact.
    pub is_exact: bool,
    /// Bytes of the outputs, estimated from a sample.
    pub bytes_out: u64,
    /// Whether all outputs would get their names at the end, and replace others.
    pub replaces: bool,
}

/// An output, and its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// Files that would be read.
    pub inputs: Vec<PathBuf>,
    /// The file that would be written, or a pattern of the files, whose number the rows decide.
    pub output: PathBuf,
    /// Whether it is a pattern.
    pub is_pattern: bool,
    /// Whether it is there already as it should be.
    pub is_done: bool,
}

impl Session {
    /// Plans a conversion, and writes nothing.
    ///
    /// # Errors
    /// Those of [`convert`](Self::convert) that are found before anything is written.
    pub fn plan_conversion(&self, convert: &ConvertOptions, options: &RunOptions) -> Result<DryRun> {
        let place = Place::of(convert)?;
        let found = Found::at(&place)?;
        let inputs = self.inputs(convert, options, &place, found.manifest.as_ref())?;
        let plan = ConvertPlan::new(convert, &place, &inputs, &found, &self.config())?;
        let outputs = plan.parts.iter().map(|part| PlannedOutput {
            inputs: part.part.files.clone(),
            output: place.show(&part.target.pattern(&plan.write.folder, plan.format)),
            is_pattern: part.target.names.are_many(),
            is_done: part.done.is_some(),
        });
        let mut dry = DryRun {
            outputs: outputs.collect(),
            schema: plan.schema.clone(),
            bytes_in: 0,
            rows: 0,
            is_exact: true,
            bytes_out: 0,
            replaces: plan.at_end && convert.existing == OnExisting::Overwrite,
        };
        let to_do: Vec<&PlannedPart> = plan.parts.iter().filter(|part| part.done.is_none()).collect();
        let files = to_do.iter().flat_map(|part| &part.part.files);
        dry.bytes_in = files.filter_map(|file| std::fs::metadata(file).ok()).map(|meta| meta.len()).sum();
        let sample = self.sample(&to_do, &plan, options)?;
        let known = to_do.iter().map(|part| part.part.table.row_count()).sum::<Option<u64>>();
        let scaled = |count: u64, by: u64, of: u64| (u128::from(count) * u128::from(by) / u128::from(of.max(1))) as u64;
        dry.is_exact = known.is_some();
        dry.rows = known.unwrap_or_else(|| scaled(dry.bytes_in, sample.written.rows, sample.bytes_read));
        dry.bytes_out = scaled(dry.rows, sample.written.bytes, sample.written.rows);
        Ok(dry)
    }

    /// Converts some batches of some parts to nowhere.
    fn sample(&self, parts: &[&PlannedPart], plan: &ConvertPlan, options: &RunOptions) -> Result<Sample> {
        let quiet = RunOptions { cancel: options.cancel.clone(), ..RunOptions::default() };
        let step = parts.len().div_ceil(SAMPLED_PARTS).max(1);
        let mut sample = Sample::default();
        let columns = plan.write.folder.file_columns(plan.schema.fields().len(), &plan.partitions);
        let schema: SchemaRef = Arc::new(plan.schema.project(&columns)?);
        for part in parts.iter().step_by(step) {
            let table: Arc<dyn Table> = part.part.table.clone();
            let (_, context) = self.lower(&Scan::all(table.clone()), &quiet)?;
            let source = table.scan(&ScanRequest::default(), &context)?;
            if source.partitions() == 0 {
                continue;
            }
            let nowhere = Box::new(std::io::sink());
            let write = self.write_context(&quiet);
            let mut writer = create_writer(plan.format, &plan.write, &schema, nowhere, Path::new("a sample"), &write)?;
            for batch in source.open(0, &context, &OperatorMetrics::new())?.take(SAMPLED_BATCHES) {
                writer.write(&batch?.project(&columns)?)?;
            }
            let WriteSummary { rows, bytes } = writer.finish()?;
            sample.written.rows += rows;
            sample.written.bytes += bytes;
        }
        sample.bytes_read = quiet.progress.bytes_done.load(Relaxed);
        Ok(sample)
    }
}

/// What a sample read and wrote.
#[derive(Debug, Default)]
struct Sample {
    bytes_read: u64,
    written: WriteSummary,
}
