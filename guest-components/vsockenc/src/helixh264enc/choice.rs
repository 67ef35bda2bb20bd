//! Which encoders a machine has, best first, and why.

use std::path::Path;
use std::time::Duration;

use super::encoder::Encoder;
use super::properties::Settings;
use crate::carrier::{Vendor, render_nodes};
use crate::client::Probe;
use crate::defaults;

/// A host that answers does so at once; a pipeline must not wait long for one that does not.
const PROBE: Duration = Duration::from_secs(1);

/// An encoder that can be tried, and why it is tried at its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) encoder: Encoder,
    pub(super) reason: String,
}

/// What the choice depends on.
#[derive(Debug, Clone)]
struct Machine {
    nvidia: bool,
    virtio_gpu: bool,
    /// The name of the host encoder that answers, or why there is none.
    host: Result<String, String>,
    installed: Vec<Encoder>,
}

/// The encoders to try, one after the other.
pub(super) fn candidates(settings: &Settings, probe: &Probe) -> Vec<Candidate> {
    match settings.wish.forced() {
        None => ranked(&Machine::look(settings, probe)),
        Some(encoder) => vec![Candidate { encoder, reason: "the property encoder says so".to_owned() }],
    }
}

impl Machine {
    fn look(settings: &Settings, probe: &Probe) -> Self {
        let nodes = render_nodes(Path::new("/"));
        let has = |vendor| nodes.iter().any(|(_, other)| *other == vendor);
        let installed = Encoder::ALL.into_iter().filter(|encoder| encoder.is_installed()).collect();
        Self { nvidia: has(Vendor::NVIDIA), virtio_gpu: has(Vendor::VIRTIO), host: host(settings, probe), installed }
    }
}

pub(super) fn host(settings: &Settings, probe: &Probe) -> Result<String, String> {
    let address = defaults::address(settings.transport.as_deref())?;
    probe.ask(&address, &settings.token, PROBE.min(Duration::from_millis(settings.timeout_ms.into())))
}

fn ranked(machine: &Machine) -> Vec<Candidate> {
    let judged = Encoder::ALL.map(|encoder| (encoder, judge(machine, encoder)));
    let mut against = String::new();
    let mut candidates = Vec::new();
    for (encoder, judgement) in judged {
        match judgement {
            Ok(reason) => candidates.push(Candidate { encoder, reason: format!("{reason}{against}") }),
            Err(reason) => against.push_str(&format!("; not {}: {reason}", encoder.factory())),
        }
    }
    candidates
}

/// Why the encoder is to be tried, or why not.
fn judge(machine: &Machine, encoder: Encoder) -> Result<String, String> {
    if !machine.installed.contains(&encoder) {
        return Err("it is not installed".to_owned());
    }
    match encoder {
        Encoder::Nvidia if machine.nvidia => Ok("there is an NVIDIA render node".to_owned()),
        Encoder::Nvidia => Err("there is no NVIDIA render node".to_owned()),
        Encoder::Host => {
            let gpu = if machine.virtio_gpu { "there is a virtio-gpu" } else { "there is no virtio-gpu" };
            machine.host.as_ref().map(|name| format!("{gpu} and {name} answers")).map_err(Clone::clone)
        }
        Encoder::X264 | Encoder::Openh264 => Ok("it is installed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let host = Err("nobody answered".to_owned());
        Machine { nvidia: false, virtio_gpu: false, host, installed: Encoder::ALL.to_vec() }
    }

    fn order(machine: &Machine) -> Vec<Encoder> {
        ranked(machine).into_iter().map(|candidate| candidate.encoder).collect()
    }

    #[test]
    fn the_best_encoder_comes_first() {
        let host = Ok("helix-host-encoder".to_owned());
        let everything = Machine { nvidia: true, virtio_gpu: true, host: host.clone(), ..machine() };
        assert_eq!(order(&everything), Encoder::ALL);
        assert_eq!(order(&Machine { host, ..machine() }), Encoder::ALL[1..]);
        assert_eq!(order(&machine()), Encoder::ALL[2..]);
        let few = Machine { nvidia: true, installed: vec![Encoder::Openh264], ..machine() };
        assert_eq!(order(&few), [Encoder::Openh264]);
        assert_eq!(order(&Machine { installed: vec![], ..machine() }), []);
    }

    #[test]
    fn the_reason_says_why_better_ones_are_not_chosen() {
        let reason = ranked(&machine())[0].reason.clone();
        assert_eq!(
            reason,
            "it is installed; not nvh264enc: there is no NVIDIA render node; not vsockenc: nobody answered"
        );
        let host = Ok("helix-host-encoder".to_owned());
        let reason = ranked(&Machine { virtio_gpu: true, host, ..machine() })[0].reason.clone();
        assert!(reason.starts_with("there is a virtio-gpu and helix-host-encoder answers; not nvh264enc"), "{reason}");
    }
}
