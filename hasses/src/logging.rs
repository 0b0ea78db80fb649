//! The log: classic's layout or JSON, to standard output or a file, at a level that can be changed while running.
//!
//! Nothing from outside gets into a line as a control character, so nobody can write lines of their own.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use hasses_client::wire::LogLevel;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, Registry};

use crate::config::{Log, LogFormat};

/// What was asked for by a command is logged under this target, at every level.
const REPORT: &str = "hasses::report";
/// How often a log file's path is looked at: one that was moved away is noticed within a second.
const LOOK: Duration = Duration::from_millis(500);

/// The log level in force; clones share it.
#[derive(Clone, Debug)]
pub struct LevelSwitch(Arc<AtomicU8>);

impl LevelSwitch {
    /// A switch that stands at `level`.
    #[must_use]
    pub fn new(level: LogLevel) -> Self {
        Self(Arc::new(AtomicU8::new(level.number())))
    }

    /// Changes the level for everybody.
    pub fn set(&self, level: LogLevel) {
        self.0.store(level.number(), Ordering::Relaxed);
        // What is not logged is not even asked about: each place in the code remembers.
        tracing::callsite::rebuild_interest_cache();
    }

    /// The level in force.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        match self.0.load(Ordering::Relaxed) {
            0 => LogLevel::Quiet,
            1 => LogLevel::Normal,
            _ => LogLevel::Debug,
        }
    }
}

/// The log file in use, if there is one; clones share it.
#[derive(Clone, Debug)]
pub struct LogHandle {
    file: Option<Arc<LogFile>>,
    troubles: Receiver<io::Error>,
}

impl LogHandle {
    /// Opens the file anew, by its path.
    ///
    /// # Errors
    /// What the system said; lines go on to where they went.
    pub fn reopen(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.reopen())
    }

    /// Waits until a file that was moved away cannot be made anew; it is told once for each time that it was moved.
    pub async fn trouble(&self) -> io::Error {
        match self.troubles.recv().await {
            Ok(error) => error,
            // Nothing is logged into a file.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Begins to log, for the whole process.
///
/// # Errors
/// The log file cannot be opened, or something logs already.
pub fn init(log: &Log, switch: &LevelSwitch) -> io::Result<LogHandle> {
    // One trouble that waits is enough, and what logs cannot wait for those who log.
    let (telling, troubles) = async_channel::bounded(1);
    let file = log.file.as_deref().map(|path| LogFile::open(path, telling).map(Arc::new)).transpose()?;
    let target = file.clone().map_or(Target::Stdout, Target::File);
    let layer = tracing_subscriber::fmt::layer().with_writer(target).with_ansi(false).log_internal_errors(false);
    let filter = ByLevel(switch.clone());
    let subscriber: Box<dyn Subscriber + Send + Sync> = match log.format {
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).map_event_format(JsonLines);
            Box::new(Registry::default().with(layer.with_filter(filter)))
        }
        LogFormat::Text => {
            Box::new(Registry::default().with(layer.event_format(Lines { dated: true }).with_filter(filter)))
        }
        LogFormat::Bare => {
            Box::new(Registry::default().with(layer.event_format(Lines { dated: false }).with_filter(filter)))
        }
    };
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    Ok(LogHandle { file, troubles })
}

/// Lets through what the switch allows.
struct ByLevel(LevelSwitch);

impl ByLevel {
    fn most(&self) -> Level {
        match self.0.level() {
            LogLevel::Quiet => Level::WARN,
            LogLevel::Normal => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
        }
    }

    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most() || metadata.target() == REPORT
    }
}

impl<S> Filter<S> for ByLevel {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    /// Asked once for each place in the code, and again when the level changes. `sometimes` would have the arguments of every
    /// `debug!` made and dropped, a thousand instructions a publish.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.lets_through(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most().into())
    }
}

/// `2026-01-31 13:45:07 hasses: text`, as classic writes it, or the text alone.
struct Lines {
    dated: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.dated {
            let now = jiff::Zoned::now();
            write!(writer, "{} hasses: ", now.strftime("%F %T"))?;
        }
        let metadata = event.metadata();
        match *metadata.level() {
            Level::ERROR if metadata.target() != REPORT => writer.write_str("error: ")?,
            Level::WARN => writer.write_str("warning: ")?,
            _ => {}
        }
        event.record(&mut OneLine(&mut writer));
        writer.write_char('\n')
    }
}

/// One JSON object a line. JSON itself asks for escapes below U+0020 only, and a terminal obeys those from U+007F to U+009F too.
struct JsonLines<F>(F);

impl<S, N, F> FormatEvent<S, N> for JsonLines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let text = line.trim_end_matches('\n');
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(writer, "\\u{:04x}", u32::from(c)) } else { writer.write_char(c) }
        })?;
        writer.write_char('\n')
    }
}

/// Writes the message with control characters escaped.
struct OneLine<'a, 'b>(&'a mut Writer<'b>);

impl Visit for OneLine<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // What the writer refuses is lost with its line.
            let _ = write!(Escaped(self.0), "{value:?}");
        }
    }
}

struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.chars().any(char::is_control) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

/// Where lines go.
enum Target {
    Stdout,
    File(Arc<LogFile>),
}

impl<'a> MakeWriter<'a> for Target {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match self {
            Self::Stdout => Box::new(io::stdout().lock()),
            Self::File(file) => Box::new(&**file),
        }
    }
}

/// A log file that is opened anew when it was moved away or deleted, without a signal.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    state: Mutex<Opened>,
    troubles: Sender<io::Error>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    inode: (u64, u64),
    looked: Instant,
    /// It was moved away and could not be made anew.
    stranded: bool,
}

impl LogFile {
    fn open(path: &Path, troubles: Sender<io::Error>) -> io::Result<Self> {
        let state = Mutex::new(Opened::open(path)?);
        Ok(Self { path: path.to_owned(), state, troubles })
    }

    fn reopen(&self) -> io::Result<()> {
        let opened = Opened::open(&self.path)?;
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { file, inode: (metadata.dev(), metadata.ino()), looked: Instant::now(), stranded: false })
    }

    /// Looks whether the file is still the one at its path, and opens the new one if it is not. Where that cannot be done, lines
    /// go on to where they went before; the first time says why.
    fn follow(&mut self, path: &Path) -> Option<io::Error> {
        self.looked = Instant::now();
        if std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode) {
            self.stranded = false;
            return None;
        }
        match Self::open(path) {
            Ok(new) => {
                *self = new;
                None
            }
            Err(error) => (!std::mem::replace(&mut self.stranded, true)).then_some(error),
        }
    }
}

impl Write for &LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut opened = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.looked.elapsed() >= LOOK
            && let Some(trouble) = opened.follow(&self.path)
        {
            // Not logged from here, in the middle of a line that is being logged.
            let _ = self.troubles.try_send(trouble);
        }
        opened.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_log_file_is_noticed_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hasses.log");
        let (telling, troubles) = async_channel::bounded(1);
        let file = LogFile::open(&path, telling).unwrap();
        (&file).write_all(b"one\n").unwrap();
        std::fs::rename(&path, folder.path().join("old.log")).unwrap();
        file.state.lock().unwrap().looked -= LOOK;
        (&file).write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(std::fs::read(folder.path().join("old.log")).unwrap(), b"one\n");
        assert!(troubles.is_empty());
    }

    #[test]
    fn a_log_file_that_cannot_be_made_anew_is_told_once_and_found_when_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("log/hasses.log"), folder.path().join("old.log"));
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let (telling, troubles) = async_channel::bounded(1);
        let file = LogFile::open(&path, telling).unwrap();
        std::fs::rename(&path, &old).unwrap();
        std::fs::remove_dir(folder.path().join("log")).unwrap();
        for line in [b"one\n", b"two\n"] {
            file.state.lock().unwrap().looked -= LOOK;
            (&file).write_all(line).unwrap();
        }
        assert_eq!(std::fs::read(&old).unwrap(), b"one\ntwo\n", "nothing is lost");
        assert_eq!(troubles.try_recv().unwrap().kind(), io::ErrorKind::NotFound);
        assert!(troubles.is_empty());
        assert_eq!(file.reopen().unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(folder.path().join("log")).unwrap();
        file.state.lock().unwrap().looked -= LOOK;
        (&file).write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
    }

    #[test]
    fn a_line_stays_one_line() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let captured = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines { dated: false })
            .with_writer(move || Capture(captured.clone()))
            .with_filter(ByLevel(LevelSwitch::new(LogLevel::Quiet)));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::warn!("from {}: {}", "x\r\ny", "\u{1b}[31m");
            tracing::info!("not at this level");
            tracing::error!(target: REPORT, "always");
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "warning: from x\\r\\ny: \\u{1b}[31m\nalways\n");
    }

    #[test]
    fn a_level_that_changes_holds_at_places_that_were_asked_before() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let captured = buffer.clone();
        let switch = LevelSwitch::new(LogLevel::Normal);
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines { dated: false })
            .with_writer(move || Capture(captured.clone()))
            .with_filter(ByLevel(switch.clone()));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            for level in [LogLevel::Normal, LogLevel::Debug, LogLevel::Quiet, LogLevel::Normal] {
                switch.set(level);
                tracing::debug!("{level}: in detail");
                tracing::info!("{level}: usual");
            }
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "normal: usual\ndebug: in detail\ndebug: usual\nnormal: usual\n");
    }

    #[test]
    fn a_json_line_holds_no_control_character_either() {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let captured = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || Capture(captured.clone()))
            .json()
            .flatten_event(true)
            .map_event_format(JsonLines);
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::warn!("x\r\n\u{1b}[31m\u{7f}\u{85}\u{9b}\\u009b übung 🎉");
        });
        let text = String::from_utf8(buffer.lock().unwrap().clone()).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
        let message = r#""message":"x\r\n\u001b[31m\u007f\u0085\u009b\\u009b übung 🎉""#;
        assert!(line.contains(message), "{line}");
    }

    struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
