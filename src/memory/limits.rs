//! How much memory there is: the machine's, and what the enclosing control groups allow.

use std::fs;
use std::path::Path;

/// Three quarters of the smallest of MemTotal and the limits of every enclosing cgroup, in bytes.
pub fn default_budget() -> u64 {
    let total = machine_memory().into_iter().chain(cgroup_limit()).min().unwrap_or(4 << 30);
    total / 4 * 3
}

fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The smallest limit on the way from this process's cgroup to the root, in version 2 or 1.
fn cgroup_limit() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut least = None;
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        for ancestor in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = fs::read_to_string(Path::new(root).join(ancestor).join(file));
            let bytes = limit.ok().and_then(|text| text.trim().parse::<u64>().ok());
            least = least.into_iter().chain(bytes).min();
        }
    }
    least
}
