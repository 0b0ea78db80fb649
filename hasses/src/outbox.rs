//! What waits for one subscriber: pointers to shared bytes, bounded. No I/O; whoever has the socket asks for slices and
//! says how much went out.
//!
//! An empty outbox is one null pointer. Queues come from a pool and go back to it, so that a subscriber which keeps up
//! costs no allocation a delivery.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use crate::sse::{Framing, Rendered};

/// Most pieces that go out in one write.
pub const SLICES: usize = 64;

/// What waits for one subscriber.
#[derive(Debug, Default)]
pub struct Outbox(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    bytes: Arc<[u8]>,
    range: Range<u32>,
    event: bool,
}

/// Queues that nobody uses now.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "an outbox holds its queue by a pointer, to be small while empty")]
pub struct Pool(Vec<Box<Queue>>);

/// The outbox is full; nothing was added.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Pool {
    /// More than the subscribers that one turn of a shard touches between two writes are never in use for long.
    const KEPT: usize = 1024;

    fn take(&mut self) -> Box<Queue> {
        self.0.pop().unwrap_or_default()
    }

    fn give_back(&mut self, mut queue: Box<Queue>) {
        // One that a slow phase has grown is not worth keeping.
        if self.0.len() < Self::KEPT && queue.pieces.capacity() <= 2 * SLICES {
            queue.pieces.clear();
            queue.bytes = 0;
            self.0.push(queue);
        }
    }
}

impl Outbox {
    /// What a waiting event costs beside its shared bytes.
    const OVERHEAD: usize = size_of::<Piece>();

    /// Adds an event, unless it and what waits already take more than `limit` bytes. One event always fits.
    ///
    /// # Errors
    /// [`Full`] where it does not fit.
    pub fn push(&mut self, event: &Rendered, framing: Framing, limit: usize, pool: &mut Pool) -> Result<(), Full> {
        let (bytes, range) = event.framed(framing);
        let queue = self.0.get_or_insert_with(|| pool.take());
        let cost = range.len() + Self::OVERHEAD;
        if !queue.pieces.is_empty() && queue.bytes + queue.pieces.len() * Self::OVERHEAD + cost > limit {
            return Err(Full);
        }
        queue.add(bytes, range, true);
        Ok(())
    }

    /// Adds what is no event (a response head, a comment, the end of a stream); it is small and not refused.
    pub fn push_other(&mut self, bytes: Arc<[u8]>, range: Range<usize>, pool: &mut Pool) {
        self.0.get_or_insert_with(|| pool.take()).add(bytes, range, false);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.pieces.is_empty())
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes)
    }

    /// The only piece that waits, where it is one.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        let pieces = &self.0.as_ref()?.pieces;
        if pieces.len() == 1 { pieces.front().map(Piece::as_slice) } else { None }
    }

    /// The pieces that go out first, as many as `slices` holds; gives how many and their bytes.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> (usize, usize) {
        let Some(queue) = &self.0 else { return (0, 0) };
        let (mut count, mut bytes) = (0, 0);
        for (slice, piece) in slices.iter_mut().zip(&queue.pieces) {
            *slice = IoSlice::new(piece.as_slice());
            count += 1;
            bytes += piece.as_slice().len();
        }
        (count, bytes)
    }

    /// So many bytes went out; gives how many events are out with that.
    pub fn advance(&mut self, mut written: usize, pool: &mut Pool) -> u64 {
        let mut events = 0;
        let Some(queue) = &mut self.0 else { return 0 };
        queue.bytes -= written.min(queue.bytes);
        while let Some(piece) = queue.pieces.front_mut() {
            let left = piece.range.len();
            if written < left {
                // Less than the piece's length, which fits.
                #[expect(clippy::cast_possible_truncation, reason = "see above")]
                let written = written as u32;
                piece.range.start += written;
                return events;
            }
            written -= left;
            events += u64::from(piece.event);
            queue.pieces.pop_front();
        }
        if let Some(queue) = self.0.take() {
            pool.give_back(queue);
        }
        events
    }

    /// Lets go of everything; gives the bytes that were not sent.
    pub fn clear(&mut self, pool: &mut Pool) -> usize {
        let bytes = self.bytes();
        if let Some(queue) = self.0.take() {
            pool.give_back(queue);
        }
        bytes
    }
}

impl Queue {
    fn add(&mut self, bytes: Arc<[u8]>, range: Range<usize>, event: bool) {
        self.bytes += range.len();
        // Rendered events stay far below 4 GiB: the limit of a message is checked to do so.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let range = range.start as u32..range.end as u32;
        self.pieces.push_back(Piece { bytes, range, event });
    }
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.range.start as usize..self.range.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use hasses_client::wire::{EventId, Publish, TopicPattern};

    use super::*;

    fn event(text: &str) -> Rendered {
        let publish = Publish::new(TopicPattern::new("t").unwrap(), text);
        Rendered::event(EventId::default(), &publish, &mut Vec::new())
    }

    fn all(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (count, bytes) = outbox.fill(&mut slices);
        let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(all.len(), bytes);
        all
    }

    #[test]
    fn bytes_go_out_in_order_however_they_are_cut() {
        let events: Vec<_> = ["one", "two", "three"].map(event).into();
        let expected: Vec<u8> = events.iter().flat_map(|e| e.framed(Framing::Chunked).0.to_vec()).collect();
        for cut in 1..expected.len() {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
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
            assert_eq!(pool.0.len(), 1);
        }
    }

    #[test]
    fn it_is_bounded_but_one_event_always_fits() {
        let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
        let large = event(&"x".repeat(5000));
        assert_eq!(outbox.push(&large, Framing::Chunked, 1000, &mut pool), Ok(()));
        let before = outbox.bytes();
        assert_eq!(outbox.push(&event("x"), Framing::Chunked, 1000, &mut pool), Err(Full));
        assert_eq!(outbox.bytes(), before);
        assert_eq!(outbox.clear(&mut pool), before);
        let small = event("x");
        let fitting = 1000 / (small.len() + Outbox::OVERHEAD);
        for nth in 0..fitting + 1 {
            let pushed = outbox.push(&small, Framing::Chunked, 1000, &mut pool);
            assert_eq!(pushed.is_ok(), nth < fitting, "{nth}");
        }
    }
}
