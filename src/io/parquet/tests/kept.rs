//! What is kept of files between statements: room for it, and what pushes it out.

use std::time::Duration;

use super::super::file::ParquetFile;
use super::super::kept::Key;
use super::*;

fn keys(dir: &Path, count: i64) -> Vec<Key> {
    let file = |n: i64| {
        let path = foreign(&dir.join(format!("{n:03}.parquet")), vec![("a", ints(n..n + 20))], 1);
        Key { path, binary_as_string: false, skip_unsupported: false, zone: "UTC".into() }
    };
    let keys = (0..count).map(file).collect();
    // Until a change of the files would have another time.
    std::thread::sleep(Duration::from_millis(70));
    keys
}

/// Opens files as a table does; how many were known.
fn open_all(cache: &Arc<MetadataCache>, keys: &[Key]) -> usize {
    let opening = cache.opening();
    let mut known = 0;
    for key in keys {
        match cache.get(key, opening) {
            Some(_) => known += 1,
            None => {
                let file = Arc::new(ParquetFile::open(&key.path, &ReadOptions::default(), "UTC").unwrap());
                cache.put(key.clone(), &file, opening);
            }
        }
    }
    known
}

#[test]
fn of_more_files_than_there_is_room_for_some_are_kept_and_others_push_them_out_when_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path(), 40);
    let one = ParquetFile::open(&keys[0].path, &ReadOptions::default(), "UTC").unwrap().memory();
    let pool = MemoryPool::new(8 * (one * 10 + one / 2), Thresholds::default(), None);
    let cache = MetadataCache::new(&pool);
    assert_eq!(open_all(&cache, &keys), 0);
    assert!((one * 9..=one * 11).contains(&pool.reserved()), "{} of {one}", pool.reserved());
    let known = open_all(&cache, &keys);
    assert!((9..=11).contains(&known), "{known}");
    assert_eq!(open_all(&cache, &keys[30..]), 0);
    assert!(open_all(&cache, &keys[30..]) >= 9);
    // Somebody else needs the memory.
    let mut sort = pool.reservation("sort", &OperatorMetrics::new());
    sort.grow(pool.budget() / 100 * 94).unwrap();
    assert_eq!(open_all(&cache, &keys[30..]), 0);
    drop(sort);
    open_all(&cache, &keys[30..]);
    drop(cache);
    assert_eq!(pool.reserved(), 0);
}

#[test]
fn a_file_that_was_written_to_was_taken_for_the_same_where_its_time_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keys(dir.path(), 1);
    let cache = MetadataCache::new(&MemoryPool::new(1 << 30, Thresholds::default(), None));
    assert_eq!([0, 1].map(|_| open_all(&cache, &keys)), [0, 1]);
    let (path, bytes) = (&keys[0].path, std::fs::read(&keys[0].path).unwrap());
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    assert_eq!(open_all(&cache, &keys), 0);
}

#[test]
fn an_index_is_read_once_for_all_parts_of_a_row_group_and_only_while_its_file_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let key = keys(dir.path(), 1).remove(0);
    let pool = MemoryPool::new(1 << 30, Thresholds::default(), None);
    let cache = MetadataCache::new(&pool);
    let file = Arc::new(ParquetFile::open(&key.path, &ReadOptions::default(), "UTC").unwrap());
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let read = |row_group: usize| {
        let found = file.indexes.bloom(row_group, 0, || {
            reads.fetch_add(1, Relaxed);
            std::thread::sleep(Duration::from_millis(20));
            Some((None, 1000))
        });
        assert!(found.is_some());
    };
    (0..3).for_each(|_| read(0));
    assert_eq!(reads.swap(0, Relaxed), 3, "a file of no session keeps nothing");
    let opening = cache.opening();
    cache.put(key.clone(), &file, opening);
    let footer = pool.reserved();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..3).for_each(read));
        }
    });
    assert_eq!((reads.swap(0, Relaxed), pool.reserved()), (3, footer + 3000));
    // What could not be read is not taken for what is not there.
    assert!(file.indexes.bloom(9, 0, || None).is_none());
    read(9);
    assert_eq!(reads.swap(0, Relaxed), 1);
    File::options().append(true).open(&key.path).unwrap().set_len(3).unwrap();
    assert!(cache.get(&key, opening).is_none());
    assert_eq!(pool.reserved(), 0);
    read(0);
    assert_eq!((reads.load(Relaxed), pool.reserved()), (1, 0));
}
