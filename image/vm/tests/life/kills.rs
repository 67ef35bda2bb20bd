//! A launcher that is killed at random points: of the first start, of later ones, and of the shutdown.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use helix_vm::life::State;

use crate::support::{World, until};

/// How often a launcher is killed in each of the two tests.
const KILLS: u32 = 25;
/// The longest time that a launcher may live: a little more than it needs.
const LIFE_MILLIS: u64 = 900;

/// A time at random, and printed, so that a failure can be thought about.
fn moment() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(random % LIFE_MILLIS)
}

/// Starts a launcher and kills it after a while; tells whether it was done before.
fn killed(world: &World, verb: &str) -> bool {
    let (mut launcher, life) = (world.launcher(verb, "boot=200"), moment());
    std::thread::sleep(life);
    launcher.kill().expect("a child that nobody has waited for");
    let done = launcher.wait().expect("the launcher ends").success();
    println!("{verb}: {life:?}{}", if done { ", done" } else { "" });
    done
}

#[test]
fn a_first_start_that_is_killed_is_finished_by_the_next() {
    let mut done = 0;
    for _ in 0..KILLS {
        let world = World::new();
        done += u32::from(killed(&world, "up"));
        let up = world.up();
        assert_eq!(world.state(), State::Running);
        // Whoever was first: the guest came up once.
        assert_eq!((world.ups(), up.name.as_str()), (1, "a"));
        assert!(world.file("known_hosts").exists());
    }
    assert!(done < KILLS, "no launcher was killed in time");
}

#[test]
fn starts_and_shutdowns_that_are_killed_lose_nothing() {
    let world = World::new();
    world.up();
    let mut interrupted = 0;
    for _ in 0..KILLS {
        let before = world.ups();
        interrupted += u32::from(!killed(&world, "down"));
        interrupted += u32::from(!killed(&world, "up"));
        // For a moment a program that was just started holds the lock, or does not answer yet.
        until("a state that stays", || ![State::Busy, State::Stuck].contains(&world.state()));
        world.up();
        assert_eq!(world.state(), State::Running);
        assert!(world.ups() >= before, "what was on the data disk stays");
        assert_eq!(std::fs::read(world.file("system.1.qcow2")).expect("the system disk"), b"the disk of an image");
    }
    assert!(interrupted > 0, "no launcher was killed in time");
}
