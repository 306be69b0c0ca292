//! The text of manifests: one JSON object a line, whose last member is the CRC-32 of the line up to it.
//!
//! `run` begins a run. `part` is a part that is complete; where it has many outputs, `files` lines before it have most of
//! them. `naming` announces outputs, `done` ends the run.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Header, InputRecord, Manifest, OutputRecord, PartRecord, Run};
use crate::batch::{ColumnSum, TableSum};
use crate::error::{Error, Result};

/// The version of the format.
const FORMAT: u64 = 1;
/// Files that a line tells of at most, so that reading and writing one takes little memory.
const FILES_IN_LINE: usize = 1000;
/// What the first line begins with: members are in the order of their names.
const BEGINNING: &str = "{\"format\":1,\"highwater\":\"";

/// The whole text. Runs that are not done keep what they announced.
pub(super) fn render(manifest: &Manifest) -> String {
    let mut text = String::new();
    for run in &manifest.runs {
        text.push_str(&header(&run.header));
        run.parts.iter().for_each(|record| text.push_str(&part(record)));
        if run.is_done {
            let rows: u64 = run.parts.iter().map(|part| part.sum.rows).sum();
            text.push_str(&line(json!({ "line": "done", "parts": run.parts.len(), "rows": rows })));
        } else {
            text.push_str(&announced(run.announced.iter().map(PathBuf::as_path)));
        }
    }
    text
}

fn line(value: Value) -> String {
    let mut text = value.to_string();
    text.pop();
    let checksum = crc32fast::hash(text.as_bytes());
    format!("{text},\"crc32\":\"{checksum:08x}\"}}\n")
}

/// The object of a line, if the line is as it was written.
fn object(line: &[u8]) -> Option<Map<String, Value>> {
    const TAIL: usize = ",\"crc32\":\"00000000\"}".len();
    let text = std::str::from_utf8(line).ok()?;
    let (head, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
    let checksum = tail.strip_prefix(",\"crc32\":\"")?.strip_suffix("\"}")?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(head.as_bytes()) {
        return None;
    }
    match serde_json::from_str(text).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn header(header: &Header) -> String {
    let schema: Vec<Value> = header.schema.iter().map(|(name, kind)| json!([name, kind])).collect();
    line(json!({
        "line": "run",
        "format": FORMAT,
        "highwater": header.version,
        "options": header.options,
        "replaces": header.replaces,
        "schema": schema,
    }))
}

/// The lines that announce outputs.
pub(super) fn announced<'a>(outputs: impl Iterator<Item = &'a Path>) -> String {
    let outputs: Vec<&Path> = outputs.collect();
    let naming = |outputs: &[&Path]| {
        line(json!({ "line": "naming", "outputs": outputs.iter().map(|path| of_path(path)).collect::<Vec<_>>() }))
    };
    outputs.chunks(FILES_IN_LINE).map(naming).collect()
}

/// The lines of a part.
pub(super) fn part(part: &PartRecord) -> String {
    let input = |input: &InputRecord| {
        let mut file = file(&input.path, input.size, input.checksum);
        file.insert("modified".into(), input.modified.into());
        file
    };
    let output = |output: &OutputRecord| {
        let mut file = file(&output.path, output.size, output.checksum);
        file.insert("rows".into(), output.rows.into());
        file
    };
    let column = |sum: &ColumnSum| json!({ "sum": show_sum(sum), "nulls": sum.nulls });
    let mut text = String::new();
    let mut outputs = part.outputs.chunks(FILES_IN_LINE).peekable();
    let mut last: &[OutputRecord] = &[];
    while let Some(some) = outputs.next() {
        if outputs.peek().is_none() {
            last = some;
        } else {
            text.push_str(&line(json!({ "line": "files", "outputs": some.iter().map(output).collect::<Vec<_>>() })));
        }
    }
    text + &line(json!({
        "line": "part",
        "inputs": part.inputs.iter().map(input).collect::<Vec<_>>(),
        "rows": part.sum.rows,
        "rejected": part.rejected,
        "nulled": part.nulled,
        "columns": part.sum.columns.iter().map(column).collect::<Vec<_>>(),
        "outputs": last.iter().map(output).collect::<Vec<_>>(),
    }))
}

/// What inputs and outputs have in common.
fn file(path: &Path, size: u64, checksum: u32) -> Map<String, Value> {
    let members = [("path", of_path(path)), ("size", size.into()), ("crc32", hex(checksum).into())];
    members.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

fn hex(checksum: u32) -> String {
    format!("{checksum:08x}")
}

fn show_sum(sum: &ColumnSum) -> String {
    format!("{:016x}{:016x}", sum.hash[0], sum.hash[1])
}

/// A path as text, or as bytes where it is none.
fn of_path(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => Value::from(text),
        None => Value::from(path.as_os_str().as_bytes().to_vec()),
    }
}

fn to_path(value: &Value) -> Option<PathBuf> {
    match value {
        Value::String(text) => Some(PathBuf::from(OsStr::new(text))),
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Option<Vec<u8>>>()?;
            Some(PathBuf::from(OsString::from_vec(bytes)))
        }
        _ => None,
    }
}

/// The path of an output, which lies below the place's root and nowhere else.
fn to_output_path(value: &Value) -> Option<PathBuf> {
    let path = to_path(value)?;
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    (path.file_name().is_some() && path.components().all(is_below)).then_some(path)
}

/// Whether a text is what a process left that ended while it wrote the first line.
fn is_first_line_cut(bytes: &[u8]) -> bool {
    let is_ours = bytes.starts_with(BEGINNING.as_bytes()) || BEGINNING.as_bytes().starts_with(bytes);
    is_ours && !bytes.contains(&b'\n')
}

/// Reads a manifest. What follows the last line that is whole was being written when a process ended.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let whole = lines.iter().rposition(|line| object(line).is_some()).map_or(0, |last| last + 1);
    // Of the first line, a process that ended may have written a part.
    if whole == 0 && !is_first_line_cut(bytes) {
        return Err(Error::usage(format!("'{}' is there already, and is no manifest", path.display()))
            .with_file(path)
            .with_hint("name another file by --manifest"));
    }
    let mut reading = Reading::default();
    for (number, line) in lines.iter().take(whole).enumerate() {
        let object = object(line);
        if object.as_ref().and_then(|object| reading.add(object)).is_none() {
            let format = object.as_ref().and_then(|object| object.get("format")).and_then(Value::as_u64);
            return Err(match format {
                Some(format) if format > FORMAT => {
                    Error::data(format!("the manifest '{}' is of format {format}", path.display()))
                        .with_hint("a later version of Highwater wrote it: use that one")
                }
                _ => Error::data(format!("the manifest '{}' is damaged in line {}", path.display(), number + 1))
                    .with_hint("remove it, and convert again by --existing overwrite"),
            }
            .with_file(path));
        }
    }
    Ok(reading.manifest)
}

/// A manifest that is read line by line.
#[derive(Default)]
struct Reading {
    manifest: Manifest,
    /// Outputs of the part that follows.
    outputs: Vec<OutputRecord>,
}

impl Reading {
    /// Adds a line; `None` where it is none.
    fn add(&mut self, object: &Map<String, Value>) -> Option<()> {
        let runs = &mut self.manifest.runs;
        match object.get("line")?.as_str()? {
            "run" => {
                if object.get("format")?.as_u64()? != FORMAT {
                    return None;
                }
                let schema = object.get("schema")?.as_array()?.iter();
                let column =
                    |pair: &Value| Some((pair.get(0)?.as_str()?.to_string(), pair.get(1)?.as_str()?.to_string()));
                let header = Header {
                    version: object.get("highwater")?.as_str()?.to_string(),
                    options: object.get("options")?.as_object()?.clone().into_iter().collect(),
                    schema: schema.map(column).collect::<Option<_>>()?,
                    replaces: object.get("replaces")?.as_bool()?,
                };
                runs.push(Run { header, parts: Vec::new(), announced: BTreeSet::new(), is_done: false });
            }
            "naming" => {
                let outputs =
                    object.get("outputs")?.as_array()?.iter().map(to_output_path).collect::<Option<Vec<_>>>()?;
                runs.last_mut()?.announced.extend(outputs);
            }
            "files" => self.outputs.extend(to_outputs(object)?),
            "part" => {
                self.outputs.extend(to_outputs(object)?);
                let record = to_part(object, std::mem::take(&mut self.outputs))?;
                let run = runs.last_mut()?;
                for output in &record.outputs {
                    run.announced.remove(&output.path);
                }
                run.parts.push(record);
            }
            "done" => runs.last_mut()?.is_done = true,
            _ => return None,
        }
        Some(())
    }
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

fn checksum(value: &Value) -> Option<u32> {
    u32::from_str_radix(value.get("crc32")?.as_str()?, 16).ok()
}

fn to_outputs(object: &Map<String, Value>) -> Option<Vec<OutputRecord>> {
    let output = |value: &Value| {
        Some(OutputRecord {
            path: to_output_path(value.get("path")?)?,
            rows: number(value, "rows")?,
            size: number(value, "size")?,
            checksum: checksum(value)?,
        })
    };
    object.get("outputs")?.as_array()?.iter().map(output).collect()
}

fn to_part(object: &Map<String, Value>, outputs: Vec<OutputRecord>) -> Option<PartRecord> {
    let input = |value: &Value| {
        Some(InputRecord {
            path: to_path(value.get("path")?)?,
            size: number(value, "size")?,
            modified: value.get("modified")?.as_u64(),
            checksum: checksum(value)?,
        })
    };
    let column = |value: &Value| {
        let (first, second) = value.get("sum")?.as_str()?.split_at_checked(16)?;
        let word = |text| u64::from_str_radix(text, 16).ok();
        Some(ColumnSum { hash: [word(first)?, word(second)?], nulls: number(value, "nulls")? })
    };
    Some(PartRecord {
        inputs: object.get("inputs")?.as_array()?.iter().map(input).collect::<Option<_>>()?,
        rejected: object.get("rejected")?.as_u64()?,
        nulled: object.get("nulled")?.as_u64()?,
        sum: TableSum {
            rows: object.get("rows")?.as_u64()?,
            columns: object.get("columns")?.as_array()?.iter().map(column).collect::<Option<_>>()?,
        },
        outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> PartRecord {
        let columns = vec![ColumnSum { hash: [1, u64::MAX], nulls: 3 }];
        PartRecord {
            inputs: vec![InputRecord {
                path: format!("/in/{name}.csv").into(),
                size: 7,
                modified: Some(9),
                checksum: 1,
            }],
            rejected: 1,
            nulled: 2,
            sum: TableSum { rows: 5, columns },
            outputs: vec![OutputRecord { path: format!("{name}.parquet").into(), rows: 5, size: 8, checksum: 2 }],
        }
    }

    fn manifest() -> Manifest {
        let header = Header {
            version: "1.2.3".into(),
            options: [("layout".to_string(), json!("per-file"))].into(),
            schema: vec![("a \"b\"".into(), "BIGINT".into())],
            replaces: false,
        };
        let parts = vec![record("x"), record("y\n")];
        let run = Run { header, parts, announced: BTreeSet::new(), is_done: true };
        let open = Run { announced: ["z.parquet".into()].into(), is_done: false, ..run.clone() };
        Manifest { runs: vec![run, open] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = render(&manifest());
        assert_eq!(parse(Path::new("m"), text.as_bytes()).unwrap(), manifest());
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "every line is JSON");
        let path = PathBuf::from(OsString::from_vec(vec![b'a', 0xff]));
        assert_eq!(to_path(&of_path(&path)), Some(path));
    }

    #[test]
    fn a_text_that_was_cut_anywhere_is_what_was_written_whole_before() {
        let text = render(&manifest());
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        for cut in 0..text.len() {
            let lines = |manifest: &Manifest| {
                let of = |run: &Run| 1 + run.parts.len() + usize::from(run.is_done) + run.announced.len();
                manifest.runs.iter().map(of).sum::<usize>()
            };
            let found = parse(Path::new("m"), &text.as_bytes()[..cut]).unwrap();
            assert_eq!(lines(&found), ends.iter().filter(|end| **end <= cut).count(), "{cut}");
        }
    }

    #[test]
    fn a_text_that_was_changed_is_damaged() {
        let text = render(&manifest());
        let changed = text.replacen("\"rows\":5", "\"rows\":6", 1);
        let error = parse(Path::new("m"), changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("damaged in line 2"), "{error}");
        let later = line(json!({ "line": "run", "format": 2 }));
        assert!(parse(Path::new("m"), later.as_bytes()).unwrap_err().to_string().contains("format 2"));
    }

    #[test]
    fn a_text_of_somebody_else_was_taken_for_a_manifest_that_was_cut() {
        for other in
            ["{\"name\":1}", "{\n", "\n", "{\"format\":\"csv\"}", "{\"format\":1,\"highwater\":\"1\"}\n{}", "[]"]
        {
            let error = parse(Path::new("m"), other.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("is no manifest"), "{other}: {error}");
        }
        assert!(render(&manifest()).starts_with(BEGINNING));
    }

    #[test]
    fn outputs_that_lie_elsewhere_are_damage() {
        for path in ["../a.parquet", "/tmp/a.parquet", "x/../../a.parquet", "", ".", "x/.."] {
            let mut of = manifest();
            of.runs[0].parts[0].outputs[0].path = path.into();
            let error = parse(Path::new("m"), render(&of).as_bytes()).unwrap_err();
            assert!(error.to_string().contains("damaged in line 2"), "{path}: {error}");
            let mut of = manifest();
            of.runs[1].announced = [path.into()].into();
            assert!(parse(Path::new("m"), render(&of).as_bytes()).is_err(), "{path}");
        }
        let mut of = manifest();
        of.runs[0].parts[0].outputs[0].path = "./x/..a.parquet".into();
        assert_eq!(parse(Path::new("m"), render(&of).as_bytes()).unwrap(), of);
    }

    #[test]
    fn parts_of_many_outputs_take_several_lines_and_are_whole_or_not_there() {
        let output = |number: usize| OutputRecord { path: format!("{number}").into(), rows: 1, size: 2, checksum: 3 };
        for count in [0, 1, FILES_IN_LINE, FILES_IN_LINE + 1, 3 * FILES_IN_LINE] {
            let many = PartRecord { outputs: (0..count).map(output).collect(), ..record("x") };
            let mut of = manifest().runs;
            of[1].parts = vec![many];
            of[1].announced = (0..count).map(|number| format!("announced {number}").into()).collect();
            let text = render(&Manifest { runs: of.clone() });
            assert_eq!(parse(Path::new("m"), text.as_bytes()).unwrap().runs, of, "{count}");
            let cut = text.rfind("\"line\":\"part\"").unwrap();
            assert_eq!(parse(Path::new("m"), &text.as_bytes()[..cut]).unwrap().runs[1].parts, []);
        }
    }

    #[test]
    fn what_is_recorded_is_announced_no_more() {
        let mut run = manifest().runs[1].clone();
        run.parts.clear();
        run.announced = ["x.parquet".into(), "z.parquet".into()].into();
        let text = render(&Manifest { runs: vec![run] }) + &part(&record("x"));
        let found = parse(Path::new("m"), text.as_bytes()).unwrap();
        assert_eq!(found.runs[0].parts, [record("x")]);
        assert_eq!(found.runs[0].announced, ["z.parquet".into()].into());
    }
}
