//! What `check-host-encoder` finds wrong with an encoder.

use std::sync::Arc;

use helix_frame_protocol::*;
use helix_host_encoder::annexb::{PPS, SPS, nal_type, nal_units};
use helix_host_encoder::{Abilities, Backend, EncodeError, Encoder, FrameSource, Opened, Outcome, Sink, backend};
use helix_host_encoder_artifacts::{Checked, check_socket};

use crate::client::{Host, config};

/// What an encoder does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// IDRs but the first come without these parameter sets.
    Without(&'static [u8]),
    /// A keyframe that is asked for is none.
    Deaf,
    /// What is said to be a keyframe is none.
    Lying,
}

/// OpenH264 with a flaw.
struct Flawed(Flaw, Arc<dyn Backend>);

impl Backend for Flawed {
    fn name(&self) -> &str {
        "flawed"
    }

    fn abilities(&self) -> Abilities {
        self.1.abilities()
    }

    fn open(&self, wanted: &Configure, sink: Sink) -> Result<Box<dyn Encoder>, EncodeError> {
        let flaw = self.0;
        let spoil = move |ticket, outcome| match outcome {
            Outcome::Unit { data, keyframe } if ticket > 1 => {
                sink(ticket, Outcome::Unit { data: flaw.spoil(data), keyframe: keyframe || flaw == Flaw::Lying });
            }
            other => sink(ticket, other),
        };
        Ok(Box::new(Spoilt(flaw, self.1.open(wanted, Arc::new(spoil))?)))
    }
}

impl Flaw {
    fn spoil(self, data: Vec<u8>) -> Vec<u8> {
        let Self::Without(sets) = self else { return data };
        let kept = nal_units(&data).into_iter().filter(|nal| !sets.contains(&nal_type(nal)));
        kept.flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect()
    }
}

struct Spoilt(Flaw, Box<dyn Encoder>);

impl Encoder for Spoilt {
    fn opened(&self) -> Opened {
        self.1.opened()
    }

    fn encode(&mut self, ticket: u64, frame: &mut dyn FrameSource, keyframe: bool) -> Result<(), EncodeError> {
        self.1.encode(ticket, frame, keyframe && self.0 != Flaw::Deaf)
    }

    fn finish(&mut self) -> Result<(), EncodeError> {
        self.1.finish()
    }
}

fn check(flaw: Flaw) -> Result<Checked, helix_host_encoder_artifacts::Error> {
    let openh264 = backend::backend("openh264").expect("an encoder");
    let host = Host::start(config(Arc::new(Flawed(flaw, openh264))));
    check_socket(&host.path, 10, &|line| println!("{line}"))
}

#[test]
fn parameter_sets_and_keyframes_on_demand_are_looked_at() {
    for (flaw, said) in [
        (Flaw::Without(&[SPS]), "an IDR has no SPS before it"),
        (Flaw::Without(&[PPS]), "an IDR has no PPS before it"),
        (Flaw::Without(&[SPS, PPS]), "an IDR has no SPS and no PPS before it"),
        (Flaw::Deaf, "the frame 2 of a stream is no keyframe, though it has to be one"),
        (Flaw::Lying, "is said to be a keyframe: true, and is one: false"),
    ] {
        let error = check(flaw).expect_err("a fault").to_string();
        assert!(error.contains(said), "{flaw:?}: {error}");
    }
}

#[test]
fn a_good_encoder_stands_the_check() {
    let checked = check(Flaw::None).unwrap_or_else(|e| panic!("{e}"));
    // How fast a machine is that runs other tests meanwhile is not asked here.
    let quality: Vec<&String> = checked.faults.iter().filter(|fault| fault.contains("dB")).collect();
    assert!(quality.is_empty() && checked.kinds.len() == 4, "{:?}", checked.faults);
}
