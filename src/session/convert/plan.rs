//! What a conversion will do, found out before anything is written: which parts go where, which of them are done already,
//! and everything that would go wrong later because of names, options or columns.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::inputs::{Inputs, Part, outputs};
use super::manifest::{Header, InputRecord, Manifest, PartRecord, Run};
use super::place::Place;
use super::{ConvertOptions, Layout, OnExisting, Resume, Verify};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::options::{OptionValue, Options};
use crate::io::write::{Existing, OutputFormat, SortedBy, WriteOptions};
use crate::types::{SchemaRef, sql_name};

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
}

/// A part, and where it goes.
pub(super) struct PlannedPart {
    pub part: Part,
    /// From the place's root.
    pub output: PathBuf,
    /// What to do about a file of that name.
    pub existing: Existing,
    /// What is known of it, where it need not be converted again.
    pub done: Option<PartRecord>,
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
    /// A data error where a manifest is damaged.
    pub fn at(place: &Place) -> Result<Self> {
        let is_there = |manifest: &Manifest| {
            let mut named = manifest
                .outputs()
                .map(|output| &output.path)
                .chain(manifest.runs.iter().flat_map(|run| &run.announced));
            named.any(|path| place.root.join(path).exists())
        };
        let manifest = Manifest::read(&place.manifest)?.filter(is_there);
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
        let parts = inputs.parts(convert.layout);
        let targets = outputs(convert, place, &parts, format)?;
        for (part, target) in parts.iter().zip(&targets) {
            if part.files.iter().any(|file| same_file(file, &place.root.join(target))) {
                return Err(Error::usage(format!("'{}' would overwrite an input", place.show(target).display()))
                    .with_hint("name another folder"));
            }
        }
        let header = header(convert, format, &schema, config);
        let base = Base::new(convert, place, inputs, found, header, &targets)?;
        let mut plan = Self {
            parts: Vec::new(),
            manifest: base.manifest,
            at_end: base.at_end,
            keeps_staged: base.keeps_staged,
            format,
            write,
            schema,
        };
        plan.place_parts(convert, place, parts, targets)?;
        Ok(plan)
    }

    /// The run that is planned.
    pub fn run(&self) -> Option<&Run> {
        self.manifest.runs.last()
    }

    fn place_parts(
        &mut self,
        convert: &ConvertOptions,
        place: &Place,
        parts: Vec<Part>,
        targets: Vec<PathBuf>,
    ) -> Result<()> {
        let mut taken: HashSet<PathBuf> = self.manifest.outputs().map(|output| output.path.clone()).collect();
        let adds = convert.existing == OnExisting::Append || self.manifest.runs.len() > 1;
        let run = self.run().cloned().ok_or_else(|| Error::internal("a conversion without a run"))?;
        let mut known = run.parts;
        for (part, target) in parts.into_iter().zip(targets) {
            let inputs: Vec<PathBuf> = part.files.iter().map(|file| whole_path(file)).collect();
            let is_of_part = |record: &PartRecord| {
                // The one output of all inputs stays that, whatever the inputs are.
                place.file.is_some() || record.inputs.iter().map(|input| &input.path).eq(&inputs)
            };
            let record = known.iter().position(is_of_part).map(|index| known.remove(index));
            let output = match record.as_ref().and_then(|record| record.outputs.first()) {
                Some(made) => made.path.clone(),
                None if adds => free_name(place, target, &mut taken, &run.announced),
                None if taken.contains(&target) => {
                    return Err(Error::usage(format!(
                        "'{}' was made of other inputs than '{}'",
                        place.show(&target).display(),
                        inputs.first().map_or(Path::new(""), PathBuf::as_path).display()
                    ))
                    .with_hint("write to another folder, or add to what is there by --existing append"));
                }
                None => target,
            };
            let is_ours = record.is_some() || run.announced.contains(&output);
            let done = match record {
                Some(record) if is_there(place, &record, self.at_end, is_checked(convert))? => {
                    unchanged(record, &part, convert.resume)?
                }
                _ => None,
            };
            let replaces = self.at_end || is_ours || convert.existing == OnExisting::Overwrite;
            if done.is_none() && !replaces && place.root.join(&output).exists() {
                let is_begun = convert.resume.is_none() && place.manifest.exists();
                return Err(in_the_way(&place.show(&output), is_begun));
            }
            if place.root.join(&output).is_dir() {
                return Err(Error::usage(format!("'{}' is a folder", place.show(&output).display()))
                    .with_hint("rename it, or write to another folder"));
            }
            let existing = if replaces { Existing::Overwrite } else { Existing::Error };
            self.parts.push(PlannedPart { part, output, existing, done });
        }
        if let Some(record) = known.first() {
            let input = record.inputs.first().map_or(PathBuf::new(), |input| input.path.clone());
            return Err(Error::usage(format!(
                "'{}' was converted before, and is no input now or would get another name",
                input.display()
            ))
            .with_hint(
                "give the same inputs; or keep what is there and add to it by --existing append, or begin anew by \
                 --existing overwrite, without --resume",
            ));
        }
        Ok(())
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
        targets: &[PathBuf],
    ) -> Result<Self> {
        let widens = inputs.may_widen();
        let anew = |mut runs: Vec<Run>, header: Header| {
            runs.push(Run { header, parts: Vec::new(), announced: Default::default(), is_done: false });
            Manifest { runs }
        };
        if convert.resume.is_some() {
            let begun = found.staged.as_ref().map(|staged| (staged, true));
            let begun = begun.or(found.manifest.as_ref().map(|manifest| (manifest, false)));
            // A run that is done and is to be replaced by one with other options: that one was not begun.
            let is_other =
                |run: &Run| run.header.difference(&header).or(run.header.schema_difference(&header)).is_some();
            let is_replaced = |begun: &Manifest| {
                convert.existing == OnExisting::Overwrite && begun.is_done() && begun.runs.last().is_some_and(is_other)
            };
            let begun = begun.filter(|(begun, _)| !begun.runs.is_empty() && !is_replaced(begun));
            if let Some((begun, is_staged)) = begun {
                let mut manifest = begun.clone();
                let wider = match manifest.runs.last_mut() {
                    Some(run) => resume(run, &header, widens)?,
                    None => false,
                };
                if wider {
                    // Types that were widened are found again.
                    return Ok(Self {
                        manifest: anew(Vec::new(), Header { replaces: true, ..header }),
                        at_end: true,
                        keeps_staged: false,
                    });
                }
                return Ok(Self { manifest, at_end: is_staged || widens, keeps_staged: is_staged });
            }
        }
        let is_there = |target: &PathBuf| fs::symlink_metadata(place.root.join(target)).is_ok();
        let (manifest, at_end) = match convert.existing {
            OnExisting::Error => {
                if let Some(known) = &found.manifest {
                    return Err(in_the_way(&place.shown, !known.is_done()));
                }
                if let Some(target) = targets.iter().find(|target| is_there(target)) {
                    return Err(in_the_way(&place.show(target), found.staged.is_some()));
                }
                (anew(Vec::new(), header), widens)
            }
            OnExisting::Overwrite => {
                let replaces = found.manifest.is_some() || targets.iter().any(is_there);
                (anew(Vec::new(), Header { replaces: true, ..header }), replaces || widens)
            }
            OnExisting::Append => {
                if place.file.is_some() {
                    return Err(Error::usage("nothing can be appended to one file")
                        .with_hint("append to a folder: --layout per-file"));
                }
                let runs = found.manifest.as_ref().map(|known| known.runs.clone()).unwrap_or_default();
                if let Some(last) = runs.last() {
                    if !last.is_done {
                        return Err(Error::usage(format!(
                            "a conversion to '{}' was begun and is not done",
                            place.shown.display()
                        ))
                        .with_hint("end it by --resume first"));
                    }
                    if let Some(difference) = last.header.schema_difference(&header) {
                        return Err(Error::usage(format!("the columns are not those that are there: {difference}"))
                            .with_hint("give types by --types COLUMN=TYPE, or write elsewhere"));
                    }
                }
                (anew(runs, header), widens)
            }
        };
        Ok(Self { manifest, at_end, keeps_staged: false })
    }
}

/// Takes a run up again. The answer is whether only types differ, which are found by widening.
fn resume(run: &mut Run, now: &Header, widens: bool) -> Result<bool> {
    let hint = "go on with the options that it was begun with, or begin anew by --existing overwrite without --resume";
    if let Some(difference) = run.header.difference(now) {
        return Err(Error::usage(format!("the conversion cannot be resumed: {difference}")).with_hint(hint));
    }
    match run.header.schema_difference(now) {
        Some(_) if widens => return Ok(true),
        Some(difference) => {
            return Err(Error::usage(format!("the conversion cannot be resumed: {difference}")).with_hint(
                "the inputs are others than before: give types by --types COLUMN=TYPE, or convert all of them anew by \
                 --existing overwrite without --resume",
            ));
        }
        None => {}
    }
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

/// Whether the outputs of a part are there as they were written: by their sizes, or by their bytes.
fn is_there(place: &Place, record: &PartRecord, at_end: bool, by_bytes: bool) -> Result<bool> {
    let size = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
    for output in &record.outputs {
        let staged = Some(place.staged(&output.path)).filter(|path| at_end && size(path).is_some());
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

/// The record of a part whose inputs are what they were.
fn unchanged(record: PartRecord, part: &Part, resume: Option<Resume>) -> Result<Option<PartRecord>> {
    let paths: Vec<PathBuf> = part.files.iter().map(|file| whole_path(file)).collect();
    if !record.inputs.iter().map(|input| &input.path).eq(&paths) {
        return Ok(None);
    }
    let always = resume == Some(Resume::Checksum);
    let inputs =
        record.inputs.iter().map(|input| input.unchanged(always)).collect::<Result<Option<Vec<InputRecord>>>>()?;
    Ok(inputs.map(|inputs| PartRecord { inputs, ..record }))
}

/// The path under which an input is recorded.
pub(super) fn whole_path(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf())
}

/// A name that nobody has: `a.parquet`, `a-2.parquet`, …. Those that a killed run was about to give are free.
fn free_name(place: &Place, target: PathBuf, taken: &mut HashSet<PathBuf>, announced: &BTreeSet<PathBuf>) -> PathBuf {
    let (stem, ending) = (target.file_stem().unwrap_or_default(), target.extension().unwrap_or_default());
    let mut free = target.clone();
    let mut number = 2;
    while (place.root.join(&free).exists() && !announced.contains(&free)) || taken.contains(&free) {
        let mut name = stem.to_os_string();
        name.push(format!("-{number}."));
        name.push(ending);
        free = target.with_file_name(name);
        number += 1;
    }
    taken.insert(free.clone());
    free
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// The format that is asked for, or that the one output's ending tells, or Parquet.
pub(super) fn output_format(convert: &ConvertOptions) -> Result<OutputFormat> {
    let mut asked = WriteOptions::parse(&convert.write)?;
    let by_name = match convert.layout {
        Layout::Merge => OutputFormat::from_path(&convert.output),
        Layout::PerFile => None,
    };
    let format = asked.format.or(by_name).unwrap_or(OutputFormat::Parquet);
    asked.format = Some(format);
    asked.format_of(&convert.output)
}

/// All that decides on the bytes of the outputs.
fn header(convert: &ConvertOptions, format: OutputFormat, schema: &SchemaRef, config: &Config) -> Header {
    let mut options: BTreeMap<String, Value> = BTreeMap::new();
    let mut add = |room: &str, given: &Options| {
        for (name, value) in given.iter().filter(|(name, _)| !matches!(name.as_str(), "existing" | "format")) {
            options.insert(format!("{room}.{name}"), value_of(value));
        }
    };
    add("read", &convert.read);
    add("write", &convert.write);
    let layout = match convert.layout {
        Layout::PerFile => "per-file",
        Layout::Merge => "merge",
    };
    options.insert("layout".into(), layout.into());
    if !convert.sort_by.is_empty() {
        let key = |key: &SortedBy| {
            let direction = if key.descending { " DESC" } else { "" };
            let nulls = if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" };
            Value::from(format!("{}{direction}{nulls}", key.name))
        };
        options.insert("sort_by".into(), convert.sort_by.iter().map(key).collect());
    }
    options.insert("format".into(), format.extension().into());
    options.insert("settings.batch_size".into(), config.batch_size.into());
    options.insert("settings.partition_bytes".into(), config.partition_bytes.into());
    options.insert("settings.time_zone".into(), config.time_zone.clone().into());
    if let Some(schema_file) = &config.schema_file {
        options.insert("settings.schema_file".into(), schema_file.to_string_lossy().into());
    }
    if convert.read.iter().any(|(name, _)| name == "filename") {
        // Names are told as they are given.
        let folder = env::current_dir().unwrap_or_default();
        options.insert("settings.folder".into(), folder.to_string_lossy().into());
    }
    let fields = schema.fields().iter();
    Header {
        version: env!("CARGO_PKG_VERSION").into(),
        options,
        schema: fields.map(|field| (field.name().clone(), sql_name(field.data_type()))).collect(),
        replaces: false,
    }
}

fn value_of(value: &OptionValue) -> Value {
    match value {
        OptionValue::Text(text) => text.as_str().into(),
        OptionValue::Boolean(boolean) => (*boolean).into(),
        OptionValue::Number(number) => (*number).into(),
        OptionValue::List(items) => items.iter().map(value_of).collect(),
        OptionValue::Map(items) => {
            items.iter().map(|(name, item)| (name.clone(), value_of(item))).collect::<Map<_, _>>().into()
        }
    }
}

fn option_of(value: &Value) -> Option<OptionValue> {
    Some(match value {
        Value::String(text) => OptionValue::Text(text.clone()),
        Value::Bool(boolean) => OptionValue::Boolean(*boolean),
        Value::Number(number) => OptionValue::Number(number.as_f64()?),
        Value::Array(items) => OptionValue::List(items.iter().map(option_of).collect::<Option<_>>()?),
        Value::Object(items) => {
            let item = |(name, value): (&String, &Value)| Some((name.clone(), option_of(value)?));
            OptionValue::Map(items.iter().map(item).collect::<Option<_>>()?)
        }
        Value::Null => return None,
    })
}

impl Header {
    /// The options of reading or of writing, as they were given: `read` or `write`.
    pub fn given(&self, room: &str) -> Options {
        let own = |(name, value): (&String, &Value)| {
            Some((name.strip_prefix(room)?.strip_prefix('.')?.to_string(), option_of(value)?))
        };
        self.options.iter().filter_map(own).collect()
    }

    /// The format of the outputs.
    pub fn format(&self) -> Option<OutputFormat> {
        OutputFormat::from_name(self.options.get("format")?.as_str()?).ok()
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.options.get(&format!("settings.{name}"))?.as_str()
    }
}
