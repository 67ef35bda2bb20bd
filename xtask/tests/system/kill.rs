//! Builds killed at random points: the next one goes on, and makes the same image as one that nobody disturbed.
//!
//! `HELIX_KILLS` is how many (30 unless it is set), `HELIX_SEED` repeats the points of an earlier run.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Project, Running};

/// SplitMix64 (Steele, Lea, Flood, 2014): points that a seed repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A time below `limit`.
    fn below(&mut self, limit: Duration) -> Duration {
        limit.mul_f64((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

const BUILD: [&str; 3] = ["build-image", "mini", "--no-test"];

/// Back to a cache with the tools only, and no image.
fn cool(project: &Project) {
    project.run(&["cache", "rm", "trees"]).ends_with(0);
    let packages = walkdir(&project.cache().join("packages"));
    // The links are the tools'; the files came from the archive.
    for file in packages.iter().filter(|f| f.symlink_metadata().is_ok_and(|m| m.is_file())) {
        std::fs::remove_file(file).expect("a cached package");
    }
    let _ = std::fs::remove_dir_all(project.output());
    let _ = std::fs::remove_file(project.path("root/recipes/mini.lock"));
}

fn walkdir(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder of the cache").map(|e| e.expect("an entry").path());
    entries.flat_map(|sub| std::fs::read_dir(sub).expect("a folder").map(|e| e.expect("an entry").path())).collect()
}

/// Builds and kills the build, all its processes, after `pause`; `false` when it was over before.
fn kill_after(project: &Project, pause: Duration) -> bool {
    let mut run = Running::start(project.xtask(&BUILD));
    let started = Instant::now();
    while started.elapsed() < pause {
        if run.is_over() {
            run.wait().ends_with(0);
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    run.signal(Signal::KILL);
    let _ = run.wait();
    true
}

/// Mounts and processes of the project that are still there.
fn leftovers(project: &Project) -> Vec<String> {
    let place = project.path("").display().to_string();
    let place = place.trim_end_matches('/');
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the list of mounts");
    let mut found: Vec<String> = mounts.lines().filter(|l| l.contains(place)).map(str::to_owned).collect();
    for process in std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(place) && !line.starts_with("gpg-agent") {
            found.push(format!("process {}: {line}", process.file_name().to_string_lossy()));
        }
    }
    found
}

#[test]
fn a_build_killed_anywhere_goes_on_to_the_same_image() {
    let kills = number("HELIX_KILLS").unwrap_or(30);
    let seed = number("HELIX_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
        now.as_secs()
    });
    eprintln!("{kills} kills; repeat them with HELIX_SEED={seed}");
    let mut random = Random(seed);
    let project = Project::new();
    // The second time, when the system has read the programs already: this is how long later ones take.
    project.build().ends_with(0);
    let digest = project.disk_digest();
    cool(&project);
    let started = Instant::now();
    project.build().ends_with(0);
    let whole = started.elapsed();
    assert_eq!(project.disk_digest(), digest);
    eprintln!("an undisturbed build takes {:.1} s", whole.as_secs_f32());

    let mut done = 0;
    while done < kills {
        cool(&project);
        // A third of the builds that go on are killed too, before one may run to its end.
        let mut killed = Vec::new();
        loop {
            let pause = random.below(whole);
            if !kill_after(&project, pause) {
                break;
            }
            killed.push(format!("{:.2}", pause.as_secs_f32()));
            done += 1;
            if done == kills || !random.next().is_multiple_of(3) {
                break;
            }
        }
        let run = project.build();
        if !killed.is_empty() {
            eprintln!("killed after {} s: {done} of {kills}", killed.join(" s and "));
        }
        run.ends_with(0);
        assert_eq!(project.disk_digest(), digest, "the image after kills at {killed:?}");
        project.run(&["inspect", "root/target/images/mini"]).ends_with(0);
        let beside: Vec<_> = std::fs::read_dir(project.path("root/target/images")).expect("the images").collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }
    // Programs of a killed build end a moment after it.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(leftovers(&project), Vec::<String>::new());
    // What killed builds left in the cache goes with the garbage, when no build can be that old any more.
    let then = std::time::SystemTime::now() - Duration::from_secs(2 * 86_400);
    for entry in std::fs::read_dir(project.cache().join("run")).expect("the runs").map(|e| e.expect("an entry")) {
        let folder = std::fs::File::open(entry.path()).expect("what a run left");
        folder.set_modified(then).expect("its time can be set");
    }
    project.run(&["cache", "gc"]).ends_with(0);
    project.assert_clean_cache();
}
