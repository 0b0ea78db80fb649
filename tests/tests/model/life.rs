//! One subscription as its browser sees it: from the request to the end of the stream. What comes is held against the reference as
//! it comes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use hasses_client::sse::Event;
use hasses_client::wire::EventId;

use crate::reference::{Asked, Beginning, Reference};
use crate::stream::Response;

#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) shard: usize,
    pub(crate) asked: Asked,
    pub(crate) notices: bool,
    socket: UnixStream,
    /// What of the request is not sent yet.
    unsent: Vec<u8>,
    response: Response,
    /// How it should begin; `None` as long as no shard has entered it.
    pub(crate) beginning: Option<Beginning>,
    /// It was told to come back later.
    pub(crate) refused: bool,
    /// It has closed its sending side.
    pub(crate) has_left: bool,
    /// So many events of the reference have come, or are known not to come.
    seen: usize,
    /// Of its own events, the one that came last.
    last: Option<EventId>,
    /// Events that came from before its shard's position when it began.
    replayed: u64,
    heard_verdict: bool,
    /// Where it was live first, and where it was told to stand last.
    live_from: Option<EventId>,
    cursor: Option<EventId>,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// So many bytes, none for now.
    Bytes(usize),
    /// The end.
    End,
}

impl Life {
    pub(crate) fn new(socket: UnixStream, shard: usize, asked: Asked, notices: bool, unsent: Vec<u8>) -> Self {
        let response = Response::new(&asked.last_event_id);
        Self {
            shard,
            asked,
            notices,
            socket,
            unsent,
            response,
            beginning: None,
            refused: false,
            has_left: false,
            seen: 0,
            last: None,
            replayed: 0,
            heard_verdict: false,
            live_from: None,
            cursor: None,
        }
    }

    /// Sends the rest of its request, or the first bytes of it.
    pub(crate) fn send(&mut self, most: usize) {
        let count = most.min(self.unsent.len());
        let sent: Vec<u8> = self.unsent.drain(..count).collect();
        // The daemon may have given up waiting.
        let _ = self.socket.write_all(&sent);
    }

    /// Its request is sent.
    pub(crate) fn has_asked(&self) -> bool {
        self.unsent.is_empty()
    }

    /// It waits for a shard to enter it.
    pub(crate) fn is_pending(&self) -> bool {
        self.has_asked() && self.beginning.is_none() && !self.refused
    }

    /// Closes the sending side: to the daemon, it has left.
    pub(crate) fn half_close(&mut self) {
        self.has_left = true;
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The id to come back with.
    pub(crate) fn last_event_id(&self) -> &str {
        self.response.last_event_id()
    }

    /// Everything after this may be owed.
    pub(crate) fn progress(&self) -> Option<EventId> {
        self.beginning.as_ref().map(|beginning| self.last.max(self.cursor).unwrap_or(beginning.start))
    }

    /// A shard has entered it.
    pub(crate) fn begin(&mut self, beginning: Beginning, reference: &Reference) {
        if beginning.newest.is_none() {
            self.seen = reference.events.partition_point(|event| event.id <= beginning.start);
        }
        self.beginning = Some(beginning);
    }

    /// Reads so many bytes, where there are so many.
    pub(crate) fn read(&mut self, most: usize, reference: &Reference, position: EventId) -> Heard {
        let mut buffer = vec![0; most];
        match self.socket.read(&mut buffer) {
            Ok(0) => Heard::End,
            Ok(count) => {
                for event in self.response.take(&buffer[..count]) {
                    self.hear(&event, reference, position);
                }
                Heard::Bytes(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Heard::Bytes(0),
            Err(_) => Heard::End,
        }
    }

    /// Whether the stream was ended properly.
    pub(crate) fn is_over(&self) -> bool {
        self.response.is_over()
    }

    fn hear(&mut self, event: &Event, reference: &Reference, position: EventId) {
        let beginning = self.beginning.clone().unwrap_or_else(|| panic!("{event:?} before any shard entered it"));
        let say = format!("{event:?} to {:?}, begun {beginning:?}, after {:?}", self.asked, self.last);
        match event.event.as_str() {
            "hasses.resume" => {
                assert!(
                    self.notices && !self.heard_verdict && self.last.max(self.cursor).is_none(),
                    "late or twice: {say}"
                );
                assert_eq!(Some(&event.data), beginning.verdict.as_ref(), "{say}");
                assert_eq!(event.last_event_id, self.asked.last_event_id, "a verdict changes no id: {say}");
                self.heard_verdict = true;
            }
            "hasses.cursor" => {
                let id = id(event);
                assert!(self.notices && event.data == "{}", "{say}");
                self.check_verdict(&beginning, &say);
                assert!(Some(id) >= self.progress(), "back: {say}");
                assert!(id <= position, "ahead of its shard, which is at {position}: {say}");
                // "No cursor event is ever sent while something before it is still owed."
                self.pass(id, &beginning, reference, position, &say);
                self.check_replayed(&beginning, reference, id, &say);
                self.live_from.get_or_insert(id);
                self.cursor = Some(id);
            }
            _ => {
                let id = id(event);
                self.check_verdict(&beginning, &say);
                assert!(Some(id) > self.last.max(self.cursor), "back or twice: {say}");
                self.pass(id.before(), &beginning, reference, position, &say);
                let Some(known) = reference.events.get(self.seen).filter(|known| known.id == id) else {
                    panic!("never published, or out of order: {say}");
                };
                assert_eq!((&event.event, &event.data), (&known.event, &known.data), "{say}");
                assert!(self.asked.is_for(known), "not for it: {say}");
                assert!(!reference.is_too_old(known, &self.asked, &beginning), "not asked for: {say}");
                assert!(id <= position, "ahead of its shard, which is at {position}: {say}");
                if id <= beginning.position {
                    self.replayed += 1;
                } else {
                    self.check_replayed(&beginning, reference, id, &say);
                }
                self.seen += 1;
                self.last = Some(id);
            }
        }
    }

    /// Nothing up to this id will come any more: nothing of it is owed.
    fn pass(&mut self, id: EventId, beginning: &Beginning, reference: &Reference, position: EventId, say: &str) {
        while let Some(known) = reference.events.get(self.seen).filter(|known| known.id <= id) {
            let left_out = || reference.may_be_left_out(known, &self.asked, beginning, self.live_from, position);
            assert!(!self.asked.is_for(known) || left_out(), "{} is missing before {say}", known.id);
            self.seen += 1;
        }
    }

    /// The verdict comes before anything else.
    fn check_verdict(&self, beginning: &Beginning, say: &str) {
        let told = !self.notices || beginning.verdict.is_none() || self.heard_verdict;
        assert!(told, "no verdict before {say}");
    }

    /// As many came as the verdict said.
    fn check_replayed(&self, beginning: &Beginning, reference: &Reference, id: EventId, say: &str) {
        if beginning.newest.is_some() || beginning.verdict.is_none() || id < beginning.position {
            return;
        }
        // What is superseded in the meantime is left out; what was, and by other rules is not, comes.
        let others = reference.may_have_latest(beginning)
            && (self.replayed < beginning.replayed || beginning.rules + 1 < reference.rules.len());
        assert!(self.replayed == beginning.replayed || others, "{} were replayed before {say}", self.replayed);
    }

    /// All is quiet, and everything was read: it has what it is owed.
    pub(crate) fn check_complete(&mut self, reference: &Reference, position: EventId) {
        let Some(beginning) = self.beginning.clone() else {
            panic!("no shard has entered {self:?}");
        };
        let say = format!("the quiet end of {:?}, begun {beginning:?}, after {:?}", self.asked, self.last);
        self.check_verdict(&beginning, &say);
        self.pass(reference.newest(), &beginning, reference, position, &say);
        self.check_replayed(&beginning, reference, reference.newest(), &say);
        assert!(self.cursor.is_some() || !self.notices, "it was never told where it stands: {say}");
    }
}

fn id(event: &Event) -> EventId {
    event.last_event_id.parse().unwrap_or_else(|_| panic!("no id of this daemon: {event:?}"))
}
