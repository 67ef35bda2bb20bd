//! What is asked in a guest.

/// A question: a command of the shell, and whether its answer is good.
pub(super) struct Question {
    pub(super) command: &'static str,
    pub(super) good: fn(&str) -> bool,
    /// What is wrong when it is not.
    pub(super) otherwise: &'static str,
}

/// In the order in which they are asked.
pub(super) const QUESTIONS: [Question; 4] = [
    Question {
        command: "systemctl is-system-running --wait",
        good: |answer| answer == "running",
        otherwise: "the guest has failed units",
    },
    Question {
        command: "findmnt -no SOURCE /var/lib/helix/workspaces",
        good: |answer| answer.starts_with("/dev/"),
        otherwise: "the data disk is not mounted",
    },
    Question {
        command: "vulkaninfo --summary 2>&1 | grep -i driverName",
        good: |answer| answer.contains("venus"),
        otherwise: "the guest has no Venus",
    },
    Question {
        command: ENCODE,
        good: |answer| answer.parse().is_ok_and(|bytes: u32| bytes > 100),
        otherwise: "no frame came back",
    },
];

/// A few frames through the host encoder beside QEMU, by the ordinary user. Only these plugins are scanned: all of them take long.
const ENCODE: &str = "d=$(mktemp -d); for name in coreelements videotestsrc vsockenc; do \
    ln -s /usr/lib/*/gstreamer-1.0/libgst$name.so $d; done; \
    env GST_PLUGIN_SYSTEM_PATH_1_0=$d GST_REGISTRY_1_0=$d/registry GST_REGISTRY_FORK=no timeout 120 \
    gst-launch-1.0 -q videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=320,height=240 \
    ! vsockenc ! filesink location=$d/h264; wc -c < $d/h264";
