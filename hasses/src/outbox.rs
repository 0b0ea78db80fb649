//! What waits for one subscriber: pointers to shared bytes, bounded. No I/O; whoever has the socket asks for slices and
//! says how much went out.
//!
//! One piece stands in the outbox itself, so that a message at a time costs no memory but the subscriber's own. More than one
//! stand in a queue from a pool, which goes back there once it is empty.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use hasses_client::wire::EventId;

use crate::sse::{Framing, Rendered};

/// Most pieces that go out in one write.
pub const SLICES: usize = 64;

/// What waits for one subscriber.
#[derive(Debug, Default)]
pub struct Outbox(Waiting);

#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    One(Piece),
    /// Two or more, or what is left of them.
    Several(Box<Queue>),
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    bytes: Arc<[u8]>,
    start: u32,
    end: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Event,
    Other,
}

/// What the outboxes of a shard share: a count of what waits in all of them, and queues that nobody uses now.
#[derive(Debug)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "an outbox holds its queue by a pointer, to be small")]
    unused: Vec<Box<Queue>>,
    waiting: usize,
    most: usize,
}

/// The outbox is full; nothing was added.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Pool {
    /// More than a shard fills between two writes, most of the time.
    const KEPT: usize = 1024;

    /// A pool for outboxes that hold at most so many bytes together, with what each piece costs beside its shared bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { unused: Vec::new(), waiting: 0, most }
    }

    /// From now on they hold so many.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Bytes that wait in all outboxes, with what each piece costs.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    fn take(&mut self) -> Box<Queue> {
        self.unused.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut queue: Box<Queue>) {
        // One that a slow phase has grown is not worth keeping.
        if self.unused.len() < Self::KEPT && queue.pieces.capacity() <= 2 * SLICES {
            queue.pieces.clear();
            queue.bytes = 0;
            self.unused.push(queue);
        }
    }
}

impl Outbox {
    /// What a waiting event costs beside its shared bytes.
    const OVERHEAD: usize = size_of::<Piece>();

    /// Adds an event, unless it and what waits already take more than `limit` bytes, or all outboxes together more than they
    /// may. One event always fits.
    ///
    /// # Errors
    /// [`Full`] where it does not fit.
    pub fn push(&mut self, event: &Rendered, framing: Framing, limit: usize, pool: &mut Pool) -> Result<(), Full> {
        let (waiting, bytes) = (self.pieces(), self.bytes());
        if waiting > 0 {
            let more = event.len() + (waiting + 1) * Self::OVERHEAD;
            if bytes + more > limit || pool.waiting + event.len() + Self::OVERHEAD > pool.most {
                return Err(Full);
            }
        }
        let (bytes, range) = event.framed(framing);
        self.add(Piece::new(bytes, range, Kind::Event), pool);
        Ok(())
    }

    /// Adds what is no event (a response head, a comment, the end of a stream); it is small and not refused.
    pub fn push_other(&mut self, bytes: Arc<[u8]>, range: Range<usize>, pool: &mut Pool) {
        self.add(Piece::new(bytes, range, Kind::Other), pool);
    }

    fn add(&mut self, piece: Piece, pool: &mut Pool) {
        pool.waiting += piece.len() + Self::OVERHEAD;
        match &mut self.0 {
            Waiting::Several(queue) => queue.add(piece),
            nothing @ Waiting::Nothing => *nothing = Waiting::One(piece),
            one @ Waiting::One(_) => {
                let mut queue = pool.take();
                if let Waiting::One(first) = std::mem::take(one) {
                    queue.add(first);
                }
                queue.add(piece);
                *one = Waiting::Several(queue);
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces() == 0
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Waiting::Nothing => 0,
            Waiting::One(piece) => piece.len(),
            Waiting::Several(queue) => queue.bytes,
        }
    }

    /// Bytes that wait, with what each piece costs beside.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.bytes() + self.pieces() * Self::OVERHEAD
    }

    fn pieces(&self) -> usize {
        match &self.0 {
            Waiting::Nothing => 0,
            Waiting::One(_) => 1,
            Waiting::Several(queue) => queue.pieces.len(),
        }
    }

    /// The only piece that waits, where it is one.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        match &self.0 {
            Waiting::Nothing => None,
            Waiting::One(piece) => Some(piece.as_slice()),
            Waiting::Several(queue) if queue.pieces.len() == 1 => queue.pieces.front().map(Piece::as_slice),
            Waiting::Several(_) => None,
        }
    }

    /// The pieces that go out first, as many as `slices` holds; gives how many.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (one, several) = match &self.0 {
            Waiting::Nothing => (None, None),
            Waiting::One(piece) => (Some(piece), None),
            Waiting::Several(queue) => (None, Some(queue.pieces.iter())),
        };
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(one.into_iter().chain(several.into_iter().flatten())) {
            *slice = IoSlice::new(piece.as_slice());
            count += 1;
        }
        count
    }

    /// So many bytes went out; gives how many events are out with that.
    pub fn advance(&mut self, mut written: usize, pool: &mut Pool) -> u64 {
        let mut events = 0;
        pool.waiting -= written.min(self.bytes());
        match &mut self.0 {
            Waiting::Nothing => return 0,
            Waiting::One(piece) => {
                if !piece.advance(&mut written) {
                    return 0;
                }
                events += piece.events();
            }
            // All of it, as nearly always.
            Waiting::Several(queue) if written >= queue.bytes => {
                events += queue.pieces.iter().map(Piece::events).sum::<u64>();
                pool.waiting -= queue.pieces.len() * Self::OVERHEAD;
                queue.bytes = 0;
                queue.pieces.clear();
            }
            Waiting::Several(queue) => {
                queue.bytes -= written;
                while let Some(piece) = queue.pieces.front_mut() {
                    if !piece.advance(&mut written) {
                        return events;
                    }
                    events += piece.events();
                    queue.pieces.pop_front();
                    pool.waiting -= Self::OVERHEAD;
                }
            }
        }
        self.clear(pool);
        events
    }

    /// Lets go of the events at its end, so that they can be read from the log again: all but what is no event, what stands
    /// before that, and an event that the peer has a part of. Gives the id of the first that is gone.
    pub fn let_go(&mut self, pool: &mut Pool) -> Option<EventId> {
        let mut first = None;
        if let Waiting::Several(queue) = &mut self.0 {
            while queue.pieces.len() > 1
                && let Some(id) = queue.pieces.back().and_then(Piece::event)
            {
                first = Some(id);
                let Some(piece) = queue.pieces.pop_back() else { break };
                queue.bytes -= piece.len();
                pool.waiting -= piece.len() + Self::OVERHEAD;
            }
            queue.pieces.shrink_to(SLICES);
        }
        let front = match &self.0 {
            Waiting::Nothing => None,
            Waiting::One(piece) => Some(piece),
            Waiting::Several(queue) if queue.pieces.len() == 1 => queue.pieces.front(),
            Waiting::Several(_) => None,
        };
        // Without chunks, what is untouched does not begin at 0 and stays: it is one event.
        if let Some(id) = front.filter(|piece| piece.start == 0).and_then(Piece::event) {
            first = Some(id);
            self.clear(pool);
        }
        first
    }

    /// Lets go of everything.
    pub fn clear(&mut self, pool: &mut Pool) {
        pool.waiting -= self.cost();
        if let Waiting::Several(queue) = std::mem::take(&mut self.0) {
            pool.give_back(queue);
        }
    }
}

impl Queue {
    fn add(&mut self, piece: Piece) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }
}

impl Piece {
    /// Rendered events stay far below 4 GiB: the limit of a message is checked to do so.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    fn new(bytes: Arc<[u8]>, range: Range<usize>, kind: Kind) -> Self {
        Self { bytes, start: range.start as u32, end: range.end as u32, kind }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// The id of the event that it is.
    fn event(&self) -> Option<EventId> {
        if self.kind == Kind::Event { Rendered::id_of(&self.bytes) } else { None }
    }

    fn events(&self) -> u64 {
        u64::from(self.kind == Kind::Event)
    }

    /// Takes its share of the bytes written; whether it is out.
    fn advance(&mut self, written: &mut usize) -> bool {
        let share = self.len().min(*written);
        let out = share == self.len();
        *written -= share;
        // No more than the piece has, which fits.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let share = share as u32;
        self.start += share;
        out
    }
}

#[cfg(test)]
mod tests {
    use hasses_client::wire::{Publish, TopicPattern};

    use super::*;

    fn event(text: &str) -> Rendered {
        let publish = Publish::new(TopicPattern::new("t").unwrap(), text);
        Rendered::event(EventId::default(), &publish, &mut Vec::new())
    }

    fn all(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = outbox.fill(&mut slices);
        let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        all
    }

    #[test]
    fn bytes_go_out_in_order_however_they_are_cut() {
        let events: Vec<_> = ["one", "two", "three"].map(event).into();
        let expected: Vec<u8> = events.iter().flat_map(|e| e.framed(Framing::Chunked).0.to_vec()).collect();
        for cut in 1..expected.len() {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::new(usize::MAX));
            for event in &events {
                outbox.push(event, Framing::Chunked, 1000, &mut pool).unwrap();
            }
            let (mut sent, mut delivered) = (Vec::new(), 0);
            while !outbox.is_empty() {
                let waiting = all(&outbox);
                assert_eq!(outbox.bytes(), waiting.len());
                let written = cut.min(waiting.len());
                sent.extend_from_slice(&waiting[..written]);
                delivered += outbox.advance(written, &mut pool);
            }
            assert_eq!((sent, delivered), (expected.clone(), 3));
            assert_eq!((pool.unused.len(), pool.waiting()), (1, 0));
        }
    }

    #[test]
    fn it_is_bounded_but_one_event_always_fits() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::new(usize::MAX));
        let large = event(&"x".repeat(5000));
        assert_eq!(outbox.push(&large, Framing::Chunked, 1000, &mut pool), Ok(()));
        let before = outbox.bytes();
        assert_eq!(outbox.push(&event("x"), Framing::Chunked, 1000, &mut pool), Err(Full));
        assert_eq!(outbox.bytes(), before);
        outbox.clear(&mut pool);
        assert!(outbox.is_empty() && before > 5000);
        let small = event("x");
        let fitting = 1000 / (small.len() + Outbox::OVERHEAD);
        for nth in 0..fitting + 1 {
            let pushed = outbox.push(&small, Framing::Chunked, 1000, &mut pool);
            assert_eq!(pushed.is_ok(), nth < fitting, "{nth}");
        }
    }

    #[test]
    fn all_outboxes_together_are_bounded_and_one_event_always_fits() {
        let mut pool = Pool::new(2000);
        let mut outboxes: Vec<Outbox> = (0..100).map(|_| Outbox::default()).collect();
        let large = event(&"x".repeat(500));
        for outbox in &mut outboxes {
            assert_eq!(outbox.push(&large, Framing::Chunked, 10_000, &mut pool), Ok(()));
            let fits = pool.waiting() + large.len() + Outbox::OVERHEAD <= 2000;
            assert_eq!(outbox.push(&large, Framing::Chunked, 10_000, &mut pool).is_ok(), fits);
        }
        for outbox in &mut outboxes {
            outbox.advance(100, &mut pool);
            outbox.clear(&mut pool);
        }
        assert_eq!(pool.waiting(), 0);
    }

    #[test]
    fn what_is_let_go_is_what_the_log_can_give_again() {
        let events: Vec<_> = (1..=4)
            .map(|sequence| {
                let publish = Publish::new(TopicPattern::new("t").unwrap(), "text");
                Rendered::event(EventId { millis: 7, sequence }, &publish, &mut Vec::new())
            })
            .collect();
        let length = events[0].len();
        let head: Arc<[u8]> = Arc::from(&b"head"[..]);
        // Where a head stands among the events, what went out, and the first event that is gone and how many bytes are left.
        for (head_before, written, gone, left) in [
            (None, 0, Some(1), 0),
            (None, 1, Some(2), length - 1),
            (None, length, Some(2), 0),
            (None, length + 1, Some(3), length - 1),
            (Some(0), 0, Some(1), 4),
            (Some(2), 0, Some(3), 2 * length + 4),
            (Some(4), 0, None, 4 * length + 4),
            (None, 3 * length + 1, None, length - 1),
        ] {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::new(usize::MAX));
            for nth in 0..=events.len() {
                if head_before == Some(nth) {
                    outbox.push_other(head.clone(), 0..4, &mut pool);
                }
                if let Some(event) = events.get(nth) {
                    outbox.push(event, Framing::Chunked, 10_000, &mut pool).unwrap();
                }
            }
            outbox.advance(written, &mut pool);
            let first = outbox.let_go(&mut pool).map(|id| id.sequence);
            assert_eq!((first, outbox.bytes()), (gone, left), "{head_before:?} {written}");
            outbox.clear(&mut pool);
            assert_eq!(pool.waiting(), 0);
        }
    }
}
