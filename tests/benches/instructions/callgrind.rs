//! Running a case under callgrind, and reading what it counted.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::case::Case;

/// What this program is started with under valgrind, before the name of a case.
pub(crate) const CASE: &str = "--case";

/// The function that is counted. Valgrind reads both ways in which Rust writes a path into a symbol; a pattern would do for the
/// counting alone, but of several options it takes only one with the same pattern.
pub(crate) const SECTION: &str = "instructions::meter::measured_section";

/// Functions that allocate; reallocating counts as well.
const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc"];

/// Valgrind counts `rep movsb`, which glibc copies with from 2 KiB on, once for each byte, where a processor moves dozens in a
/// cycle. With these it copies and fills in vectors at every length.
const TUNABLES: (&str, &str) =
    ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000");

/// Descriptors that the largest case needs: two for each of its subscribers, and some.
const DESCRIPTORS: u64 = 10_200;

/// What was counted, for one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Count {
    pub(crate) instructions: f64,
    /// Calls to the allocator.
    pub(crate) allocations: f64,
}

/// A valgrind that is there, and where its files go.
pub(crate) struct Callgrind {
    valgrind: PathBuf,
    program: PathBuf,
    folder: Folder,
}

enum Folder {
    Gone(TempDir),
    Kept(PathBuf),
}

impl Callgrind {
    /// Finds valgrind; its files are kept where a folder is given.
    pub(crate) fn find(keep: Option<&Path>) -> io::Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let valgrind = env::split_paths(&path).map(|folder| folder.join("valgrind")).find(|path| path.is_file());
        let valgrind = valgrind.ok_or_else(|| io::Error::other("valgrind is not here: apt-get install valgrind"))?;
        let folder = match keep {
            Some(folder) => {
                fs::create_dir_all(folder)?;
                Folder::Kept(folder.to_owned())
            }
            None => Folder::Gone(TempDir::new()?),
        };
        Ok(Self { valgrind, program: env::current_exe()?, folder })
    }

    /// Counts cases, on as many cores as there are: no count depends on what else runs.
    pub(crate) fn count(&self, cases: &[&Case]) -> io::Result<Vec<Count>> {
        raise_descriptor_limit()?;
        let (next, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let count = self.count_one(case);
                counts.lock().unwrap_or_else(PoisonError::into_inner).push((case.name, count));
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(cases.len()) {
                scope.spawn(work);
            }
        });
        let mut counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Back into the order of the cases, whichever was through first.
        counts.sort_by_key(|(name, _)| cases.iter().position(|case| case.name == *name));
        counts.into_iter().map(|(_, count)| count).collect()
    }

    fn count_one(&self, case: &Case) -> io::Result<Count> {
        let folder = match &self.folder {
            Folder::Gone(folder) => folder.path(),
            Folder::Kept(folder) => folder,
        };
        let name = format!("callgrind.{}", case.name.replace('/', "."));
        if let Folder::Kept(folder) = &self.folder {
            // In one piece, which is what callgrind_annotate reads.
            self.run(case, &folder.join(&name), &[format!("--toggle-collect={SECTION}")])?;
        }
        // In parts: where counting is switched on and off instead, calls are counted at all times.
        let file = folder.join(format!("{name}.parts"));
        let parts =
            [format!("--dump-before={SECTION}"), format!("--dump-after={SECTION}"), "--combine-dumps=yes".to_owned()];
        let operations = self.run(case, &file, &parts)?;
        let (instructions, allocations) = read(&fs::read_to_string(&file)?);
        fs::remove_file(&file)?;
        if instructions == 0.0 {
            return Err(wrong(case, &format!("nothing was counted: valgrind knows no function {SECTION}")));
        }
        Ok(Count { instructions: instructions / operations, allocations: allocations / operations })
    }

    /// Runs a case; gives how many operations that were.
    fn run(&self, case: &Case, file: &Path, options: &[String]) -> io::Result<f64> {
        let mut command = Command::new(&self.valgrind);
        command.args(["--quiet", "--tool=callgrind"]).args(options);
        command.arg(format!("--callgrind-out-file={}", file.display()));
        command.arg(&self.program).args([CASE, case.name]);
        // What stands in the environment moves the stack, and with it the ways that copying takes.
        let Output { status, stdout, stderr } = command.env_clear().envs([TUNABLES]).output()?;
        if !status.success() {
            return Err(wrong(case, &format!("{status}\n{}", String::from_utf8_lossy(&stderr))));
        }
        let operations = String::from_utf8_lossy(&stdout).lines().last().and_then(|line| line.parse().ok());
        operations.ok_or_else(|| wrong(case, "it does not say how many operations it was"))
    }
}

fn wrong(case: &Case, why: &str) -> io::Error {
    io::Error::other(format!("{}: {why}", case.name))
}

/// Instructions and calls to the allocator within the section, in a file of callgrind's
/// (<https://valgrind.org/docs/manual/cl-format.html>).
fn read(file: &str) -> (f64, f64) {
    let (mut instructions, mut allocations) = (0.0, 0.0);
    let (mut allocators, mut called, mut within) = (HashSet::new(), "", false);
    for line in file.lines() {
        if let Some(trigger) = line.strip_prefix("desc: Trigger: ") {
            within = trigger.starts_with("--dump-after");
        } else if let Some(name) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // `(7) malloc` where it is named first, `(7)` from then on.
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if ALLOCATORS.contains(&name) {
                allocators.insert(number);
            }
            called = number;
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| within && allocators.contains(called)) {
            allocations += calls.split_whitespace().next().and_then(|calls| calls.parse().ok()).unwrap_or(0.0);
        } else if let Some(total) = line.strip_prefix("totals: ").filter(|_| within) {
            instructions += total.trim().parse().unwrap_or(0.0);
        }
    }
    (instructions, allocations)
}

/// Valgrind takes over the soft limit that it is started with.
fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < DESCRIPTORS) {
        let error = format!("{DESCRIPTORS} descriptors are needed, the hard limit is {maximum} (ulimit -Hn)");
        return Err(io::Error::other(error));
    }
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: limit.maximum })?;
    }
    Ok(())
}
