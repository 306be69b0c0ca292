//! The converter, killed at random moments and resumed until it is done: the outputs and the manifest are those of a run
//! that nobody disturbed, byte for byte, and at no moment is there half a file under its final name. And COPY to folders,
//! killed and run again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kills of each kind of conversion.
const KILLS: u32 = 40;

/// A generator that is good enough to choose moments, and says which in the failure of a test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides.max(1)
    }
}

/// Files by their paths.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A folder with files to convert, the conversion, and where it goes.
struct Case {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    output: &'static str,
}

impl Case {
    fn new(files: usize, rows: usize, output: &'static str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..files {
            let path = folder.path().join(format!("in/{}/{file}.csv", file % 3));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut text = String::from("id,name,value,day\n");
            for row in 0..rows {
                let id = file * rows + row;
                text.push_str(&format!("{id},name {},{}.25,2024-01-{:02}\n", id * 7919 % 1000, id % 977, 1 + id % 28));
            }
            fs::write(path, text).unwrap();
        }
        Self { folder, arguments: arguments.iter().map(ToString::to_string).collect(), output }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("run").join(self.output)
    }

    /// The same inputs in another folder.
    fn copy_inputs(&self, to: &str) {
        let mut files = Files::new();
        let root = self.folder.path().join("in");
        collect(&root, &root, &mut files);
        for (path, bytes) in files {
            let path = self.folder.path().join(to).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn start(&self, more: &[&str]) -> Child {
        // Inputs other than the usual ones come first.
        let inputs = more.first().copied().filter(|first| !first.starts_with('-'));
        let more = if inputs.is_some() { &more[1..] } else { more };
        fs::create_dir_all(self.folder.path().join("run")).unwrap();
        Command::new(assert_cmd::cargo::cargo_bin("highwater"))
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .current_dir(self.folder.path())
            .args(["--threads", "2", "convert", inputs.unwrap_or("in"), "-o"])
            .arg(self.out())
            .args(&self.arguments)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn finish(&self, more: &[&str]) {
        let ended = self.start(more).wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    /// Every file of the run, by its path.
    fn files(&self) -> Files {
        let root = self.folder.path().join("run");
        let mut files = Files::new();
        collect(&root, &root, &mut files);
        files
    }

    fn clear(&self) {
        fs::remove_dir_all(self.folder.path().join("run")).unwrap();
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().into(), fs::read(&path).unwrap());
        }
    }
}

/// What has a final name: neither the manifest nor what lies in the staging.
fn is_output(path: &Path) -> bool {
    !path.iter().any(|part| part.to_string_lossy().starts_with(['_', '.']))
}

/// Kills a conversion again and again, and resumes it. `begin` sets up what was there before; `allowed` are the contents
/// that a file under its final name may have.
fn kill_and_resume(case: &Case, seed: u64, begin: &dyn Fn(), more: &[&str], check: &dyn Fn(&Files)) {
    begin();
    let start = Instant::now();
    case.finish(more);
    let whole = start.elapsed();
    let undisturbed = case.files();
    let resumed: Vec<&str> = more.iter().copied().chain(["--resume"]).collect();
    let mut dice = Dice(seed);
    let (mut kills, mut rounds) = (0, 0);
    while kills < KILLS {
        case.clear();
        begin();
        rounds += 1;
        let mut first = true;
        loop {
            let mut child = case.start(if first { more } else { &resumed });
            first = false;
            // Up to a bit more than a run takes, so that its end is met too.
            let moment = whole.as_micros() as u64 * (1 + dice.roll(110)) / 100;
            std::thread::sleep(Duration::from_micros(moment));
            if let Some(status) = child.try_wait().unwrap() {
                let mut told = String::new();
                std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
                assert!(status.success(), "round {rounds} of seed {seed}: {told}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            check(&case.files());
        }
        let found = case.files();
        let names: Vec<_> = found.keys().collect();
        assert_eq!(names, undisturbed.keys().collect::<Vec<_>>(), "round {rounds} of seed {seed}");
        for (path, bytes) in &undisturbed {
            assert!(found.get(path) == Some(bytes), "round {rounds} of seed {seed}: '{}' differs", path.display());
        }
    }
}

#[test]
fn one_output_for_each_input_survives_being_killed() {
    let case = Case::new(24, 2_000, "out", &["--verify", "count"]);
    case.finish(&[]);
    let whole = case.files();
    case.clear();
    kill_and_resume(&case, 1, &|| {}, &[], &|files| {
        for (path, bytes) in files.iter().filter(|(path, _)| is_output(path)) {
            assert!(whole.get(path) == Some(bytes), "'{}' is not whole", path.display());
        }
    });
}

#[test]
fn a_merged_output_survives_being_killed() {
    let case = Case::new(6, 20_000, "all.parquet", &["--merge"]);
    kill_and_resume(&case, 2, &|| {}, &[], &|_| {});
}

#[test]
fn what_is_overwritten_is_old_or_new_and_never_half() {
    let case = Case::new(24, 2_000, "out", &[]);
    let old: Vec<&str> = vec!["--types", "value=VARCHAR", "--compression", "snappy"];
    case.finish(&old);
    let before = case.files();
    case.clear();
    case.finish(&[]);
    let after = case.files();
    case.clear();
    kill_and_resume(&case, 3, &|| case.finish(&old), &["--existing", "overwrite"], &|files| {
        let outputs: Vec<_> = files.iter().filter(|(path, _)| is_output(path)).collect();
        assert_eq!(outputs.len(), 24, "none is missing");
        for (path, bytes) in outputs {
            let known = [before.get(path), after.get(path)];
            assert!(known.contains(&Some(bytes)), "'{}' is neither the old nor the new one", path.display());
        }
    });
}

#[test]
fn rejects_are_not_lost_with_the_process() {
    let case = Case::new(12, 2_000, "out", &["--types", "id=BIGINT", "--on-error", "reject"]);
    for file in [3, 4, 7, 11] {
        let path = case.folder.path().join(format!("in/{}/{file}.csv", file % 3));
        let text = fs::read_to_string(&path).unwrap() + "many,x,1,2024-01-01\n";
        fs::write(path, text).unwrap();
    }
    // Finished with rejected rows is another exit code than done, so the kills are made here.
    let rejects = ["--rejects", "run/rejects/"];
    let run = |more: &[&str], kill: Option<Duration>| {
        let mut child = case.start(&[&rejects, more].concat());
        if let Some(moment) = kill {
            std::thread::sleep(moment);
            child.kill().unwrap();
        }
        child.wait().unwrap().code()
    };
    let start = Instant::now();
    assert_eq!(run(&[], None), Some(4));
    let whole = start.elapsed();
    let undisturbed = case.files();
    assert_eq!(undisturbed.keys().filter(|path| path.starts_with("rejects")).count(), 4);
    let mut dice = Dice(4);
    for _ in 0..8 {
        case.clear();
        for _ in 0..3 {
            run(&["--resume"], Some(whole * (20 + dice.roll(80) as u32) / 100));
        }
        assert_eq!(run(&["--resume"], None), Some(4));
        let found = case.files();
        assert_eq!(found.keys().collect::<Vec<_>>(), undisturbed.keys().collect::<Vec<_>>());
        assert!(found == undisturbed);
    }
}

#[test]
fn partitions_survive_being_killed_and_are_seen_at_once() {
    let case = Case::new(6, 8_000, "out", &["--partition-by", "day", "--rows-per-file", "300", "--verify", "count"]);
    case.finish(&[]);
    let whole = case.files();
    assert!(whole.len() > 100);
    case.clear();
    kill_and_resume(&case, 5, &|| {}, &[], &|files| {
        for (path, bytes) in files.iter().filter(|(path, _)| is_output(path)) {
            assert!(whole.get(path) == Some(bytes), "'{}' is not whole", path.display());
        }
    });
}

#[test]
fn partitions_that_are_overwritten_are_old_or_new_and_none_is_left_of_before() {
    let case = Case::new(6, 4_000, "out", &[]);
    let old = ["--partition-by", "day", "--format", "parquet"];
    let new = ["--layout", "merge", "--rows-per-file", "700", "--existing", "overwrite"];
    case.finish(&old);
    let before = case.files();
    case.clear();
    case.finish(&new);
    let after = case.files();
    case.clear();
    kill_and_resume(&case, 6, &|| case.finish(&old), &new, &|files| {
        for (path, bytes) in files.iter().filter(|(path, _)| is_output(path)) {
            let known = [before.get(path), after.get(path)];
            assert!(known.contains(&Some(bytes)), "'{}' is neither an old nor a new one", path.display());
        }
    });
}

#[test]
fn partitions_that_are_appended_leave_the_others_alone() {
    let case = Case::new(6, 4_000, "out", &["--partition-by", "day"]);
    case.copy_inputs("more");
    case.finish(&[]);
    let before = case.files();
    case.clear();
    kill_and_resume(&case, 7, &|| case.finish(&[]), &["more", "--existing", "append"], &|files| {
        for (path, bytes) in before.iter().filter(|(path, _)| is_output(path)) {
            assert!(files.get(path) == Some(bytes), "'{}' was touched", path.display());
        }
    });
}

/// Names that are taken get numbers, which a run that is gone on with has to find again.
#[test]
fn an_append_whose_names_collide_finds_them_again() {
    let case = Case::new(24, 1_500, "out", &[]);
    // A name that looks like the number of another.
    fs::copy(case.folder.path().join("in/0/0.csv"), case.folder.path().join("in/0/0-2.csv")).unwrap();
    case.copy_inputs("more");
    case.finish(&[]);
    let before = case.files();
    case.clear();
    kill_and_resume(&case, 8, &|| case.finish(&[]), &["more", "--existing", "append"], &|files| {
        for (path, bytes) in before.iter().filter(|(path, _)| is_output(path)) {
            assert!(files.get(path) == Some(bytes), "'{}' was touched", path.display());
        }
    });
}

#[test]
fn files_of_a_size_survive_being_killed_where_names_are_taken() {
    let case = Case::new(8, 4_000, "out", &["--rows-per-file", "900"]);
    case.copy_inputs("more");
    case.finish(&[]);
    assert_eq!(case.files().keys().filter(|path| is_output(path)).count(), 8 * 5);
    case.clear();
    kill_and_resume(&case, 9, &|| case.finish(&[]), &["more", "--existing", "append"], &|_| {});
}

/// Runs a statement in the folder of a case, and kills it after a while, if asked for.
fn sql(case: &Case, sql: &str, kill: Option<Duration>) -> bool {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("highwater"))
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .current_dir(case.folder.path())
        .args(["--threads", "2", "-c", sql])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(moment) = kill {
        std::thread::sleep(moment);
        child.kill().unwrap();
    }
    child.wait().unwrap().success()
}

#[test]
fn a_copy_that_was_killed_left_its_files_within_the_dataset_for_ever() {
    let case = Case::new(4, 6_000, "out", &[]);
    let copy = |more: &str| {
        format!("COPY (FROM 'in/*/*.csv') TO 'run/out' (FORMAT parquet, PARTITION_BY (day), ROWS_PER_FILE 100{more})")
    };
    fs::create_dir_all(case.folder.path().join("run")).unwrap();
    let start = Instant::now();
    assert!(sql(&case, &copy(""), None));
    let (whole, first) = (start.elapsed(), case.files());
    let mut dice = Dice(10);
    let mut left = 0;
    for round in 0..16 {
        // Half of the time to a new folder, half of the time added to one.
        case.clear();
        fs::create_dir_all(case.folder.path().join("run")).unwrap();
        let appends = round % 2 == 0;
        if appends {
            assert!(sql(&case, &copy(""), None));
        }
        for _ in 0..2 {
            let moment = whole * (20 + dice.roll(90) as u32) / 100;
            sql(&case, &copy(", APPEND"), Some(moment));
            let found = case.files();
            let dataset = found.iter().filter(|(path, _)| path.starts_with("out"));
            for (path, bytes) in dataset {
                let hidden = path.iter().any(|part| part.to_string_lossy().starts_with('.'));
                assert!(!hidden, "'{}' lies in the dataset", path.display());
                assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "'{}' is half", path.display());
            }
            let staged: Vec<_> = found.iter().filter(|(path, _)| !path.starts_with("out")).collect();
            left += staged.len();
            // While they are written, no pattern that means data finds them. Those that are whole may have their names.
            for (path, bytes) in staged.iter().filter(|(path, _)| path.extension().is_some_and(|is| is == "parquet")) {
                assert!(bytes.ends_with(b"PAR1"), "'{}' is half", path.display());
            }
        }
        // The next one cleans up.
        fs::remove_dir_all(case.folder.path().join("run/out")).ok();
        assert!(sql(&case, &copy(""), None));
        let found = case.files();
        assert!(found == first, "round {round}: {:?}", found.keys().find(|path| !first.contains_key(*path)));
    }
    assert!(left > 0, "the moments were chosen badly");
}
