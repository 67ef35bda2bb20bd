//! The guest's own look at its clocks, with files and programs in their place.

use std::path::Path;

use helix_command::Cmd;

use crate::support::executable;

/// Runs the guest's script. Each step is what the hardware's clock and the time since the boot show at one look, and what the
/// clock shows then; the answer is what the clock was set to, a step each.
fn looks(steps: &[(u64, &str, u64)]) -> Vec<String> {
    let temp = tempfile::tempdir().expect("a folder");
    let path = |name: &str| temp.path().join(name).display().to_string();
    let show = |(hardware, uptime, clock): &(u64, &str, u64)| format!("{hardware} {uptime} {clock}\n");
    std::fs::write(path("steps"), steps.iter().map(show).collect::<String>()).expect("steps");
    let next = format!(
        "#!/bin/sh\nread -r rtc up clock <'{steps}' || exit 1\nsed -i 1d '{steps}'\n\
         echo $rtc >'{rtc}'; echo \"$up 1.00\" >'{up}'; echo $clock >'{clock}'; echo - >>'{set}'\n",
        steps = path("steps"),
        rtc = path("rtc"),
        up = path("up"),
        clock = path("clock"),
        set = path("set"),
    );
    let date = format!(
        "#!/bin/sh\n[ \"$1\" = +%s ] && exec cat '{}'\n[ \"$1\" = -s ] && echo \"$2\" >>'{}'\n",
        path("clock"),
        path("set")
    );
    executable(Path::new(&path("sleep")), &next);
    executable(Path::new(&path("date")), &date);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-components/overlay/usr/lib/helix/clock");
    let search = format!("{}:{}", temp.path().display(), std::env::var("PATH").expect("a PATH"));
    // The first look is before the first sleep.
    Cmd::new(path("sleep")).run().expect("a first step");
    Cmd::new("sh")
        .args([script, &path("rtc"), &path("up")])
        .env("PATH", search)
        .run()
        .expect("the script ends with sleep");
    let set = std::fs::read_to_string(path("set")).expect("what was set");
    set.split('-').skip(1).map(|text| text.trim().to_owned()).collect()
}

#[test]
fn a_sleep_is_made_up_for_and_a_clock_set_back_is_followed() {
    let steps = [
        (1000, "10.50", 1000),
        (1010, "20.49", 1010),
        // Eight hours asleep, then the host's clock is set back by an hour.
        (29_820, "30.00", 1020),
        (29_830, "40.00", 29_830),
        (26_240, "50.00", 29_840),
        (26_250, "60.00", 26_250),
    ];
    assert_eq!(looks(&steps), ["", "", "@29820", "", "@26240", ""]);
}

#[test]
fn a_clock_that_is_right_already_or_that_somebody_set_is_left_alone() {
    let steps = [
        (1000, "10.99", 1000),
        // NTP knows better than the host; the errors of reading whole seconds are no sleep.
        (1011, "20.00", 5000),
        (1020, "30.99", 5010),
        // The host slept, and has set the clock through the agent.
        (4631, "41.00", 4630),
        (4641, "51.00", 4641),
    ];
    assert_eq!(looks(&steps), ["", "", "", "", ""]);
}
