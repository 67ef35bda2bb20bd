//! What the library logs, for a program in C: an event of `tracing` becomes a line of text.

use std::ffi::CString;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::{HelixLevel, Logger};

/// The level that C knows by this number.
pub(crate) fn level(number: u32) -> Option<LevelFilter> {
    Some(match number {
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => return None,
    })
}

/// Gives all messages of this process up to `most` to `logger`.
///
/// # Errors
/// When somebody has them already.
pub(crate) fn set(logger: Logger, most: LevelFilter) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(Log { logger, most })
}

struct Log {
    logger: Logger,
    most: LevelFilter,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => HelixLevel::Error,
            Level::WARN => HelixLevel::Warn,
            Level::INFO => HelixLevel::Info,
            _ => HelixLevel::Debug,
        };
        self.logger.say(level, &line.text());
    }

    /// The library has no spans.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The message, and behind it the fields as `name=value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl Line {
    /// Without what would end a text of C or a line of a log.
    fn text(&self) -> CString {
        let text = format!("{}{}", self.message, self.fields).replace(char::is_control, " ");
        CString::new(text).unwrap_or_default()
    }
}
