//! Tests of the log: what is kept does not depend on who was faster, and nothing is lost.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::*;
use crate::error::ErrorClass;
use crate::memory::{MemoryPool, Thresholds};
use crate::spill::SpillManager;

/// A file of lines of ten bytes.
#[derive(Debug)]
struct Tens(&'static str);

impl RejectFile for Tens {
    fn path(&self) -> &Path {
        Path::new(self.0)
    }

    fn lines(&self) -> Box<dyn FnMut(u64) -> Option<u64> + Send> {
        let mut last = 0;
        Box::new(move |offset| {
            assert!(offset >= last, "the file is read once");
            last = offset;
            Some(offset / 10 + 1)
        })
    }
}

struct Test {
    log: Arc<RejectLog>,
    memory: Arc<MemoryPool>,
    spill: Arc<SpillManager>,
}

fn scan(limit: Option<u64>) -> RejectScan {
    let fields = vec![Field::new("id", DataType::Int64, true), Field::new("name", TEXT, true)];
    RejectScan {
        files: vec![Arc::new(Tens("a.csv")), Arc::new(Tens("b.csv"))],
        schema: Arc::new(Schema::new(fields)),
        limit,
        target: None,
    }
}

fn start(limit: Option<u64>, keep_all: bool) -> Test {
    let log = Arc::new(RejectLog::default());
    assert_eq!(log.register(scan(limit)), 0);
    if keep_all {
        log.keep_all();
    }
    let memory = MemoryPool::new(1 << 30, Thresholds::default(), None);
    Test { log, memory, spill: SpillManager::new(&std::env::temp_dir(), None) }
}

fn reject(offset: u64, raw: &str) -> Reject {
    Reject { offset, column: Some(0), reason: Reason::Value, raw: Some(Reject::text(raw.as_bytes())), record: None }
}

impl Test {
    /// As many rows as rejects; the answer says how many are allowed, where not all are, and how the query ends then.
    fn add(&self, chunk: Chunk, rejects: Vec<Reject>) -> Option<(u64, Error)> {
        let rows = rejects.len() as u64;
        self.log.add(chunk, rejects, rows, &self.memory, &self.spill).unwrap()
    }

    /// File, line and offset of all that is kept.
    fn kept(&self) -> Vec<(String, i64, i64)> {
        let mut rows = Vec::new();
        for found in self.log.read(None) {
            let RejectBatch { path, batch } = found.unwrap();
            assert!(batch.num_rows() <= 4096);
            for row in 0..batch.num_rows() {
                let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
                assert_eq!(batch.column(0).as_string_view().value(row), path.to_str().unwrap());
                rows.push((path.display().to_string(), number(1), number(2)));
            }
        }
        rows
    }
}

/// Eight tasks over two files, each with parts that it adds one after another.
fn tasks() -> Vec<(Chunk, Vec<Vec<Reject>>)> {
    let long = "x".repeat(40_000);
    (0..8)
        .map(|task| {
            let chunk = Chunk { scan: 0, file: task / 4, piece: task % 4 };
            let start = (task as u64 % 4) * 1000;
            let part = |part: u64| (0..10).map(|at| reject(start + part * 100 + at * 10, &long)).collect();
            (chunk, (0..5).map(part).collect())
        })
        .collect()
}

/// All orders in which workers could add their parts, some of them: part `n` of a task stands before its part `n + 1`.
fn orders() -> impl Iterator<Item = Vec<(Chunk, Vec<Reject>)>> {
    let forwards = || tasks().into_iter();
    let flat = |(chunk, parts): (Chunk, Vec<Vec<Reject>>)| parts.into_iter().map(move |part| (chunk, part));
    let serial: Vec<_> = forwards().flat_map(flat).collect();
    let backwards: Vec<_> = forwards().rev().flat_map(flat).collect();
    let in_turn = (0..5).flat_map(|part| forwards().rev().map(move |(chunk, mut parts)| (chunk, parts.remove(part))));
    [serial, backwards, in_turn.collect()].into_iter()
}

#[test]
fn all_are_kept_in_the_order_of_the_data_on_request_and_on_disk() {
    let expected: Vec<_> = (0..2)
        .flat_map(|file| {
            let name = if file == 0 { "a.csv" } else { "b.csv" };
            (0..4).flat_map(move |task| {
                (0..50).map(move |at| (name.to_string(), task * 100 + at + 1, task * 1000 + at * 10))
            })
        })
        .collect();
    for order in orders() {
        let test = start(None, true);
        order.into_iter().for_each(|(chunk, part)| assert!(test.add(chunk, part).is_none()));
        assert_eq!(test.kept(), expected);
        assert_eq!(test.kept(), expected, "it can be read again");
        assert_eq!((test.log.found(), test.log.is_cut()), (400, false));
        assert!(test.spill.used() > 0 && test.memory.reserved() <= SHOWN_BYTES);
        assert_eq!(test.log.first().unwrap().kind().location.byte_offset, Some(0));
    }
}

#[test]
fn the_first_are_kept_in_memory_whoever_was_faster() {
    let kept: Vec<_> = orders()
        .map(|order| {
            let test = start(None, false);
            order.into_iter().for_each(|(chunk, part)| assert!(test.add(chunk, part).is_none()));
            assert!(test.memory.reserved() <= SHOWN_BYTES && test.log.is_cut());
            assert_eq!((test.log.found(), test.spill.used()), (400, 0));
            test.kept()
        })
        .collect();
    assert!((100..200).contains(&kept[0].len()), "{}", kept[0].len());
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[0], kept[2]);
    assert_eq!(kept[0][1], ("a.csv".to_string(), 2, 10));
}

#[test]
fn one_that_is_larger_than_all_there_is_room_for_is_cut_and_kept() {
    let test = start(None, false);
    let chunk = Chunk::default();
    assert!(test.add(chunk, vec![reject(0, &"y".repeat(9 << 20))]).is_none());
    assert!(test.add(chunk, (1..9).map(|at| reject(at, &"y".repeat(1 << 20))).collect()).is_none());
    assert_eq!(test.kept().len(), 3);
    let found = test.log.read(None).next().unwrap().unwrap();
    let raw = found.batch.column(5).as_string_view().value(0);
    assert!(raw.len() == (1 << 20) + '…'.len_utf8() && raw.ends_with('…'));
}

#[test]
fn too_many_are_an_error_where_one_worker_would_have_ended() {
    let chunk = |piece| Chunk { scan: 0, file: 0, piece };
    let test = start(Some(3), false);
    test.log.allow(Some(100));
    // The later task is not to blame for what it cannot know of.
    assert!(test.add(chunk(1), vec![reject(1010, "b"), reject(1020, "c")]).is_none());
    assert!(test.add(chunk(0), vec![reject(10, "a")]).is_none());
    assert!(test.log.verdict(Ok(()), true).is_ok());
    assert!(test.add(chunk(0), vec![reject(20, "a")]).is_none());
    let error = test.log.verdict(Ok(()), true).unwrap_err();
    assert_eq!((error.class(), error.kind().location.line), (ErrorClass::Data, Some(2)));
    assert!(error.to_string().starts_with("more than 3 rows were rejected"), "{error}");
    assert!(error.to_string().contains("the first: not a BIGINT"), "{error}");
    assert!(test.log.verdict(Ok(()), false).is_ok(), "what a LIMIT does not need does not count");
    let (allowed, refused) = test.add(chunk(2), vec![reject(2010, "d")]).unwrap();
    assert_eq!(allowed, 0);
    assert_eq!(test.log.verdict::<()>(Err(refused), false).unwrap_err().kind().location.byte_offset, Some(10));
    let other = test.log.verdict::<()>(Err(Error::data("a quote is never closed")), true).unwrap_err();
    assert_eq!(other.kind().message, "a quote is never closed");

    let none = start(Some(0), false);
    assert!(none.add(chunk(0), vec![reject(0, "a")]).is_some());
    let some = start(Some(2), false);
    assert!(some.add(chunk(0), vec![reject(0, "a")]).is_none());
    let (allowed, _) = some.add(chunk(0), vec![reject(10, "b"), reject(20, "c"), reject(30, "d")]).unwrap();
    assert_eq!(allowed, 1, "of the three");
}

#[test]
fn reasons_are_short_and_stay_the_same() {
    let of = |reason: Reason, data_type: DataType| reason.describe(Some(&data_type));
    assert_eq!(of(Reason::Value, DataType::Int64), "not a BIGINT");
    assert_eq!(of(Reason::Value, DataType::Int32), "not an INTEGER");
    assert_eq!(of(Reason::Text, TEXT), "not valid UTF-8");
    assert_eq!(Reason::Fields { found: 3, expected: 5 }.describe(None), "too few fields: 3 of 5");
    assert_eq!(Reason::Fields { found: 7, expected: 5 }.describe(None), "too many fields: 7 of 5");
}

#[test]
fn a_file_that_was_read_is_known_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, "a\n").unwrap();
    #[derive(Debug)]
    struct Real(PathBuf);
    impl RejectFile for Real {
        fn path(&self) -> &Path {
            &self.0
        }
        fn lines(&self) -> Box<dyn FnMut(u64) -> Option<u64> + Send> {
            Box::new(|_| None)
        }
    }
    let test = start(None, false);
    test.log.register(RejectScan { files: vec![Arc::new(Real(path.clone()))], ..scan(None) });
    assert!(test.log.has_read(&folder.path().join(".").join("in.csv")));
    assert!(!test.log.has_read(&folder.path().join("out.csv")));
}
