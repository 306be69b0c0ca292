//! The text of manifests: one JSON object a line, whose last member is the CRC-32 of the line up to it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Header, InputRecord, Manifest, OutputRecord, PartRecord, Run};
use crate::batch::{ColumnSum, TableSum};
use crate::error::{Error, Result};

/// The version of the format.
const FORMAT: u64 = 1;

/// The whole text. Runs that are not done keep what they announced.
pub(super) fn render(manifest: &Manifest) -> String {
    let mut text = String::new();
    for run in &manifest.runs {
        text.push_str(&header(&run.header));
        run.parts.iter().for_each(|record| text.push_str(&part(record)));
        if run.is_done {
            let rows: u64 = run.parts.iter().map(|part| part.sum.rows).sum();
            text.push_str(&line(json!({ "line": "done", "parts": run.parts.len(), "rows": rows })));
        } else if !run.announced.is_empty() {
            text.push_str(&announced(run.announced.iter()));
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

pub(super) fn announced<'a>(outputs: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let outputs: Vec<Value> = outputs.into_iter().map(|path| of_path(path)).collect();
    line(json!({ "line": "naming", "outputs": outputs }))
}

pub(super) fn part(part: &PartRecord) -> String {
    let input = |input: &InputRecord| {
        json!({
            "path": of_path(&input.path),
            "size": input.size,
            "modified": input.modified,
            "crc32": hex(input.checksum),
        })
    };
    let output = |output: &OutputRecord| {
        json!({
            "path": of_path(&output.path),
            "rows": output.rows,
            "size": output.size,
            "crc32": hex(output.checksum),
        })
    };
    let column = |sum: &ColumnSum| json!({ "sum": show_sum(sum), "nulls": sum.nulls });
    line(json!({
        "line": "part",
        "inputs": part.inputs.iter().map(input).collect::<Vec<_>>(),
        "rows": part.sum.rows,
        "rejected": part.rejected,
        "nulled": part.nulled,
        "columns": part.sum.columns.iter().map(column).collect::<Vec<_>>(),
        "outputs": part.outputs.iter().map(output).collect::<Vec<_>>(),
    }))
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

/// Reads a manifest. What follows the last line that is whole was being written when a process ended.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let objects: Vec<Option<Map<String, Value>>> = lines.iter().map(|line| object(line)).collect();
    let whole = objects.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    // Of the first line, a process that ended may have written a part.
    if whole == 0 && !bytes.is_empty() && !bytes.starts_with(b"{") {
        return Err(Error::usage(format!("'{}' is there already, and is no manifest", path.display()))
            .with_file(path)
            .with_hint("name another file by --manifest"));
    }
    let mut manifest = Manifest::default();
    let mut made = HashSet::new();
    for (number, object) in objects.into_iter().take(whole).enumerate() {
        let added = object.as_ref().and_then(|object| add(&mut manifest, &mut made, object));
        if added.is_none() {
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
    Ok(manifest)
}

/// Adds a line; `made` are the outputs of the run so far.
fn add(manifest: &mut Manifest, made: &mut HashSet<PathBuf>, object: &Map<String, Value>) -> Option<()> {
    match object.get("line")?.as_str()? {
        "run" => {
            if object.get("format")?.as_u64()? != FORMAT {
                return None;
            }
            let schema = object.get("schema")?.as_array()?.iter();
            let column = |pair: &Value| Some((pair.get(0)?.as_str()?.to_string(), pair.get(1)?.as_str()?.to_string()));
            let header = Header {
                version: object.get("highwater")?.as_str()?.to_string(),
                options: object.get("options")?.as_object()?.clone().into_iter().collect(),
                schema: schema.map(column).collect::<Option<_>>()?,
                replaces: object.get("replaces")?.as_bool()?,
            };
            made.clear();
            manifest.runs.push(Run { header, parts: Vec::new(), announced: BTreeSet::new(), is_done: false });
        }
        "naming" => {
            let outputs = object.get("outputs")?.as_array()?.iter().map(to_path).collect::<Option<Vec<_>>>()?;
            manifest.runs.last_mut()?.announced.extend(outputs);
        }
        "part" => {
            let record = to_part(object)?;
            let run = manifest.runs.last_mut()?;
            // What was converted again replaces what is known.
            let is_again = record.outputs.iter().any(|output| !made.insert(output.path.clone()));
            let remade = |path: &PathBuf| record.outputs.iter().any(|output| output.path == *path);
            if is_again {
                run.parts.retain(|known| !known.outputs.iter().any(|output| remade(&output.path)));
            }
            run.announced.retain(|path| !remade(path));
            run.parts.push(record);
        }
        "done" => manifest.runs.last_mut()?.is_done = true,
        _ => return None,
    }
    Some(())
}

fn to_part(object: &Map<String, Value>) -> Option<PartRecord> {
    let number = |value: &Value, name: &str| value.get(name)?.as_u64();
    let checksum = |value: &Value| u32::from_str_radix(value.get("crc32")?.as_str()?, 16).ok();
    let input = |value: &Value| {
        Some(InputRecord {
            path: to_path(value.get("path")?)?,
            size: number(value, "size")?,
            modified: value.get("modified")?.as_u64(),
            checksum: checksum(value)?,
        })
    };
    let output = |value: &Value| {
        Some(OutputRecord {
            path: to_path(value.get("path")?)?,
            rows: number(value, "rows")?,
            size: number(value, "size")?,
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
        outputs: object.get("outputs")?.as_array()?.iter().map(output).collect::<Option<_>>()?,
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
    fn a_part_that_was_converted_again_counts_once() {
        let mut text = render(&Manifest { runs: manifest().runs[..1].to_vec() });
        let again = PartRecord { rejected: 77, ..record("x") };
        text.push_str(&part(&again));
        let found = parse(Path::new("m"), text.as_bytes()).unwrap();
        assert_eq!(found.runs[0].parts, [record("y\n"), again]);
    }
}
