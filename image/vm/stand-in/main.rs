//! Stands in for the programs that a machine's life needs, where no real guest is needed: `qemu`, `img` (qemu-img) and
//! `encoder`; and is a launcher, `up` and `down`, that tests can kill.
//!
//! The stand-in for QEMU binds what QEMU binds, refuses a disk that another one has open, speaks QMP and the guest agent's
//! protocol, writes a line to the data disk when its guest comes up, and the
//! time that its guest is told to a file `guest-clock` beside. `STAND_IN` changes its ways, words separated by
//! commas: `deaf` (the agent takes no request to power off), `stubborn` (nor does the button do anything), `wedged` (nor do
//! `quit` and SIGTERM), `silent` (the agent never answers), `boot=N` (it answers after N milliseconds), `degraded` (a unit of it
//! has failed), `paused` (QEMU has
//! stopped the guest), `api` (something in the guest answers HTTP at port 8080) or `api=mute` (something listens there and says
//! nothing), `robbed=FILE` (a port is taken the first time, after which FILE exists).

mod guest;
mod launcher;
mod qemu;

fn main() {
    let mut args = std::env::args().skip(1);
    let mode = args.next().expect("the program to stand in for");
    let rest: Vec<String> = args.collect();
    match mode.as_str() {
        "qemu" => qemu::run(&rest),
        "img" => img(&rest),
        "encoder" => loop {
            std::thread::park();
        },
        "up" => launcher::up(&rest),
        "down" => launcher::down(&rest),
        other => panic!("{other} is not known"),
    }
}

/// `qemu-img create -q -f qcow2 FILE SIZE`.
fn img(args: &[String]) {
    assert_eq!(args[..4], ["create", "-q", "-f", "qcow2"]);
    assert_eq!(args.len(), 6, "{args:?}");
    std::fs::write(&args[4], "blank\n").expect("a disk can be written");
}
