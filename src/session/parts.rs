//! A query's result to files: one, or a folder of them.

use std::path::Path;
use std::sync::Arc;

use super::{RunOptions, Session};
use crate::error::Result;
use crate::expr::SortExpr;
use crate::io::options::Options;
use crate::io::write::atomic::remove_leftovers_of;
use crate::io::write::folder::OnFile;
use crate::io::write::{
    FileSink, FolderPlan, FolderSummary, FolderWriter, NewFolder, WriteOptions, WriteSummary, WrittenFile,
};
use crate::plan::{LogicalPlan, Sort};
use crate::rejects::RejectLog;

impl Session {
    /// Writes a query's result to a file, or to a folder of files where the options ask for it: all is there completely
    /// or not at all. The answer is what was written, and to how many files of a folder.
    pub(crate) fn copy(
        &self,
        plan: &LogicalPlan,
        target: &Path,
        write: &Options,
        options: &RunOptions,
    ) -> Result<(WriteSummary, Option<u64>)> {
        let write = WriteOptions::parse(write)?;
        if !write.folder.is_wanted() {
            let file = self.logged(options, |log| self.write_file(plan, target, &write, options, log))?;
            return Ok((file.commit()?, None));
        }
        write.folder.partition_columns(plan.schema())?;
        let folder = NewFolder::begin(target, &write)?;
        let FolderSummary { files, written } =
            self.logged(options, |log| self.write_files(plan, folder.plan(), &write, options, log, &mut |_| Ok(())))?;
        folder.commit()?;
        Ok((written, Some(files)))
    }

    /// Writes a query's result to a file that has no name yet.
    fn write_file(
        &self,
        plan: &LogicalPlan,
        target: &Path,
        write: &WriteOptions,
        options: &RunOptions,
        log: &Arc<RejectLog>,
    ) -> Result<WrittenFile> {
        remove_leftovers_of(target);
        let mut sink = FileSink::new(target, write, plan.schema(), &self.write_context(options))?;
        self.stream_in(plan, options, log, &mut |batch| sink.write(&batch))?;
        sink.seal()
    }

    /// Writes a query's result to files that have no names yet, as one of the queries of a statement; `on_file` is told
    /// of each file when it is whole. Rows of a partition keep their order.
    pub(super) fn write_files(
        &self,
        plan: &LogicalPlan,
        folder: FolderPlan,
        write: &WriteOptions,
        options: &RunOptions,
        log: &Arc<RejectLog>,
        on_file: OnFile<'_>,
    ) -> Result<FolderSummary> {
        let keys = write.folder.partition_columns(plan.schema())?;
        let mut writer = FolderWriter::new(folder, write, plan.schema(), &self.write_context(options))?;
        let plan = partitions_together(plan, &keys);
        self.stream_in(&plan, options, log, &mut |batch| writer.write(&batch, on_file))?;
        writer.seal(on_file)
    }
}

/// The rows of the plan, those of a partition together: however many partitions there are, one file is open at a time, and
/// what does not fit into memory is spilled. An order that the rows have stays within partitions.
fn partitions_together(plan: &LogicalPlan, keys: &[usize]) -> LogicalPlan {
    if keys.is_empty() {
        return plan.clone();
    }
    let key = |&column: &usize| SortExpr { expr: plan.column(column), descending: false, nulls_first: false };
    let keys: Vec<SortExpr> = keys.iter().map(key).collect();
    match plan {
        // One sort instead of two.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            Sort::plan((*sort.input).clone(), keys.into_iter().chain(sort.keys.iter().cloned()).collect())
        }
        plan => Sort::plan(plan.clone(), keys),
    }
}
