//! The log: simplelog, set up once, with the additions that a daemon of many months needs.
//!
//! Lines look like `2024-09-06 15:30:00,123 - [INFO] REFRESH: Token refresh check starting...`, in local time.
//! simplelog makes the lines. This module opens the file, writes each line with one write(2), and reopens the file on
//! request. The log follows changes to daylight saving, and no message can forge a line. Only the program's own
//! subjects are logged: lines of the HTTP library at DEBUG may contain headers.

mod output;

use std::fmt::Arguments;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{Config, ConfigBuilder, LevelPadding, TargetPadding, WriteLogger, format_description};
use time::UtcOffset;

use crate::text::escaped;
use output::LogOutput;

/// The subjects of this program's lines, as the `target` of each record.
const SUBJECTS: [&str; 3] = ["REFRESH", "CONFIG", "BRIDGE"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTarget {
    /// This file, and standard error too where that is a terminal.
    File(PathBuf),
    /// Standard error only.
    StandardError,
}

/// Starts the log. Where the file cannot be opened, the lines go to standard error, after one warning: a program that
/// keeps sign-ins alive must not fail for its log.
pub(crate) fn start(target: &LogTarget, level: LevelFilter) {
    // Fails where a logger is set already, which is then this one: a second start is a reopening.
    let _ = log::set_logger(&SWITCH);
    reopen(target, level);
}

/// Opens the log anew, after the file was moved away or the settings have changed. Where that fails, the present log
/// stays in use, with a warning.
pub(crate) fn reopen(target: &LogTarget, level: LevelFilter) {
    log::set_max_level(level);
    SWITCH.turn_to(target);
}

/// Whether logged lines are seen on standard error too, and need no repetition there.
pub(crate) fn reaches_standard_error() -> bool {
    SWITCH.read().as_ref().is_some_and(|active| active.output.reaches_standard_error())
}

static SWITCH: Switch = Switch::new(local_offset);

/// The one logger of the process. `log` takes one for good, so the output behind it is exchanged.
struct Switch {
    active: RwLock<Option<Active>>,
    /// The minute of the last line, in minutes since 1970.
    minute: AtomicU64,
    /// The present offset of local time from UTC.
    offset: fn() -> UtcOffset,
}

struct Active {
    simple: Box<WriteLogger<LogOutput>>,
    output: LogOutput,
    offset: UtcOffset,
}

impl Active {
    /// The level is filtered earlier, so that the log's own warnings are written at any level.
    fn new(output: LogOutput, offset: UtcOffset) -> Self {
        let simple = WriteLogger::new(LevelFilter::Trace, format(offset), output.clone());
        Self { simple, output, offset }
    }

    fn write(&self, level: Level, subject: &str, message: Arguments<'_>) {
        self.simple.log(&Record::builder().level(level).target(subject).args(message).build());
    }
}

impl Switch {
    const fn new(offset: fn() -> UtcOffset) -> Self {
        Self { active: RwLock::new(None), minute: AtomicU64::new(0), offset }
    }

    fn turn_to(&self, target: &LogTarget) {
        let complaint = match target {
            LogTarget::StandardError => {
                self.exchange(LogOutput::standard_error());
                None
            }
            LogTarget::File(path) => match LogOutput::file(path) {
                Ok((output, complaint)) => {
                    self.exchange(output);
                    complaint
                }
                Err(error) => Some(self.go_on_without(path, &error)),
            },
        };
        if let (Some(complaint), Some(active)) = (complaint, &*self.read()) {
            active.write(Level::Warn, "REFRESH", format_args!("{}", escaped(&complaint)));
        }
    }

    /// Keeps the open log, or takes standard error where none is open, and returns the warning.
    fn go_on_without(&self, path: &Path, error: &io::Error) -> String {
        let open = self.read().is_some();
        if !open {
            self.exchange(LogOutput::standard_error());
        }
        let instead = if open { "the log stays where it was" } else { "logging to standard error" };
        format!("cannot open the log {}: {error}; {instead}", path.display())
    }

    fn exchange(&self, output: LogOutput) {
        let active = Active::new(output, (self.offset)());
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(active);
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Active>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a changed offset, since simplelog fixes the offset when it is made. Daylight saving begins and ends
    /// on a whole minute everywhere. One look at the first line of each minute is enough.
    fn follow_the_clock(&self, minute: u64) {
        if self.minute.swap(minute, Ordering::Relaxed) == minute {
            return;
        }
        let offset = (self.offset)();
        if self.read().as_ref().is_none_or(|active| active.offset == offset) {
            return;
        }
        let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
        *active = active.take().map(|old| Active::new(old.output, offset));
    }
}

impl Log for Switch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        SUBJECTS.contains(&metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        self.follow_the_clock(this_minute());
        // The message is formatted before any lock is taken: a panic in a `Display` must not poison the log.
        let message = record.args().to_string();
        let active = self.read();
        let Some(active) = &*active else { return };
        active.write(record.level(), record.target(), format_args!("{}", escaped(&message)));
        if let Some(gap) = active.output.gap() {
            active.write(Level::Warn, "REFRESH", format_args!("{}", escaped(&gap)));
        }
    }

    /// Does nothing, since every line is written when it is complete.
    fn flush(&self) {}
}

fn this_minute() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

/// The local offset, or UTC where the system does not tell, as in a container without time zone data.
fn local_offset() -> UtcOffset {
    UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC)
}

fn format(offset: UtcOffset) -> Config {
    ConfigBuilder::new()
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second],[subsecond digits:3] -"
        ))
        .set_time_offset(offset)
        .set_target_level(LevelFilter::Error)
        .set_target_padding(TargetPadding::Off)
        .set_level_padding(LevelPadding::Off)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where what it expects is not there")]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicI8;

    use time::{OffsetDateTime, PrimitiveDateTime};

    use super::*;
    use crate::scratch::Scratch;

    fn utc() -> UtcOffset {
        UtcOffset::UTC
    }

    fn log_to(switch: &Switch, level: Level, subject: &str, message: &str) {
        switch.log(&Record::builder().level(level).target(subject).args(format_args!("{message}")).build());
    }

    /// The time at the beginning of a line, read as UTC.
    fn time_of(line: &str) -> PrimitiveDateTime {
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second],[subsecond digits:3]");
        PrimitiveDateTime::parse(&line[..23], form).unwrap()
    }

    #[test]
    fn a_line_has_the_documented_form() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let switch = Switch::new(utc);
        switch.turn_to(&LogTarget::File(path.clone()));
        let before = OffsetDateTime::now_utc() - time::Duration::milliseconds(1);
        log_to(&switch, Level::Info, "REFRESH", "Token refresh check starting...");
        log_to(&switch, Level::Warn, "CONFIG", "b");
        log_to(&switch, Level::Error, "REFRESH", "c");
        log_to(&switch, Level::Debug, "REFRESH", "d");
        let text = fs::read_to_string(path).unwrap();
        let ends: Vec<&str> = text.lines().map(|line| &line[23..]).collect();
        assert_eq!(
            ends,
            [
                " - [INFO] REFRESH: Token refresh check starting...",
                " - [WARNING] CONFIG: b",
                " - [ERROR] REFRESH: c",
                " - [DEBUG] REFRESH: d",
            ]
        );
        let logged = time_of(&text).assume_utc();
        assert!(before <= logged && logged <= OffsetDateTime::now_utc(), "{text}");
    }

    #[test]
    fn other_subjects_are_not_logged() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let switch = Switch::new(utc);
        switch.turn_to(&LogTarget::File(path.clone()));
        for subject in ["ureq::run", "rustls::client", "REFRESHER", "", "token_refresher"] {
            log_to(&switch, Level::Error, subject, "Authorization: Bearer x");
        }
        assert_eq!(fs::read_to_string(path).unwrap(), "");
    }

    #[test]
    fn no_message_forges_a_line() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let switch = Switch::new(utc);
        switch.turn_to(&LogTarget::File(path.clone()));
        log_to(&switch, Level::Info, "REFRESH", "a\nb\r\n\u{1b}[2J\t\u{0}\u{85}\u{202e}\u{2028} C:\\new é");
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.ends_with("a\\nb\\r\\n\\u{1b}[2J\\t\\u{0}\\u{85}\\u{202e}\\u{2028} C:\\new é\n"),
            "{text}"
        );
    }

    #[test]
    fn local_time_follows_daylight_saving() {
        static HOURS: AtomicI8 = AtomicI8::new(1);
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let hours = || UtcOffset::from_hms(HOURS.load(Ordering::Relaxed), 0, 0).unwrap();
        let switch = Switch::new(hours);
        switch.turn_to(&LogTarget::File(path.clone()));
        log_to(&switch, Level::Info, "REFRESH", "winter");
        HOURS.store(2, Ordering::Relaxed);
        // The first line of another minute.
        switch.minute.store(0, Ordering::Relaxed);
        log_to(&switch, Level::Info, "REFRESH", "summer");
        let text = fs::read_to_string(path).unwrap();
        let times: Vec<_> = text.lines().map(time_of).collect();
        let apart = times[1] - times[0];
        assert!(apart >= time::Duration::HOUR && apart < time::Duration::minutes(61), "{text}");
    }

    #[test]
    fn the_log_is_opened_anew_where_it_was_moved_away() {
        let scratch = Scratch::new();
        let (path, moved) = (scratch.join("log"), scratch.join("log.1"));
        let target = LogTarget::File(path.clone());
        let switch = Switch::new(utc);
        switch.turn_to(&target);
        log_to(&switch, Level::Info, "REFRESH", "one");
        fs::rename(&path, &moved).unwrap();
        log_to(&switch, Level::Info, "REFRESH", "two");
        switch.turn_to(&target);
        log_to(&switch, Level::Info, "REFRESH", "three");
        assert_eq!(fs::read_to_string(moved).unwrap().lines().count(), 2);
        assert!(fs::read_to_string(path).unwrap().ends_with("three\n"));
    }

    #[test]
    fn a_log_that_cannot_be_opened_anew_stays_where_it_was() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let switch = Switch::new(utc);
        switch.turn_to(&LogTarget::File(path.clone()));
        switch.turn_to(&LogTarget::File(scratch.join("missing/log")));
        log_to(&switch, Level::Info, "REFRESH", "on");
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("[WARNING] REFRESH: cannot open the log"), "{text}");
        assert!(lines[0].ends_with("the log stays where it was") && lines[1].ends_with("on"), "{text}");
    }

    #[test]
    fn truncating_leaves_no_hole() {
        let scratch = Scratch::new();
        let path = scratch.join("log");
        let switch = Switch::new(utc);
        switch.turn_to(&LogTarget::File(path.clone()));
        log_to(&switch, Level::Info, "REFRESH", "before");
        fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        log_to(&switch, Level::Info, "REFRESH", "after");
        assert!(!fs::read(path).unwrap().contains(&0));
    }
}
