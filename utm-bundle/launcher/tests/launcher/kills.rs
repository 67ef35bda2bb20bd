//! A launcher that is killed at random points of its first launch, with and without a download, and of the shutdown.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::support::{DISK, World, server};

/// How often a launcher is killed in each of the tests.
const KILLS: u64 = 15;
/// The longest time that a launcher may live: a little more than it needs.
const LIFE_MILLIS: u64 = 1200;

/// Times at random, from a seed that is printed: `HELIX_SEED` takes it again.
fn moments() -> impl Iterator<Item = Duration> {
    let given = std::env::var("HELIX_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("HELIX_SEED={seed}");
    // SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    (1..=KILLS).map(move |number| {
        let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis((bits ^ (bits >> 31)) % LIFE_MILLIS)
    })
}

fn finished_by_the_next(world: &World, life: Duration) {
    let mut launched = world.launch(&[], "boot=200");
    std::thread::sleep(life);
    launched.kill();
    println!("{life:?}: {:?}", launched.text());
    let again = world.ready();
    assert_eq!(std::fs::read(world.file("system.1.qcow2")).unwrap(), DISK);
    assert_eq!(world.ups(), 1, "the guest came up once, whoever started it");
    again.quit();
}

#[test]
fn a_first_launch_that_is_killed_is_finished_by_the_next() {
    for life in moments() {
        finished_by_the_next(&World::new(), life);
    }
}

#[test]
fn a_first_launch_with_a_download_that_is_killed_is_finished_by_the_next() {
    for life in moments() {
        let world = World::new();
        world.download_from(&server(DISK), DISK.len() as u64);
        finished_by_the_next(&world, life);
        assert!(!world.path("vms/.download").exists());
    }
}

#[test]
fn a_shutdown_that_is_killed_loses_nothing() {
    let world = World::new();
    for life in moments() {
        let mut launched = world.launch(&[], "");
        launched.says("ready: ");
        let before = world.ups();
        launched.signal("TERM");
        std::thread::sleep(life / 10);
        launched.kill();
        println!("{:?}: {:?}", life / 10, launched.text());
        world.ready().quit();
        assert!([before, before + 1].contains(&world.ups()), "the data disk stays");
    }
}
