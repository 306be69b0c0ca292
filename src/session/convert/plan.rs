//! What a conversion will do, found out before anything is written: which parts go where, which of them are done already,
//! and everything that would go wrong later because of names, options or columns.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::header::header;
use super::inputs::{Inputs, Part};
use super::manifest::{Header, InputRecord, Manifest, PartRecord, Run, columns_differ};
use super::place::Place;
use super::targets::{Target, targets};
use super::{ConvertOptions, Layout, OnExisting, Resume, Verify};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::write::{FileNames, OutputFormat, WriteOptions};
use crate::types::SchemaRef;

/// Options of reading that decide on nothing but what becomes of rows and values that do not fit.
const ON_MISFITS: [&str; 4] = ["read.on_error", "read.ignore_errors", "read.max_rejects", "read.rejects"];

/// What will be done.
pub(super) struct ConvertPlan {
    pub parts: Vec<PlannedPart>,
    /// What is known of the place, and last the run that is planned.
    pub manifest: Manifest,
    /// Whether outputs get their names all at the end, and not one by one: where others are replaced, and where the
    /// conversion may have to start again.
    pub at_end: bool,
    /// Whether complete files that have no names yet are used.
    pub keeps_staged: bool,
    pub format: OutputFormat,
    pub write: WriteOptions,
    pub schema: SchemaRef,
    /// The columns whose values make folders, as positions in the schema.
    pub partitions: Vec<usize>,
    /// Files whose names are not free, from the place's root: those that are there, where they stay, and all that is
    /// recorded.
    pub taken: Arc<Taken>,
}

/// A part, and where it goes.
pub(super) struct PlannedPart {
    pub part: Part,
    pub target: Target,
    /// What is known of it, where it need not be converted again.
    pub done: Option<PartRecord>,
}

/// Names of files that are not free.
pub(super) struct Taken {
    root: PathBuf,
    /// Files that are recorded.
    recorded: HashSet<PathBuf>,
    /// Files that are ours, and may be replaced.
    ours: BTreeSet<PathBuf>,
    /// Whether files that are there and not ours stay, and others go around them.
    adds: bool,
}

impl Taken {
    /// Whether a file at a path from the root cannot have that name.
    pub fn has(&self, path: &Path) -> bool {
        self.recorded.contains(path)
            || (self.adds && !self.ours.contains(path) && fs::symlink_metadata(self.root.join(path)).is_ok())
    }

    /// Whether a file may be replaced that is there.
    pub fn is_ours(&self, path: &Path) -> bool {
        self.ours.contains(path)
    }
}

/// What lies in a place.
pub(super) struct Found {
    /// The manifest of what is there.
    pub manifest: Option<Manifest>,
    /// That of files which are complete but have no names yet.
    pub staged: Option<Manifest>,
}

impl Found {
    /// Looks at a place. A manifest of which no output is there any more is none.
    ///
    /// # Errors
    /// A data error where a manifest is damaged; a usage error where it is that of other files.
    pub fn at(place: &Place) -> Result<Self> {
        let is_there =
            |manifest: &Manifest| manifest.files().any(|path| fs::symlink_metadata(place.root.join(path)).is_ok());
        let manifest = Manifest::read(&place.manifest)?.filter(is_there);
        if let (Some(manifest), Some(file)) = (&manifest, &place.file)
            && let Some(other) = manifest.files().find(|path| path != file)
        {
            return Err(Error::usage(format!(
                "the manifest '{}' is not that of '{}': it names '{}'",
                place.manifest.display(),
                place.shown.display(),
                other.display()
            ))
            .with_file(&place.manifest)
            .with_hint("name another file by --manifest"));
        }
        Ok(Self { manifest, staged: Manifest::read(&place.journal())? })
    }
}

impl ConvertPlan {
    /// Plans a conversion of these inputs.
    ///
    /// # Errors
    /// A usage error where something is in the way, or where what was begun was begun otherwise.
    pub fn new(
        convert: &ConvertOptions,
        place: &Place,
        inputs: &Inputs,
        found: &Found,
        config: &Config,
    ) -> Result<Self> {
        let mut write = WriteOptions::parse(&convert.write)?;
        let format = output_format(convert)?;
        write.format = Some(format);
        let schema = inputs.schema();
        let partitions = write.folder.partition_columns(&schema)?;
        let parts = inputs.parts(convert.layout);
        let targets = targets(convert, place, &parts, &write.folder, format)?;
        let files: Vec<PathBuf> = targets.iter().filter_map(Target::file).collect();
        let known = [&found.manifest, &found.staged].into_iter().flatten().flat_map(Manifest::files);
        let outputs = files.iter().map(PathBuf::as_path).chain(known);
        place.check_manifest_among(&inputs.files(), outputs, format.extension())?;
        for (part, target) in parts.iter().zip(&targets) {
            if let Some(target) = target.file()
                && part.files.iter().any(|file| same_file(file, &place.root.join(&target)))
            {
                return Err(overwrites_input(&place.show(&target)));
            }
        }
        let header = header(convert, format, &schema, config);
        let mut base = Base::new(convert, place, inputs, found, header, &targets, format)?;
        let adds = convert.existing == OnExisting::Append || base.manifest.runs.len() > 1;
        let run = base.manifest.runs.last_mut().ok_or_else(|| Error::internal("a conversion without a run"))?;
        let known = known_parts(convert.layout, &parts, std::mem::take(&mut run.parts))?;
        let mut placed = Vec::with_capacity(parts.len());
        for ((part, target), record) in parts.into_iter().zip(targets).zip(known) {
            let mut planned = PlannedPart { part, target, done: None };
            if let Some(record) = record {
                // A file keeps its name.
                if let (FileNames::One(_), Some(made)) = (&planned.target.names, record.outputs.first()) {
                    planned.target = Target::one(&made.path);
                }
                let outputs = record.paths();
                planned.done = unchanged(record, &planned.part, &run.announced, place, base.keeps_staged, convert)?;
                match &planned.done {
                    Some(record) => run.parts.push(record.clone()),
                    // What was made of it is ours, and goes if nothing takes its place.
                    None => run.announced.extend(outputs),
                }
                placed.push((planned, true));
            } else {
                placed.push((planned, false));
            }
        }
        let ours = run.announced.clone();
        let recorded = base.manifest.outputs().map(|output| output.path.clone()).collect();
        let mut taken = Taken { root: place.root.clone(), recorded, ours, adds };
        let replaces = base.at_end || convert.existing == OnExisting::Overwrite;
        let mut parts = Vec::with_capacity(placed.len());
        for (mut planned, has_name) in placed {
            if planned.done.is_none() {
                planned.find_place(place, &mut taken, has_name, replaces, format, convert)?;
            }
            parts.push(planned);
        }
        let Base { manifest, at_end, keeps_staged } = base;
        let taken = Arc::new(taken);
        Ok(Self { parts, manifest, at_end, keeps_staged, format, write, schema, partitions, taken })
    }

    /// The run that is planned.
    pub fn run(&self) -> Option<&Run> {
        self.manifest.runs.last()
    }
}

impl PlannedPart {
    /// Checks that the files of the part may have their names, or finds another one for the only file.
    fn find_place(
        &mut self,
        place: &Place,
        taken: &mut Taken,
        has_name: bool,
        replaces: bool,
        format: OutputFormat,
        convert: &ConvertOptions,
    ) -> Result<()> {
        let is_begun = convert.resume.is_none() && place.manifest.exists();
        let Some(target) = self.target.file() else {
            place.check_same_device(&self.target.folder.join(self.target.names.name(0, format)))?;
            let found = self.target.in_the_way(place, format, &|path| taken.is_ours(path));
            return match found.filter(|_| !replaces && !taken.adds) {
                Some(found) => Err(in_the_way(&place.show(&found), is_begun)),
                None => Ok(()),
            };
        };
        let output = match taken.has(&target) {
            true if has_name => target,
            true if taken.adds => free_name(&target, taken),
            true => {
                let input = self.part.files.first().map_or(PathBuf::new(), |file| whole_path(file));
                return Err(Error::usage(format!(
                    "'{}' was made of other inputs than '{}'",
                    place.show(&target).display(),
                    input.display()
                ))
                .with_hint("write to another folder, or add to what is there by --existing append"));
            }
            false => target,
        };
        let there = fs::symlink_metadata(place.root.join(&output)).is_ok();
        if there && !replaces && !taken.is_ours(&output) {
            return Err(in_the_way(&place.show(&output), is_begun));
        }
        if place.root.join(&output).is_dir() {
            return Err(Error::usage(format!("'{}' is a folder", place.show(&output).display()))
                .with_hint("rename it, or write to another folder"));
        }
        place.check_same_device(&output)?;
        taken.recorded.insert(output.clone());
        self.target = Target::one(&output);
        Ok(())
    }
}

/// What is known of each part. The one part of all inputs stays that, whatever the inputs are.
fn known_parts(layout: Layout, parts: &[Part], mut known: Vec<PartRecord>) -> Result<Vec<Option<PartRecord>>> {
    if layout != Layout::PerFile {
        return Ok(parts.iter().map(|_| known.pop()).collect());
    }
    let inputs = |record: PartRecord| {
        let inputs: Vec<PathBuf> = record.inputs.iter().map(|input| input.path.clone()).collect();
        (inputs, record)
    };
    let mut known: HashMap<Vec<PathBuf>, PartRecord> = known.into_iter().map(inputs).collect();
    let of = |part: &Part| part.files.iter().map(|file| whole_path(file)).collect::<Vec<_>>();
    let found = parts.iter().map(|part| known.remove(&of(part))).collect();
    match known.into_keys().min() {
        None => Ok(found),
        Some(inputs) => {
            let input = inputs.first().map_or(Path::new(""), PathBuf::as_path);
            Err(Error::usage(format!("'{}' was converted before, and is no input now", input.display())).with_hint(
                "give the same inputs; or keep what is there and add to it by --existing append, or begin anew by \
                 --existing overwrite, without --resume",
            ))
        }
    }
}

/// What a conversion starts from.
struct Base {
    manifest: Manifest,
    at_end: bool,
    keeps_staged: bool,
}

impl Base {
    fn new(
        convert: &ConvertOptions,
        place: &Place,
        inputs: &Inputs,
        found: &Found,
        header: Header,
        targets: &[Target],
        format: OutputFormat,
    ) -> Result<Self> {
        let widens = inputs.may_widen();
        // The files of a folder that is made at once are seen at once.
        let at_once = widens || targets.iter().any(|target| matches!(target.names, FileNames::Pattern(_)));
        let anew = |mut runs: Vec<Run>, header: Header| {
            runs.push(Run { header, parts: Vec::new(), announced: Default::default(), is_done: false });
            Manifest { runs }
        };
        if convert.resume.is_some() {
            let begun = found.staged.as_ref().map(|staged| (staged, true));
            let begun = begun.or(found.manifest.as_ref().map(|manifest| (manifest, false)));
            // A run that is done and is to be replaced by one with other options: that one was not begun.
            let is_replaced = |begun: &Manifest| {
                convert.existing == OnExisting::Overwrite
                    && begun.is_done()
                    && begun.runs.last().is_some_and(|run| {
                        difference(run, &header).is_some()
                            || columns_differ(&run.header.schema, &header.schema).is_some()
                    })
            };
            // A run that is done and is to be added to by one of other inputs: that one was not begun either.
            let is_added_to = |begun: &Manifest| {
                let now: HashSet<PathBuf> = inputs.files().iter().map(|file| whole_path(file)).collect();
                let is_now = |part: &PartRecord| part.inputs.iter().any(|input| now.contains(&input.path));
                convert.existing == OnExisting::Append
                    && begun.is_done()
                    && begun.runs.last().is_some_and(|run| !run.parts.iter().any(is_now))
            };
            let is_begun = |begun: &Manifest| !begun.runs.is_empty() && !is_replaced(begun) && !is_added_to(begun);
            let begun = begun.filter(|(begun, _)| is_begun(begun));
            if let Some((begun, is_staged)) = begun {
                let mut manifest = begun.clone();
                let wider = match manifest.runs.last_mut() {
                    Some(run) => resume(run, &header, widens)?,
                    None => false,
                };
                if wider {
                    // Types that were widened are found again, by a run that takes the place of this one.
                    let replaced = manifest.runs.pop();
                    let replaces = manifest.runs.is_empty();
                    if let Some(last) = manifest.runs.last() {
                        check_appends(place, last, &header)?;
                    }
                    let mut manifest = anew(manifest.runs, Header { replaces, ..header });
                    if let (Some(run), Some(replaced)) = (manifest.runs.last_mut(), replaced) {
                        run.announced.extend(replaced.parts.iter().flat_map(PartRecord::paths));
                        run.announced.extend(replaced.announced);
                    }
                    return Ok(Self { manifest, at_end: true, keeps_staged: false });
                }
                return Ok(Self { manifest, at_end: is_staged || at_once, keeps_staged: is_staged });
            }
        }
        let in_the_way_of = |target: &Target| target.in_the_way(place, format, &|_| false);
        let (manifest, at_end) = match convert.existing {
            OnExisting::Error => {
                if let Some(known) = &found.manifest {
                    return Err(in_the_way(&place.shown, !known.is_done()));
                }
                if let Some(there) = targets.iter().find_map(in_the_way_of) {
                    return Err(in_the_way(&place.show(&there), found.staged.is_some()));
                }
                (anew(Vec::new(), header), at_once)
            }
            OnExisting::Overwrite => {
                let replaces = found.manifest.is_some() || targets.iter().any(|target| in_the_way_of(target).is_some());
                (anew(Vec::new(), Header { replaces: true, ..header }), replaces || at_once)
            }
            OnExisting::Append => {
                if place.file.is_some() {
                    return Err(Error::usage("nothing can be appended to one file")
                        .with_hint("append to a folder: --layout per-file, or --file-size with --layout merge"));
                }
                let runs = found.manifest.as_ref().map(|known| known.runs.clone()).unwrap_or_default();
                if let Some(last) = runs.last() {
                    check_appends(place, last, &header)?;
                }
                (anew(runs, header), at_once)
            }
        };
        Ok(Self { manifest, at_end, keeps_staged: false })
    }
}

/// Checks that what a run writes can stand beside what another one wrote.
fn check_appends(place: &Place, last: &Run, now: &Header) -> Result<()> {
    if !last.is_done {
        let shown = place.shown.display();
        return Err(Error::usage(format!("a conversion to '{shown}' was begun and is not done"))
            .with_hint("end it by --resume first"));
    }
    if let Some(difference) = columns_differ(&last.header.schema, &now.schema) {
        return Err(Error::usage(format!("the columns are not those that are there: {difference}"))
            .with_hint("give types by --types COLUMN=TYPE, or write elsewhere"));
    }
    if last.header.format() != now.format() {
        return Err(Error::usage("what is there is of another format")
            .with_hint("write the same by --format, or write elsewhere"));
    }
    if last.header.columns()? != now.columns()? {
        return Err(Error::usage("what is there has other partitions")
            .with_hint("give the same --partition-by, or write elsewhere"));
    }
    Ok(())
}

/// In what a run that was begun differs from what is asked for now, but for what made no difference to it: where all rows
/// did fit, it does not matter what was to become of others.
fn difference(run: &Run, now: &Header) -> Option<String> {
    let all_fit = run.parts.iter().all(|part| part.rejected + part.nulled == 0);
    let widens = |header: &Header| header.options.get("read.on_error").is_some_and(|value| value == "widen");
    let aside: &[&str] = if all_fit && !widens(&run.header) && !widens(now) { &ON_MISFITS } else { &[] };
    run.header.difference(now, aside)
}

/// Takes a run up again. The answer is whether only types differ, which are found by widening.
fn resume(run: &mut Run, now: &Header, widens: bool) -> Result<bool> {
    let hint = "go on with the options that it was begun with, or begin anew by --existing overwrite without --resume";
    if let Some(difference) = difference(run, now) {
        return Err(Error::usage(format!("the conversion cannot be resumed: {difference}")).with_hint(hint));
    }
    match columns_differ(&run.header.schema, &now.schema) {
        Some(_) if widens => return Ok(true),
        Some(difference) => {
            return Err(Error::usage(format!("the conversion cannot be resumed: {difference}")).with_hint(
                "the inputs are others than before: give types by --types COLUMN=TYPE, or convert all of them anew by \
                 --existing overwrite without --resume",
            ));
        }
        None => {}
    }
    run.header.options = now.options.clone();
    run.is_done = false;
    Ok(false)
}

fn in_the_way(path: &Path, is_begun: bool) -> Error {
    let resume = if is_begun { "--resume goes on with what was begun, " } else { "" };
    Error::usage(format!("'{}' is there already", path.display())).with_hint(format!(
        "{resume}--existing overwrite replaces it when all is complete, --existing append adds to it"
    ))
}

/// Whether what is there already is compared byte for byte.
fn is_checked(convert: &ConvertOptions) -> bool {
    convert.verify == Some(Verify::Checksum) || convert.resume == Some(Resume::Checksum)
}

/// Whether the outputs of a part are there as they were written: by their sizes, or by their bytes. Those that have no names
/// yet are looked at where they are kept.
fn is_there(place: &Place, record: &PartRecord, keeps_staged: bool, by_bytes: bool) -> Result<bool> {
    let size = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
    for output in &record.outputs {
        let staged = Some(place.staged(&output.path)).filter(|path| keeps_staged && size(path).is_some());
        // Under the name of a file that is to be replaced may lie the one that it replaces.
        let by_bytes = by_bytes || (keeps_staged && staged.is_none());
        let path = staged.unwrap_or_else(|| place.root.join(&output.path));
        if size(&path) != Some(output.size) {
            return Ok(false);
        }
        if by_bytes && ContentSum::default().finish(&path, output.size)? != output.checksum {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The record of a part that need not be converted again: whose outputs are there, and whose inputs are what they were.
fn unchanged(
    record: PartRecord,
    part: &Part,
    announced: &BTreeSet<PathBuf>,
    place: &Place,
    keeps_staged: bool,
    convert: &ConvertOptions,
) -> Result<Option<PartRecord>> {
    let paths = part.files.iter().map(|file| whole_path(file));
    let is_same = record.inputs.iter().map(|input| input.path.clone()).eq(paths);
    // A file that is announced may be there already as another part has it.
    let is_untouched = record.outputs.iter().all(|output| !announced.contains(&output.path));
    if !is_same || !is_untouched || !is_there(place, &record, keeps_staged, is_checked(convert))? {
        return Ok(None);
    }
    let always = convert.resume == Some(Resume::Checksum);
    let inputs =
        record.inputs.iter().map(|input| input.unchanged(always)).collect::<Result<Option<Vec<InputRecord>>>>()?;
    Ok(inputs.map(|inputs| PartRecord { inputs, ..record }))
}

/// The path under which an input is recorded.
pub(super) fn whole_path(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf())
}

/// A name that nobody has: `a.parquet`, `a-2.parquet`, …. Those that a killed run was about to give are free.
fn free_name(target: &Path, taken: &Taken) -> PathBuf {
    let (stem, ending) = (target.file_stem().unwrap_or_default(), target.extension().unwrap_or_default());
    let mut free = target.to_path_buf();
    let mut number = 2;
    while taken.has(&free) {
        let mut name = stem.to_os_string();
        name.push(format!("-{number}."));
        name.push(ending);
        free = target.with_file_name(name);
        number += 1;
    }
    free
}

pub(super) fn overwrites_input(path: &Path) -> Error {
    Error::usage(format!("'{}' would overwrite an input", path.display())).with_hint("name another folder")
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// The format that is asked for, or that the one output's ending tells, or Parquet.
pub(super) fn output_format(convert: &ConvertOptions) -> Result<OutputFormat> {
    let mut asked = WriteOptions::parse(&convert.write)?;
    let by_name = match convert.layout {
        Layout::Merge => OutputFormat::from_path(&convert.output),
        Layout::PerFile | Layout::Partition => None,
    };
    let format = asked.format.or(by_name).unwrap_or(OutputFormat::Parquet);
    asked.format = Some(format);
    asked.format_of(&convert.output)
}
