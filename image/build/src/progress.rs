//! What the pipeline tells about itself while it works; how that looks is the caller's business.

/// A listener. All methods may be called from several threads.
pub trait Progress: Sync {
    /// A step begins; `total` is the number of units it will report, where that is known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// `units` more are done; `what` is the thing at hand, such as a package's name.
    fn advance(&self, units: u64, what: &str);
    /// The step is done.
    fn end(&self, summary: &str);
    /// Whether somebody wants all this to stop; what is under way then fails, and must not be taken at its word.
    fn interrupted(&self) -> bool {
        false
    }
    /// Something that people should read, but that stops nothing.
    fn warn(&self, text: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, _units: u64, _what: &str) {}
    fn end(&self, _summary: &str) {}
    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }
}
